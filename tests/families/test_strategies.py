"""Every strategy goes through the same life: built, named, fitted to each server mode, and taken by Django."""

from __future__ import annotations

import json
from dataclasses import fields
from itertools import product
from typing import TYPE_CHECKING

import pytest
from django.db import ConnectionHandler
from every import every

from loadlab.model.config import spell
from loadlab.plan.members import build_strategy, config_of, server_traits, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.strategy import ServerTraits

every_strategy = pytest.mark.parametrize("name", list(STRATEGIES))
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
PLACES = [
    server_traits(config_of(SERVERS, server, {}, "server"), driver)
    for server, driver in product(SERVERS, ("psycopg2", "psycopg"))
]
FITTING = [
    pytest.param(name, where, id=f"{name}-{where.server}-{where.driver}")
    for name, where in product(STRATEGIES, PLACES)
    if STRATEGIES[name]().incompatible(where) is None
]


@every_strategy
def test_a_strategy_is_complete_without_parameters(name: str) -> None:
    assert build_strategy(config_of(STRATEGIES, name, {}, "strategy")) == STRATEGIES[name]()


@every_strategy
def test_a_strategys_label_spells_out_every_parameter(name: str) -> None:
    strategy = STRATEGIES[name]()
    label = str(config_of(STRATEGIES, name, {}, "strategy"))
    for field in fields(strategy):
        assert f"{field.name}={spell(getattr(strategy, field.name))}" in label.split(",")


@every_strategy
def test_a_strategy_says_whose_idea_it_is_and_what_it_costs(name: str) -> None:
    assert STRATEGIES[name].proposed_by
    assert STRATEGIES[name].gives_up


@every_strategy
def test_a_strategy_fits_somewhere_and_says_why_where_it_does_not(name: str) -> None:
    reasons = [STRATEGIES[name]().incompatible(where) for where in PLACES]
    assert None in reasons
    assert all(reason is None or " use " in f" {reason}" for reason in reasons)  # what to use instead


@every(("name", "where"), FITTING)
def test_a_strategys_changes_survive_the_way_to_the_target(name: str, where: ServerTraits) -> None:
    changes = STRATEGIES[name]().changes(where)
    for part in (changes.database, changes.values, changes.gunicorn):
        assert json.loads(json.dumps(part)) == part


@every(("name", "where"), FITTING)
def test_a_strategys_database_settings_are_django_settings(name: str, where: ServerTraits) -> None:
    settings = STRATEGIES[name]().changes(where).database
    known = ConnectionHandler({"default": SQLITE}).settings["default"]
    assert settings.keys() <= known.keys() | {"OPTIONS", "DISABLE_SERVER_SIDE_CURSORS"}


@every_strategy
@every("server", list(SERVERS))
def test_at_least_one_connection_is_of_use_under_any_strategy(name: str, server: str) -> None:
    choices = config_of(SERVERS, server, {}, "server"), config_of(STRATEGIES, name, {}, "strategy")
    assert usable_connections(*choices, 1) >= 1


@pytest.mark.parametrize(("max_age", "kept"), [(0, False), (60, True), (None, True)])
def test_max_age_says_whether_a_request_leaves_its_connection_open(
    tmp_path: Path,
    max_age: float | None,
    kept: bool,  # noqa: FBT001
) -> None:
    settings = STRATEGIES["max_age"](max_age=max_age).changes(PLACES[0]).database
    # In a file, as Django never closes a database in memory.
    connection = ConnectionHandler({"default": {**SQLITE, "NAME": tmp_path / "db", **settings}})["default"]
    connection.connect()
    connection.close_if_unusable_or_obsolete()
    assert (connection.connection is not None) is kept
    connection.close()


def test_a_pool_does_not_fit_a_server_that_runs_requests_in_its_event_loop() -> None:
    """A response under tornado is closed later: a request that waits for the pool would keep the loop from doing so."""
    config = config_of(SERVERS, "tornado", {"async_unsafe": True}, "server")
    why = STRATEGIES["pool"]().incompatible(server_traits(config, "psycopg"))
    assert why is not None
    assert why.startswith("a request that waits for the pool stops the event loop")
    assert why.endswith("use max_age with 0, or pgbouncer")


def test_a_pool_does_not_fit_a_server_that_closes_no_response() -> None:
    """uvicorn 0.54.0 over WSGI: with a pool of 4 and 8 clients, requests wait for the pool until they fail."""  # noqa: D403
    why = STRATEGIES["pool"]().incompatible(server_traits(config_of(SERVERS, "uvicorn_wsgi", {}, "server"), "psycopg"))
    assert why is not None
    assert why.startswith("the server closes no response, so no connection goes back to the pool")
