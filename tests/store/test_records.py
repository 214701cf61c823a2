"""A record that is right is read without pydantic, and as pydantic reads it; what pydantic refuses is refused."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pytest
from every import every
from factories.trials import Queue, ages, replica, through_pooler, trial

from loadlab.model.causes import Cause
from loadlab.model.condition import OpenLoad
from loadlab.model.config import Config
from loadlab.model.departure import Departure, Why
from loadlab.model.fleet import Distribution, Spread
from loadlab.model.opens import Opens, OpenTimes
from loadlab.model.planned_fault import FaultSeen, PlannedFault
from loadlab.model.samples import Failure, Recovery, Restart
from loadlab.model.schedule import Schedule, Step
from loadlab.model.session import Continuation, LabSession
from loadlab.model.uses import Choices, GarbageCount, Uses
from loadlab.store.records import (
    ENVIRONMENTS,
    OPENS_RECORDS,
    RESTART_RECORDS,
    SCHEDULE_RECORDS,
    SESSION_RECORDS,
    TRIAL_RECORDS,
    Records,
)
from loadlab.store.trial_records import body_of
from loadlab.system.files import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.samples import Trial

VALUES: Final[list[Any]] = [
    *(None, True, False, 0, 1, -1, 2, 60, 2**53 + 1, 10**17, 0.0, 0.5, 1.0, -0.0, 1e300),
    *("", "0", "1", "true", "none", "complete", "leaks", "unanswered", "poisson", "ä", "\ud800", "eJwDAAAAAAE="),
    *([], [1], [0.5, 1], ["x"], [None], {}, {"x": 1}, {"x": 0.5}, {"x": "y"}, {"name": "sync"}),
]
CONTINUED: Final = Continuation(options=("--dsn", "env:MY_DSN"), variables={"LOADLAB_SCENARIO_ROWS": "3"})
ENVIRONMENT: Final = {"machine": {"cores": 2, "load_average": 0.5, "name": "x", "quiet": True, "other": None}}


def a_trial() -> Trial:
    """One with everything in it that a record may have."""
    fault = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=0.5, seconds=0.2)
    case = replace(ages()[1], open_load=OpenLoad(rate=200, arrivals="uniform"), fault=fault)
    pooled = through_pooler(trial(case), clients=3, servers=2, queue=Queue())
    counts = pooled.connections
    return replace(
        pooled,
        requests=replace(pooled.requests, ended=(0.5,), response=(0.5,), failed=(0.0,), due=(0.0,), sent=(0.0,)),
        failures=(Failure(kind="HTTP 503", count=1, example="too many", status=503),),
        connections=replace(counts, by_alias={"default": counts.at_rest}),
        series=replace(pooled.series, at=(0.0,), values={"open": (1.0,), "backends": (1.0,)}),
        busy=(0.5, 0.6),
        served=300,
        causes=(Cause.SENT_LATE,),
        quantities={"read": 0.5},
        fault_seen=FaultSeen(began=0.5, applied=0.6, lifted=0.8, not_applied=""),
        uses=Uses(
            spread=Spread(collected_after=(0, 3), requests=2, by_process=(0.5, 0.5), by_thread=(1.0,)),
            hold_seconds=Distribution(values=(0.1, 0.2)),
            connect_seconds=None,
            thread_choices=(Choices(idle=2, fixed=0.5, recent=1.0, longest_idle=0.0, count=2),),
            garbage=(GarbageCount(after=3, collected=False, count=2),),
            idle_backend_bytes=3e6,
        ),
    )


SCHEDULE: Final = Schedule(
    id="run",
    started="2026-11-28",
    version="0.1.0",
    cases=[ages()[0], replica(ages()[0])],
    steps=[Step(order=0, block=0, case=1)],
    continuation=CONTINUED,
    departures=(Departure(case=0, blocks=2, spared=3, why=Why.LEAKS),),
)
RESTART: Final = Restart(
    case=ages()[1], recovery=Recovery(warm=1, failed=1, failed_later=0, warm_checked=1, failed_checked=0)
)
OPENED: Final = OpenTimes(
    strategy="", opens=9, total=0.5, fork=0.1, authentication=0.1, server=0.1, outside=0.2, client_cpu=0.1
)
SESSION: Final = LabSession(number=1, began="2026-11-28", environment=ENVIRONMENT, continuation=CONTINUED)
WRITTEN: Final[dict[str, tuple[Records[Any], bytes]]] = {
    "schedule": (SCHEDULE_RECORDS, SCHEDULE_RECORDS.written(SCHEDULE)),
    "session": (SESSION_RECORDS, SESSION_RECORDS.written(SESSION)),
    "restarts": (RESTART_RECORDS, RESTART_RECORDS.written([RESTART])),
    "opens": (OPENS_RECORDS, OPENS_RECORDS.written(Opens(times=(OPENED,), unknown="given"))),
    "environment": (ENVIRONMENTS, json.dumps(ENVIRONMENT).encode()),
    "trial": (TRIAL_RECORDS, body_of(a_trial())),
}


def is_plain(records: Records[Any], value: object) -> bool:
    """Whether msgspec reads it; if so, pydantic reads the very same. What it does not read, pydantic may refuse."""
    try:
        read = records.plainly(value)
    except (msgspec.ValidationError, ValueError):
        return False
    assert repr(read) == repr(records.explained(value))
    return True


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a JSON value, itself among them."""
    yield way
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield from places(item, (*way, key))


def changed(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    """The value with another one at that place; without it, if that is an ellipsis."""
    if not way:
        return new
    whole = deepcopy(value)
    parent = whole
    for key in way[:-1]:
        parent = parent[key]
    if new is ...:
        del parent[way[-1]]
    else:
        parent[way[-1]] = new
    return whole


@every("kind", WRITTEN)
def test_what_loadlab_writes_is_read_without_pydantic(kind: str) -> None:
    records, written = WRITTEN[kind]
    assert is_plain(records, json.loads(written))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", WRITTEN)
def test_any_value_in_any_place_is_read_as_pydantic_reads_it(kind: str) -> None:
    records, written = WRITTEN[kind]
    value = json.loads(written)
    ways = list(places(value))
    plain = sum(is_plain(records, changed(value, way, new)) for way in ways for new in (*VALUES, {**ENVIRONMENT}))
    plain_without = sum(is_plain(records, changed(value, way, ...)) for way in ways if way)
    assert 0 < plain < len(ways) * len(VALUES)
    assert 0 < plain_without <= len(ways)


@every("value", [None, 7, "x", [], {}, {"id": 7}])
def test_what_is_no_record_is_refused_in_words(value: object) -> None:
    with pytest.raises(DamagedFileError, match=r"\w+: \w+|: Input should be"):
        SCHEDULE_RECORDS.read(value)


def test_a_number_that_stands_for_another_kind_is_still_read() -> None:
    """Pydantic takes 1.0 for a whole number, and an older loadlab may have written so."""
    value = json.loads(SESSION_RECORDS.written(SESSION)) | {"number": 1.0}
    assert not is_plain(SESSION_RECORDS, value)
    assert SESSION_RECORDS.read(value) == SESSION
