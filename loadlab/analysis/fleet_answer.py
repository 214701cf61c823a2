"""All that is asked of one fleet: each strategy's outcome, what follows from them, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING

from loadlab.analysis.fleet_verdict import fleet_verdict
from loadlab.fleet.limits import busiest_rate, common_caveats
from loadlab.fleet.outcome import outcome
from loadlab.fleet.questions import break_even, largest_fleet, smallest_age
from loadlab.model.fleet_outcome import FleetAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.model.fleet import Application, Keeping, Scene
    from loadlab.model.fleet_outcome import BreakEven, FleetOutcome, Moment, SmallestAge

AGES = (60.0, 600.0, None)  # that a break-even is given for, beside those compared


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedFleet:
    """A fleet: how connections are kept under each strategy to compare, and the scene of each.

    The scenes differ at most in how soon processes are replaced. `driver` is the project's, for the settings. Without
    `repeats`, there are as many as are soon done.
    """

    title: str
    application: Application
    strategies: Sequence[tuple[Keeping, Scene]]
    moments: Sequence[Moment] = ()
    repeats: int | None = None
    seed: int = 2013
    driver: str = "psycopg"


def fleet_answer(asked: ComparedFleet, begun: Callable[[Keeping], None] | None = None) -> FleetAnswer:
    """Simulates it; `begun` is told of each strategy before it takes its time.

    Raises:
        UsageError: a strategy cannot be simulated there.
    """
    outcomes = []
    for keeping, scene in asked.strategies:
        if begun is not None:
            begun(keeping)
        outcomes.append(_outcome(keeping, scene, asked))
    (keeping, scene), application = asked.strategies[0], asked.application
    server = keeping.server
    fewest = min(one.repeats for one in outcomes)
    return FleetAnswer(
        title=asked.title,
        source=application.source,
        server=server,
        hosts=scene.hosts,
        seconds=scene.rates.seconds,
        rate=float(scene.rates.expected[-1]) / scene.rates.seconds,
        peak_rate=busiest_rate(scene),
        balance=scene.balance,
        database=scene.database,
        seed=asked.seed,
        moments=tuple(asked.moments),
        outcomes=tuple(outcomes),
        verdict=fleet_verdict(outcomes, application, scene, asked.driver),
        smallest_age=_smallest_age(asked),
        break_even=_break_even(asked),
        caveats=common_caveats(server.name, application, fewest),
        remarks=scene.rates.remarks,
    )


def _outcome(keeping: Keeping, scene: Scene, asked: ComparedFleet) -> FleetOutcome:
    found = outcome(keeping, asked.application, scene, asked.repeats, asked.seed, moments=asked.moments)
    return replace(found, largest=largest_fleet(found, asked.application, scene, asked.seed))


def _aged(asked: ComparedFleet) -> list[tuple[Keeping, Scene]]:
    """The strategies that are nothing but an age, on threads that serve again."""
    return [
        (keeping, scene)
        for keeping, scene in asked.strategies
        if keeping.strategy.name == "max_age" and keeping.keeper == "thread"
    ]


def _smallest_age(asked: ComparedFleet) -> SmallestAge | None:
    for keeping, scene in _aged(asked):
        return smallest_age(keeping, asked.application, scene, asked.seed)
    return None


def _break_even(asked: ComparedFleet) -> BreakEven | None:
    aged = _aged(asked)
    if not aged:
        return None
    ages = {*AGES, *(keeping.max_age for keeping, _ in aged)}
    return break_even(asked.application, sorted(ages, key=lambda age: inf if age is None else age))
