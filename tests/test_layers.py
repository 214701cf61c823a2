"""The lab's settings over a project's: where its databases are stays as the lab has said."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from loadlab.overlay.configuration import Overlay
from loadlab.overlay.layers import overlaid

POSTGRESQL = "django.db.backends.postgresql"
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


def databases(addable: list[str] | None = None, **entries: dict[str, Any]) -> Any:
    overlay = Overlay(settings="shop.settings", databases={"default": OURS}, addable=addable)
    return overlaid({"DATABASES": {"default": THEIRS, **entries}}, overlay)["DATABASES"]


def test_an_entry_keeps_all_that_does_not_say_where_it_leads() -> None:
    assert databases()["default"] == {
        **OURS,
        "ATOMIC_REQUESTS": True,
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {"sslmode": "disable", "pool": True},
    }


def test_an_entry_of_another_engine_keeps_only_what_any_engine_knows() -> None:
    overlay = Overlay(settings="shop.settings", databases={"default": OURS})
    sqlite = {"ENGINE": "django.db.backends.sqlite3", "NAME": "a", "ATOMIC_REQUESTS": True, "OPTIONS": {"timeout": 5}}
    assert overlaid({"DATABASES": {"default": sqlite}}, overlay)["DATABASES"]["default"] == {
        **OURS,
        "ATOMIC_REQUESTS": True,
    }


def test_what_an_app_does_to_databases_later_moves_none_back() -> None:
    settings = databases(audit={"ENGINE": POSTGRESQL, "NAME": "audit"})
    settings["default"] = THEIRS
    settings.update({"default": THEIRS}, audit={"NAME": "other"})
    settings.setdefault("default", THEIRS)
    assert settings["default"]["NAME"] == "loadlab"
    assert settings["audit"] == {"NAME": "other"}  # not the lab's


def test_no_alias_is_added_that_nobody_has_looked_at() -> None:
    settings = databases(addable=["late"])
    settings["late"] = THEIRS
    settings["reader"] = dict(settings["default"])
    with pytest.raises(ImproperlyConfigured, match=r"DATABASES\['tenant'\] was added after"):
        settings.setdefault("tenant", THEIRS)
    databases()["tenant"] = THEIRS


def test_a_copy_of_the_databases_is_the_projects_own() -> None:
    settings = databases()
    for copy in (deepcopy(settings), pickle.loads(pickle.dumps(settings))):  # noqa: S301  our own
        assert type(copy) is dict
        assert copy == settings
