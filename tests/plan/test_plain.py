"""A plan that is plainly right is read without pydantic, and as pydantic reads it; all else is pydantic's."""

from __future__ import annotations

import json
import random
from copy import deepcopy
from dataclasses import fields
from datetime import date
from typing import Any, Final

import pytest
from every import every
from pydantic import TypeAdapter, ValidationError

from loadlab.cli._plan_file import plans
from loadlab.faults import FAULTS
from loadlab.model.plan import DEFAULT_PLAN, Deployment, Load, Plan, ProjectOptions
from loadlab.plan.parse import plan_data
from loadlab.plan.plain import UnsureError, plainly
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.system.packaged import packaged

SEED: Final = 2013
MEMBERS: Final = [family[name] for family in (SERVERS, STRATEGIES, FAULTS) for name in family]
VALUES: Final[list[Any]] = [
    *(None, True, False, 0, 1, -1, 2, 60, 3600, 3601, 65535, 65536, 10**6, 2**53, 2**60, 10**30),
    *(0.0, 0.5, 1.0, -0.5, 60.0, 1e6, 1e300, float("inf"), float("-inf"), float("nan")),
    *("", "none", "Unlimited", "closed", "open", "one", "fast", "poisson", "session", "psycopg", "a.b", "1", "true"),
    *("max_client_conn", "a.b\n", "ä.b"),
    *([], [1], [0.5], [True], ["none"], [[1]], [8, 16], ["x", 1], {}, {"sync": {}}, {"max_age": {"max_age": [0]}}),
    *({"x": 1}, {"rate": 5}, {"rate": [5, 10.0]}, {"settings": "a.b"}, {"url": "http://x/"}, date(2026, 11, 28)),
]  # fmt: skip
PLAIN_PLAN: Final = {"servers": {"sync": {"workers": [1, 2]}}, "strategies": {"max_age": {"max_age": [0, "none"]}}}
TABLES: Final[dict[type[Any], dict[str, Any]]] = {
    Plan: PLAIN_PLAN,
    Load: {"rate": 50},
    ProjectOptions: {"settings": "shop.settings"},
    Deployment: {"url": "http://shop/"},
}


def by_pydantic(kind: type[Any], data: object) -> Any:
    return TypeAdapter(kind).validate_json(json.dumps(data, default=str))


def agrees(kind: type[Any], data: object) -> bool:
    """Whether it is plainly right; if so, pydantic reads the very same."""
    try:
        read = plainly(kind, data)
    except UnsureError:
        return False
    assert repr(read) == repr(by_pydantic(kind, data)), data
    return True


@every("text", [DEFAULT_PLAN, *((packaged("plans") / f"{name}.toml").read_text() for name in plans())])
def test_plans_of_loadlab_are_plainly_right(text: str) -> None:
    data = plan_data(text, "a plan")
    assert agrees(Plan, data)


@pytest.mark.parametrize("kind", [*TABLES, *MEMBERS], ids=lambda kind: kind.__name__)
def test_any_value_of_any_key_is_read_as_pydantic_reads_it(kind: type[Any]) -> None:
    usual, names = TABLES.get(kind, {}), [one.name for one in fields(kind)]
    right = 0
    for name in [*names, "unknown"]:
        for value in VALUES:
            right += agrees(kind, {**usual, name: value})
    assert right or not names
    assert not agrees(kind, {**usual, "unknown": 1})


def test_plans_with_several_changes_are_read_as_pydantic_reads_them() -> None:
    chance = random.Random(SEED)
    keys = [*Plan.__dataclass_fields__]
    right = 0
    for _ in range(3000):
        data: dict[str, Any] = deepcopy(PLAIN_PLAN)
        data |= {chance.choice(keys): chance.choice(VALUES) for _ in range(chance.randint(1, 3))}
        right += agrees(Plan, data)
    assert right > 30


@every("data", [[], "x", None, 3, {"seed": "1"}])
def test_what_is_no_plan_is_left_to_pydantic(data: object) -> None:
    with pytest.raises(UnsureError):
        plainly(Plan, data)
    with pytest.raises(ValidationError):
        by_pydantic(Plan, data)
