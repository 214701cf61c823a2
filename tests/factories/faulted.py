"""Trials with a fault in their window, and those without it beside them, whose every request is known."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from factories import trials as made
from loadlab.model.config import Config
from loadlab.model.planned_fault import FaultSeen, PlannedFault
from loadlab.model.samples import Connections, Failure, Requests, Series

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.config import Scalar
    from loadlab.model.samples import State, Trial

WINDOW: Final = 3.0  # seconds, after the factories' warm-up
AT: Final = 1.0
BEGAN: Final = made.WARMUP + AT
RATE: Final = 200  # requests per second, each of which takes RESPONSE
RESPONSE: Final = 0.01


def fault(
    name: str = "database_restart", at: float = AT, seconds: float | None = None, **given: Scalar
) -> PlannedFault:
    return PlannedFault(config=Config(name=name, parameters=given), at=at, seconds=seconds)


def case(
    server: str = "sync", max_age: float | None = 60, *, under: PlannedFault | None = None, **given: object
) -> Case:
    return made.case(server, max_age, fault=under, **given)


@dataclass(frozen=True, kw_only=True)
class Did:
    """What a fault did: for `away` seconds after it began nothing is served; `failed` requests follow it at once.

    `applied` is how long after it began it was in place. From then on there are failures, one each millisecond.
    """

    failed: int = 0
    away: float = 0.0
    applied: float = 0.0
    opened: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    unopened: int = 0
    left_behind: int = 0
    state: State = "complete"


NOTHING: Final = Did()


def trial(of: Case, did: Did = NOTHING, *, block: int = 1, rate: int = RATE) -> Trial:
    """Requests end evenly over the window, but for what the fault of the case did."""
    end = made.WARMUP + WINDOW
    ended = np.linspace(made.WARMUP, end, round(rate * WINDOW), endpoint=False)
    if of.fault is not None and did.away:
        ended = ended[(ended < BEGAN) | (ended >= BEGAN + did.away)]
    in_place = BEGAN + did.applied
    failing = in_place + RESPONSE + (1 + np.arange(did.failed)) / 1000
    every = np.concatenate([ended, failing])
    order = np.argsort(every, kind="stable")
    plain = made.trial(of, block, replace(made.KEPT, seconds=WINDOW, state=did.state))
    return replace(
        plain,
        requests=Requests(
            ended=every[order].tolist(),
            response=[RESPONSE] * every.size,
            failed=(order >= ended.size).astype(float).tolist(),
        ),
        failures=(Failure(kind="HTTP 500", count=did.failed, example="gone", status=500),) if did.failed else (),
        connections=_connections(plain, did),
        series=_series(end, did),
        fault_seen=FaultSeen(began=BEGAN, applied=in_place, lifted=in_place) if of.fault else None,
    )


def _connections(plain: Trial, did: Did) -> Connections:
    rest = plain.connections.at_rest
    errors = {"refused": did.unopened} if did.unopened else {}
    changed = replace(rest, closed=rest.closed | did.lost, connect_errors=errors)
    return replace(plain.connections, at_rest=changed, left_behind=did.left_behind)


def _series(end: float, did: Did) -> Series:
    """Two connections are open all along; what is opened follows the fault within half a second."""
    at = np.arange(0, end, 0.1)
    opened = 2 + np.round(did.opened * np.clip((at - BEGAN) / 0.5, 0, 1))
    return Series(
        at=at.tolist(), values={"open": [2.0] * at.size, "opened": opened.tolist(), "backends": [2.0] * at.size}
    )
