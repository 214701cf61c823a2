"""How much a strategy asks of a project: the order in which equally good ones are preferred."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from math import inf
from typing import TYPE_CHECKING, NamedTuple

from loadlab.analysis.deployment import strategy_of, where

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.strategy import Changes


class Simplicity(IntEnum):
    """What has to be understood, run and kept working; the less, the simpler.

    It is read off what a strategy changes, so that each new one has its place without being named here.
    """

    FINITE_AGE = 0  # one number, in every Django, and all that goes wrong ends by itself
    UNLIMITED_AGE = 1  # the same number, but a connection that has gone bad is kept
    SETTINGS = 2  # several settings that have to fit together
    POOL = 3  # Django's own pool: sizes to choose, and time-outs to expect
    ENGINE = 4  # another party's engine, to be kept in step with Django
    WRAPPER = 5  # one line around the application, whose effect is on the threads that run it
    FIX = 6  # code that reaches into how Django or its server treats connections
    SERVICE = 7  # one more program to run, to watch and to upgrade
    UNKNOWN = 8


class Order(NamedTuple):
    """Sorts strategies; among equals the fewer connections, then the shorter age, then without health checks."""

    simplicity: Simplicity
    held: int
    age: float
    checks: bool
    name: str


def order(case: Case) -> Order:
    """Where a case's strategy comes when the simplest is asked for."""
    strategy = strategy_of(case.strategy)
    place = where(case, "psycopg")
    age = inf if case.max_age is None else case.max_age
    level, held = Simplicity.UNKNOWN, 0
    if case.strategy.name == "max_age":
        level = Simplicity.UNLIMITED_AGE if case.max_age is None else Simplicity.FINITE_AGE
    elif strategy and place:
        pooling = strategy.pooling()
        level = Simplicity.SERVICE if pooling else _of_changes(strategy.changes(place))
        held = pooling.pool_size if pooling else strategy.most_connections(0, place)
    return Order(level, held, age, case.checks_health, str(case.strategy))


def same_way(one: Case, other: Case) -> bool:
    """Whether both are the same idea: two sizes of a pool, or two that are nothing but a CONN_MAX_AGE."""
    ages = order(one).simplicity <= Simplicity.SETTINGS >= order(other).simplicity
    return ages or one.strategy.name == other.strategy.name


def _of_changes(changes: Changes) -> Simplicity:
    if changes.apps or changes.gunicorn or changes.arguments:
        return Simplicity.FIX
    if changes.asgi_wrapper:
        return Simplicity.WRAPPER
    if "ENGINE" in changes.database:
        return Simplicity.ENGINE
    options = changes.database.get("OPTIONS")
    return Simplicity.POOL if isinstance(options, Mapping) and not _numbers(options) else Simplicity.SETTINGS


def _numbers(options: Mapping[str, object]) -> bool:
    """Whether they are no more than limits for libpq."""
    return all(isinstance(value, int) for value in options.values())
