"""The fast engine and the exact one give the same distributions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from every import every
from factories.fleets import a_keeping, a_scene, an_application

from loadlab.fleet.engine import by_opening, by_request, by_sample, by_stream
from loadlab.model.fleet import (
    Application,
    Conditions,
    DatabaseLimits,
    Dispatch,
    Distribution,
    Outage,
    ProcessesEnd,
    Rates,
    Spread,
)

if TYPE_CHECKING:
    from loadlab.fleet.engine.by_sample import Engine
    from loadlab.model.fleet import Numbers, Simulated

STANDARD_ERRORS = 5  # by chance, one in 1.7 million such comparisons fails
BIAS = 0.01  # what the fast engine leaves out: threads that are busy make others busier
REPEATS = 6
SECONDS = 120.0
OFTEN = np.arange(1201) / 10


@dataclass(frozen=True, kw_only=True)
class Case:
    """What differs from a fleet of 4 hosts with 2 processes of 4 threads, under 40 requests per second."""

    keeping: dict[str, Any] = field(default_factory=dict)
    scene: dict[str, Any] = field(default_factory=dict)
    spread: Spread = field(default_factory=Spread)
    rates: tuple[float, ...] = (40.0,)
    hold: tuple[float, ...] = (0.01, 0.02, 0.02, 0.1)

    def simulate(self, engine: Engine, seed: int, at: Numbers = OFTEN) -> Simulated:
        application = Application(
            hold_seconds=Distribution(values=self.hold),
            connect_seconds=Distribution(values=(0.005,)),
            spreads=an_application(spread=self.spread).spreads,
        )
        rates = Rates(edges=np.linspace(0, SECONDS, len(self.rates) + 1), per_second=np.array(self.rates))
        scene = a_scene(**{"hosts": 4, "rates": rates} | self.scene)
        keeping = a_keeping(**{"processes": 2, "threads": 4} | self.keeping)
        return engine(keeping, application, scene, at, np.random.default_rng([seed, 14]))


ROLLING = tuple(
    ProcessesEnd(at=30.0 + 5 * host, first=host, last=host + 1, serving_again=34.0 + 5 * host, gone=30.5 + 5 * host)
    for host in range(8)
)
BLUE_GREEN = (ProcessesEnd(at=60.0, first=0, last=8, serving_again=60.0, gone=75.0),)
RESTART = (Outage(start=50.0, end=56.0, first=0, last=8),)
CUT = (Outage(start=50.0, end=70.0, first=1, last=3),)
PREFERRING = Spread(
    processes=Dispatch(recent=0.5, fixed=0.5, random=0.0), threads=Dispatch(longest_idle=0.7, random=0.3)
)
COLLECTED = Spread(collected_after=(0, 1, 5, 30))
RECENT = Spread(processes=Dispatch(recent=1.0, random=0.0), threads=Dispatch(recent=1.0, random=0.0))
LAZY = Spread(
    processes=Dispatch(recent=0.3, random=0.7), threads=Dispatch(longest_idle=1.0, random=0.0), lazy_threads=True
)
VARYING = (10.0, 80.0, 0.0, 40.0, 5.0, 60.0)

CASES = {
    "age 0": Case(keeping={"max_age": 0.0}),
    "age 0 long": Case(keeping={"max_age": 0.0}, hold=(0.05, 0.4, 1.5), rates=(8.0,)),
    "age 0 varying": Case(keeping={"max_age": 0.0}, rates=VARYING),
    "age 0 outage": Case(keeping={"max_age": 0.0}, scene={"outages": RESTART}),
    "age 0 refused": Case(keeping={"max_age": 0.0}, scene={"database": DatabaseLimits(max_connections=5, reserved=1)}),
    "age 0 varying, refused": Case(
        keeping={"max_age": 0.0}, scene={"database": DatabaseLimits(max_connections=9)}, rates=VARYING, hold=(0.05, 0.2)
    ),
    "age 2": Case(keeping={"max_age": 2.0}),
    "age below a request": Case(keeping={"max_age": 0.03}),
    "age 8 rare": Case(keeping={"max_age": 8.0}, rates=(2.0,)),
    "age 4 varying": Case(keeping={"max_age": 4.0}, rates=VARYING),
    "unlimited": Case(keeping={"max_age": None}, rates=(1.0,)),
    "age 5 rolling": Case(keeping={"max_age": 5.0, "connects_at_boot": True}, scene={"ends": ROLLING}),
    "unlimited blue/green": Case(keeping={"max_age": None}, scene={"ends": BLUE_GREEN}),
    "age 20 restart": Case(keeping={"max_age": 20.0}, scene={"outages": RESTART}, rates=(20.0,)),
    "age 20 restart, checks": Case(
        keeping={"max_age": 20.0, "health_checks": True}, scene={"outages": RESTART}, rates=(10.0,)
    ),
    "unlimited, cut, rolling": Case(keeping={"max_age": None}, scene={"outages": CUT, "ends": ROLLING}, rates=(5.0,)),
}


def figures(simulated: Simulated) -> dict[str, float]:
    return {
        "opened": float(simulated.opened[-1]),
        "opened by half": float(simulated.opened[600]),
        "mean open": float(simulated.open.mean()),
        "p99 open": float(np.quantile(simulated.open, 0.99)),
        "last open": float(simulated.open[-1]),
        "requests": float(simulated.requests),
        "reused": float(simulated.reused),
        "refused": float(simulated.refused),
        "failed": float(simulated.failed),
        "waited": float(simulated.waited),
        "waiting seconds": simulated.waiting_seconds,
        "mean age": float(simulated.ages.mean()) if len(simulated.ages) else 0.0,
        **{f"closed by {cause}": float(count) for cause, count in simulated.closed_by.items()},
    }


def agree(fast: list[dict[str, float]], exact: list[dict[str, float]]) -> None:
    """Their means agree within 5 standard errors and 1 %."""
    for figure in sorted({key for one in (*fast, *exact) for key in one}):
        ours = np.array([one.get(figure, 0.0) for one in fast])
        theirs = np.array([one.get(figure, 0.0) for one in exact])
        error = math.sqrt((ours.var(ddof=1) + theirs.var(ddof=1)) / REPEATS)
        allowed = STANDARD_ERRORS * error + BIAS * float(theirs.mean()) + 0.02
        assert float(ours.mean()) == pytest.approx(float(theirs.mean()), abs=allowed), figure


@pytest.mark.parametrize("name", CASES)
def test_both_engines_give_the_same_distributions(name: str) -> None:
    case = CASES[name]
    fast = [figures(case.simulate(by_opening.simulate, seed)) for seed in range(REPEATS)]
    exact = [figures(case.simulate(by_request.simulate, seed)) for seed in range(REPEATS)]

    agree(fast, exact)


STREAMS = {
    "age 2, mixed": Case(keeping={"max_age": 2.0}, spread=PREFERRING),
    "age 0.2, recent": Case(keeping={"max_age": 0.2}, spread=RECENT),
    "age 5, lazy": Case(keeping={"max_age": 5.0}, spread=LAZY),
    "age 8, round robin": Case(keeping={"max_age": 8.0, "threads": 1}, scene={"balance": "round_robin"}, rates=(4.0,)),
    "unlimited, lazy, varying": Case(keeping={"max_age": None}, spread=LAZY, rates=VARYING),
    "unlimited, idle": Case(keeping={"max_age": None}, scene={"conditions": Conditions(idle_seconds=1.0)}),
    "age 6, idle, checks": Case(
        keeping={"max_age": 6.0, "health_checks": True}, scene={"conditions": Conditions(idle_seconds=2.0)}
    ),
    "age 3, max_requests": Case(
        keeping={"max_age": 3.0},
        scene={"conditions": Conditions(max_requests=40, max_requests_jitter=20)},
        spread=LAZY,
    ),
    "age 5, rolling": Case(keeping={"max_age": 5.0, "connects_at_boot": True}, scene={"ends": ROLLING}, spread=LAZY),
    "unlimited, blue/green": Case(keeping={"max_age": None}, scene={"ends": BLUE_GREEN}, spread=RECENT),
    "age 20, restart": Case(keeping={"max_age": 20.0}, scene={"outages": RESTART}, spread=PREFERRING),
    "age 20, cut, checks": Case(
        keeping={"max_age": 20.0, "health_checks": True}, scene={"outages": CUT}, spread=RECENT, rates=(20.0,)
    ),
    "age 0, waiting": Case(keeping={"max_age": 0.0, "threads": 1}, hold=(0.1, 0.13, 0.2)),
    "age 4, waiting": Case(keeping={"max_age": 4.0, "threads": 1}, hold=(0.1, 0.13, 0.2), spread=LAZY),
    "collected": Case(keeping={"keeper": "request", "max_age": None}, spread=COLLECTED),
    "collected, expired": Case(
        keeping={"keeper": "request", "max_age": 0.03, "threads": None}, spread=COLLECTED, rates=VARYING
    ),
    "collected, idle": Case(
        keeping={"keeper": "request", "max_age": 5.0, "threads": None},
        scene={"conditions": Conditions(idle_seconds=0.5), "ends": ROLLING, "outages": CUT},
        spread=COLLECTED,
    ),
    "never collected": Case(
        keeping={"keeper": "request", "max_age": None, "threads": None},
        scene={"conditions": Conditions(max_requests=30)},
    ),
    "no checks at the end": Case(keeping={"max_age": 2.0, "checks_at_end": False}, rates=(10.0,)),
}


@pytest.mark.parametrize("name", STREAMS)
def test_openings_of_streams_have_the_same_distributions(name: str) -> None:
    case = STREAMS[name]
    fast = [figures(case.simulate(by_stream.simulate, seed)) for seed in range(REPEATS)]
    exact = [figures(case.simulate(by_request.simulate, seed)) for seed in range(REPEATS)]

    agree(fast, exact)


SAMPLES = {
    "age 2": Case(keeping={"max_age": 2.0}, spread=PREFERRING),
    "unlimited, lazy": Case(keeping={"max_age": None}, spread=LAZY),
    "age 5 restart": Case(keeping={"max_age": 5.0}, scene={"outages": RESTART}, spread=LAZY),
    "age 5 rolling": Case(keeping={"max_age": 5.0}, scene={"ends": ROLLING}, spread=PREFERRING),
    "refused": Case(keeping={"max_age": 5.0}, scene={"database": DatabaseLimits(max_connections=43)}),
    "collected": Case(keeping={"keeper": "request", "max_age": 5.0}, spread=COLLECTED),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_of_hosts_stands_for_all(name: str) -> None:
    case = replace(SAMPLES[name], scene={"hosts": 8} | SAMPLES[name].scene, rates=(80.0,))
    sampled = [figures(case.simulate(by_sample.of_hosts(4, by_request.simulate), seed)) for seed in range(REPEATS)]
    exact = [figures(case.simulate(by_request.simulate, seed)) for seed in range(REPEATS)]

    agree(sampled, exact)


@pytest.mark.parametrize("name", CASES)
def test_openings_are_closings_and_what_is_open(name: str) -> None:
    simulated = CASES[name].simulate(by_opening.simulate, 1)

    assert (simulated.opened == simulated.closed + simulated.open).all()
    assert (simulated.open >= 0).all()
    assert (np.diff(simulated.opened) >= 0).all()
    assert (np.diff(simulated.closed) >= 0).all()
    assert sum(simulated.closed_by.values()) == simulated.closed[-1]


@every("at", [np.array([SECONDS]), np.arange(60.0, 100.0, 0.5), np.array([0.1, 7.0, 7.1, 60.0, 110.0])])
def test_figures_do_not_depend_on_the_instants(at: Numbers) -> None:
    """What is open at an instant, and what has opened until it."""
    for case in (Case(keeping={"max_age": 0.0}, hold=(0.1, 1.0)), Case(keeping={"max_age": 2.0})):
        often = [case.simulate(by_opening.simulate, seed) for seed in range(16)]
        at_some = [case.simulate(by_opening.simulate, 100 + seed, at) for seed in range(16)]
        places = np.rint(at * 10).astype(int)
        for one, other in (
            ([each.open[places].mean() for each in often], [each.open.mean() for each in at_some]),
            ([each.opened[places[0]] for each in often], [each.opened[0] for each in at_some]),
            ([each.reused for each in often], [each.reused for each in at_some]),
            ([each.client_opened for each in often], [each.client_opened for each in at_some]),
        ):
            error = math.sqrt((np.var(one, ddof=1) + np.var(other, ddof=1)) / 16)
            assert float(np.mean(one)) == pytest.approx(float(np.mean(other)), abs=STANDARD_ERRORS * error + 1e-9)
