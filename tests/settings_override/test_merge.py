"""The lab's settings over a project's: where its databases are stays as the lab has said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler

from loadlab.settings_override.configuration import SettingsOverride
from loadlab.settings_override.merge import overridden_settings
from loadlab.settings_override.pinned_databases import pin_databases

if TYPE_CHECKING:
    from collections.abc import Callable

POSTGRESQL = "django.db.backends.postgresql"
SQLITE = "django.db.backends.sqlite3"
OWN = {"ENGINE": SQLITE, "NAME": "own"}
OURS = {"ENGINE": POSTGRESQL, "NAME": "loadlab", "HOST": "127.0.0.1", "PORT": "5433", "OPTIONS": {"sslmode": "disable"}}
THEIRS = {
    "ENGINE": POSTGRESQL,
    "NAME": "shop",
    "HOST": "db.example",
    "USER": "shop",
    "PASSWORD": "secret",
    "ATOMIC_REQUESTS": True,
    "DISABLE_SERVER_SIDE_CURSORS": True,
    "OPTIONS": {"sslmode": "require", "service": "shop", "assume_role": "owner", "pool": True},
}


def test_an_entry_keeps_all_that_does_not_say_where_it_leads() -> None:
    override = SettingsOverride(settings="shop.settings", databases={"default": OURS})
    assert overridden_settings({"DATABASES": {"default": THEIRS}}, override)["DATABASES"]["default"] == {
        **OURS,
        "ATOMIC_REQUESTS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"sslmode": "disable", "pool": True},
    }


def test_an_entry_of_another_engine_keeps_only_what_any_engine_knows() -> None:
    override = SettingsOverride(settings="shop.settings", databases={"default": OURS})
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": "a", "ATOMIC_REQUESTS": True, "OPTIONS": {"timeout": 5}}
    assert overridden_settings({"DATABASES": {"default": sqlite}}, override)["DATABASES"]["default"] == {
        **OURS,
        "ATOMIC_REQUESTS": True,
    }


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str] | None], ConnectionHandler]:
    """Django's own handler of connections, over databases that are held."""
    monkeypatch.setattr(ConnectionHandler, "create_connection", ConnectionHandler.create_connection)

    def held(addable: list[str] | None) -> ConnectionHandler:
        ours = {"ENGINE": SQLITE, "NAME": "ours"}
        override = SettingsOverride(settings="shop.settings", databases={"default": ours}, pinned=True, addable=addable)
        entries = overridden_settings({"DATABASES": {"default": OWN, "audit": OWN}}, override)["DATABASES"]
        assert type(entries) is dict  # as libraries expect that dump it
        pin_databases(override, entries)
        return ConnectionHandler(entries)

    return held


def test_what_an_app_does_to_databases_later_moves_none_back(
    handler: Callable[[list[str] | None], ConnectionHandler],
) -> None:
    connections = handler(None)
    connections.databases["default"] = {**OWN, "PASSWORD": "theirs"}
    assert connections["default"].settings_dict["NAME"] == "ours"
    assert not connections["default"].settings_dict["PASSWORD"]
    del connections["default"]
    connections.databases["default"]["NAME"] = "own"
    assert connections["default"].settings_dict["NAME"] == "ours"
    assert connections["audit"].settings_dict["NAME"] == "own"  # not the lab's


def test_no_alias_is_added_that_may_lead_to_a_database_of_the_projects(
    handler: Callable[[list[str] | None], ConnectionHandler],
) -> None:
    connections = handler(["audit"])
    connections.databases["reader"] = {**connections.databases["default"]}
    connections.databases["tenant"] = {**connections.databases["audit"]}
    assert connections["reader"].settings_dict["NAME"] == "ours"
    assert connections["audit"].settings_dict["NAME"] == "own"
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['tenant'\] was added after"):
        connections["tenant"].ensure_connection()
