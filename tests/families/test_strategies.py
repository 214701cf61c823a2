"""Every strategy goes through the same life: built, named, and taken by Django as what it says."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from django.db import ConnectionHandler

from loadlab.model.case import spell
from loadlab.planning import build_strategy, choice_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

every_strategy = pytest.mark.parametrize("name", list(STRATEGIES))
SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


@every_strategy
def test_a_strategy_is_complete_without_parameters(name: str) -> None:
    assert build_strategy(choice_of(STRATEGIES, name, {}, "strategy")) == STRATEGIES[name]()


@every_strategy
def test_a_strategys_label_spells_out_every_parameter(name: str) -> None:
    strategy = STRATEGIES[name]()
    label = str(choice_of(STRATEGIES, name, {}, "strategy"))
    for field in fields(strategy):
        assert f"{field.name}={spell(getattr(strategy, field.name))}" in label.split(",")


@every_strategy
def test_a_strategys_settings_survive_the_way_to_the_target_and_are_django_settings(name: str) -> None:
    settings = STRATEGIES[name]().database_settings()
    assert json.loads(json.dumps(settings)) == settings
    known = ConnectionHandler({"default": SQLITE}).settings["default"]
    assert settings.keys() <= known.keys() | {"OPTIONS"}


@every_strategy
def test_django_takes_a_strategys_settings(name: str) -> None:
    settings = STRATEGIES[name]().database_settings()
    handler = ConnectionHandler({"default": {**SQLITE, **settings}})
    assert handler["default"].settings_dict.items() >= settings.items()


@pytest.mark.parametrize(("max_age", "kept"), [(0, False), (60, True), (None, True)])
def test_max_age_says_whether_a_request_leaves_its_connection_open(
    tmp_path: Path,
    max_age: float | None,
    kept: bool,  # noqa: FBT001
) -> None:
    settings = STRATEGIES["max_age"](max_age=max_age).database_settings()
    # In a file, as Django never closes a database in memory.
    connection = ConnectionHandler({"default": {**SQLITE, "NAME": tmp_path / "db", **settings}})["default"]
    connection.connect()
    connection.close_if_unusable_or_obsolete()
    assert (connection.connection is not None) is kept
    connection.close()
