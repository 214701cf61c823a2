"""Where entries of DATABASES lead, and which of them share a place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from every import every

from loadlab.lab.aliases import is_remote, migrated, redirected, sharing, where
from loadlab.lab.inspection import Alias

if TYPE_CHECKING:
    import pytest


def postgresql(**parameters: str) -> Alias:
    return Alias(
        engine="", vendor="postgresql", driver="psycopg", pool=False, atomic_requests=False, parameters=parameters
    )


def other(vendor: str, name: str = "", host: str = "", *, mirror: str = "", models: int = 0) -> Alias:
    return Alias(
        engine="",
        vendor=vendor,
        driver="",
        pool=False,
        atomic_requests=False,
        parameters={},
        name=name,
        host=host,
        mirror=mirror,
        models=models,
    )


def test_aliases_that_share_a_place_share_the_embedded_database() -> None:
    aliases = {
        "replica": postgresql(dbname="shop", host="127.0.0.1", port="5432"),
        "default": postgresql(dbname="shop", host="localhost"),
        "audit": postgresql(dbname="audit", host="localhost"),
        "files": other("sqlite", "/a.sqlite3"),
        "same": other("sqlite", "/a.sqlite3"),
        "memory": other("sqlite", ":memory:"),
        "memories": other("sqlite", ":memory:"),
        "copy": other("mysql", "far", mirror="audit"),
    }
    assert sharing(aliases) == [
        ("default", "replica"),
        ("audit", "copy"),
        ("files", "same"),
        ("memory",),
        ("memories",),
    ]
    assert redirected(aliases, ["memory", "replica"]) == {
        "default": "loadlab",
        "audit": "loadlab_2",
        "files": "loadlab_3",
        "same": "loadlab_3",
        "memories": "loadlab_4",
    }


def test_mirrors_that_name_each_other_are_two_places() -> None:
    aliases = {"default": other("sqlite", "a", mirror="b"), "b": other("sqlite", "b", mirror="default")}
    assert len(sharing(aliases)) == 2


def test_a_database_is_migrated_by_the_alias_that_routers_allow_most() -> None:
    aliases = {
        "default": other("sqlite", "a"),
        "primary": other("sqlite", "a", models=3),
        "x": other("sqlite", "x", models=1),
        "y": other("sqlite", "x", models=1),
    }
    assert migrated(aliases, redirected(aliases, [])) == ["primary", "x"]


@every(
    ("alias", "remote"),
    [
        (postgresql(dbname="a"), False),
        (postgresql(host="/var/run/postgresql"), False),
        (postgresql(host="localhost", hostaddr="192.0.2.1"), True),
        (postgresql(host="localhost,192.0.2.1"), True),
        (postgresql(service="production"), True),
        (other("sqlite", "/a.sqlite3"), False),
        (other("mysql", "a", "127.0.0.1"), False),
        (other("mysql", "a", "db.example"), True),
        (other("oracle", "db.example:1521/x", "?"), True),
    ],
)
def test_an_alias_is_remote_unless_all_its_hosts_are_this_machine(alias: Alias, *, remote: bool) -> None:
    assert is_remote(alias) is remote


def test_the_environment_names_the_host_of_an_alias_that_names_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "192.0.2.1")
    assert is_remote(postgresql(dbname="a"))
    assert where(postgresql(dbname="a")) == "PostgreSQL, a on 192.0.2.1:5432"
    assert not is_remote(postgresql(dbname="a", host="localhost"))
