"""The exact engine gives the same distributions as the same model in SimPy, which shares no code with it.

Both are run with fixed seeds, and the means of their figures may differ by 5 standard errors. With as few runs as here,
one in ten thousand such comparisons fails by chance.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest
from factories.fleets import a_keeping, a_scene
from fleet import simpy_model

from loadlab.fleet.engine.by_request import simulate
from loadlab.model.fleet import NEVER, Application, DatabaseLimits, Dispatch, Distribution, Pooler, ProcessesEnd, Spread
from loadlab.model.pooling import ProcessPool

if TYPE_CHECKING:
    from loadlab.model.fleet import Keeping, Scene, Simulated

STANDARD_ERRORS: Final = 5
SECONDS: Final = 40.0
AT: Final = np.arange(0.5, SECONDS + 0.1, 0.5)

SPREAD = Spread(
    processes=Dispatch(recent=0.5, random=0.2, fixed=0.2, longest_idle=0.1),
    threads=Dispatch(longest_idle=0.4, random=0.3, recent=0.2, fixed=0.1),
    collected_after=(0, 1, 1, 2, 2, 3, 12, 30, NEVER),
)
LAZY = Spread(
    processes=Dispatch(recent=1.0, random=0.0), threads=Dispatch(longest_idle=1.0, random=0.0), lazy_threads=True
)
POOL = ProcessPool(smallest=1, largest=4, timeout=0.25, max_idle=3.0, max_lifetime=5.0)
POOLER = Pooler(pool_mode="transaction", size=3, most_clients=1000, wait=0.0, idle=1.0)
ENDS = (
    ProcessesEnd(at=10.0, first=0, last=1, serving_again=13.0, gone=10.0),
    ProcessesEnd(at=20.0, first=0, last=2, serving_again=20.0, gone=22.0),
)

CASES: Final[dict[str, tuple[Spread, dict[str, Any], dict[str, Any]]]] = {
    "threads, age 0": (SPREAD, {"max_age": 0.0}, {"rate": 30.0}),
    "threads, some age": (SPREAD, {"max_age": 1.5}, {"rate": 20.0}),
    "threads, unlimited": (SPREAD, {"max_age": None}, {"rate": 4.0}),
    "lazy threads": (LAZY, {"max_age": 4.0}, {"rate": 20.0}),
    "threads that are all busy": (SPREAD, {"max_age": 0.7, "processes": 1}, {"rate": 60.0}),
    "PostgreSQL is full": (SPREAD, {"max_age": 2.0}, {"rate": 30.0, "database": DatabaseLimits(max_connections=9)}),
    "no check at the end": (SPREAD, {"max_age": 0.0, "checks_at_end": False}, {"rate": 6.0}),
    "requests, age 0": (SPREAD, {"keeper": "request", "threads": None, "max_age": 0.0}, {"rate": 30.0}),
    "requests, unlimited": (SPREAD, {"keeper": "request", "threads": None, "max_age": None}, {"rate": 20.0}),
    "processes that end": (SPREAD, {"max_age": 3.0}, {"rate": 15.0, "ends": ENDS}),
    "in turn": (SPREAD, {"max_age": 1.0}, {"rate": 15.0, "balance": "round_robin"}),
    "a pool": (SPREAD, {"keeper": "pool", "pool": POOL}, {"rate": 30.0}),
    "PgBouncer": (SPREAD, {"max_age": 0.5, "pooler": POOLER}, {"rate": 30.0}),
}


@cache
def a_fleet(case: str) -> tuple[Keeping, Application, Scene]:
    spread, keeping, scene = CASES[case]
    application = Application(
        hold_seconds=Distribution(values=(0.01, 0.02, 0.03, 0.05, 0.3)),
        connect_seconds=Distribution(values=(0.004, 0.02)),
        spreads={"gthread": spread},
    )
    return (
        a_keeping(**{"processes": 2, "threads": 3} | keeping),
        application,
        a_scene(**{"seconds": SECONDS, "hosts": 2} | scene),
    )


def figures(simulated: Simulated) -> dict[str, float]:
    return {
        "opened": float(simulated.opened[-1]),
        "opened halfway": float(simulated.opened[len(AT) // 2]),
        "mean open": float(simulated.open.mean()),
        "p90 open": float(np.quantile(simulated.open, 0.9)),
        "reused": simulated.reused / simulated.requests,
        "refused": simulated.refused / simulated.requests,
        "failed": simulated.failed / simulated.requests,
        "waited": simulated.waited / simulated.requests,
        "waiting seconds": simulated.waiting_seconds,
        "mean age": float(simulated.ages.mean()) if len(simulated.ages) else 0.0,
        "clients": float(simulated.client_opened),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("case", CASES)
def test_the_engine_agrees_with_simpy(case: str) -> None:
    compare(case, seeds=range(6))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_engine_agrees_with_simpy_over_many_runs(case: str) -> None:
    compare(case, seeds=range(1000, 1060))


def compare(case: str, seeds: range) -> None:
    fleet = a_fleet(case)
    ours = [
        figures(simulate(*fleet, AT, np.random.default_rng(seed))) for each in seeds for seed in (each, -each + 10**6)
    ]
    theirs = [figures(simpy_model.simulate(*fleet, AT, seed)) for seed in seeds]

    for name in ours[0]:
        one, other = (np.array([run[name] for run in runs]) for runs in (ours, theirs))
        difference = abs(one.mean() - other.mean())
        error = standard_error(one, other)
        assert difference <= STANDARD_ERRORS * error + 1e-9, f"{name}: {one.mean():.4f}, {other.mean():.4f} in SimPy"


def standard_error(one: np.ndarray, other: np.ndarray) -> float:
    """Of the difference of two means, if both come from one distribution."""
    squares = one.var() * len(one) + other.var() * len(other)
    return float(np.sqrt(squares / (len(one) + len(other) - 2) * (1 / len(one) + 1 / len(other))))
