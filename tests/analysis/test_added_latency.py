"""The verdict over added latency: from where on each strategy pays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import CLOSED, KEPT, LEAKING, Behaviour, findings, noisy, strategy_case

from loadlab.analysis.added_latency import pays_from
from loadlab.report.labels import Labels
from loadlab.report.prose.added_latency import conclusion

from . import said

if TYPE_CHECKING:
    from loadlab.model.added_latency import LatencyEffect, OverLatency
    from loadlab.model.findings import Findings

ROUND_TRIPS = (0.0, 1.0, 5.0)


def run(*rates: tuple[str, dict[str, object], tuple[float, ...], Behaviour], server: str = "gthread") -> Findings:
    """Each strategy with its rate at each latency."""
    cases, trials = [], []
    for name, parameters, latencies, like in rates:
        for latency, rate in zip(ROUND_TRIPS, latencies, strict=True):
            case = replace(strategy_case(server, name, **parameters), round_trip_ms=latency)
            cases.append(case)
            trials += noisy(case, rate, like=like, blocks=10)
    return findings(cases, trials, blocks=10)


def the(found: Findings) -> LatencyEffect:
    (effect,) = found.added_latency
    return effect


def of(found: Findings, name: str) -> OverLatency:
    names = Labels.of(found)
    return next(one for one in the(found).strategies if names.within_group(one.strategy) == name)


BASE = ("max_age", {"max_age": 0}, (100.0, 50.0, 20.0), CLOSED)
POOL = ("pool", {}, (100.0, 150.0, 160.0), KEPT)


@every(
    ("pays", "start"),
    [
        ((True, True, True), 0),
        ((False, True, True), 1),
        ((True, False, True), 5),
        ((True, True, False), None),
        ((False, False, False), None),
    ],
)
def test_a_strategy_pays_from_where_it_is_better_with_every_larger_latency(
    pays: tuple[bool, ...], start: float | None
) -> None:
    assert pays_from(list(zip(ROUND_TRIPS, pays, strict=True))) == start


def test_each_added_latency_has_a_verdict_and_a_baseline() -> None:
    found = run(BASE, POOL)
    assert [one.condition.round_trip_ms for one in found.verdicts] == list(ROUND_TRIPS)
    recommended = [one.recommend.strategy for one in found.verdicts if one.recommend]
    assert recommended == ["max_age", "pool", "pool"]
    assert [case and str(case.strategy) for case in the(found).recommended] == [
        str(one.recommend.case.strategy) for one in found.verdicts if one.recommend
    ]
    assert said.headline(found, found.verdicts[1]).startswith("gthread with a round trip of +1 ms: use pool: 2.96×")


def test_the_ratio_over_latency_and_what_it_pays_from() -> None:
    pool = of(run(BASE, POOL), "pool")
    assert [round(point.ratio or 0) for point in pool.points] == [1, 3, 8]
    assert [point.verdict for point in pool.points] == ["equivalent", "better", "better"]
    assert pool.pays_from_ms == 1
    assert conclusion(pool).startswith("pays from +1 ms on: 1.0")
    assert conclusion(pool).endswith("at +5 ms")


def test_what_pays_nowhere_says_so() -> None:
    pool = of(run(BASE, ("pool", {}, (100.0, 50.0, 20.0), KEPT)), "pool")
    assert pool.pays_from_ms is None
    assert conclusion(pool).startswith("not proven to pay at the largest added latency: ")


def test_what_pays_everywhere_says_so() -> None:
    pool = of(run(BASE, ("pool", {}, (300.0, 150.0, 160.0), KEPT)), "pool")
    assert pool.pays_from_ms == 0
    assert conclusion(pool).startswith("pays at every added latency: 2.99×")


def test_a_leaking_strategy_is_never_recommended_for_its_speed() -> None:
    forever = ("max_age", {"max_age": None}, (300.0, 150.0, 160.0), LEAKING)
    leaking = of(run(BASE, forever, server="gevent"), "unlimited")
    assert [point.sound for point in leaking.points] == [False] * 3
    assert (leaking.pays_from_ms, conclusion(leaking)) == (
        None,
        "ruled out at every added latency",
    )


def test_a_run_with_one_latency_has_no_such_section() -> None:
    case = strategy_case("gthread", "max_age")
    assert findings([case], noisy(case, 100)).added_latency == ()


def test_latencies_are_told_apart_by_server_mode_and_client() -> None:
    cases = [
        replace(strategy_case(server, name), round_trip_ms=latency, keep_alive=keep_alive)
        for server in ("sync", "gthread")
        for name in ("max_age", "pgbouncer")
        for keep_alive in (False, True)
        for latency in (0.0, 5.0)
    ]
    found = findings(cases, [one for case in cases for one in noisy(case, 100)])
    kinds = [(one.condition.server.name, one.condition.keep_alive, one.round_trips_ms) for one in found.added_latency]
    assert kinds == [(server, keep_alive, (0.0, 5.0)) for server in ("sync", "gthread") for keep_alive in (False, True)]


def test_a_strategy_without_a_complete_trial_is_shown_as_not_measured() -> None:
    cases = [
        replace(strategy_case("gthread", name), round_trip_ms=d) for name in ("max_age", "pool") for d in (0.0, 5.0)
    ]
    found = findings(cases, [one for case in cases[:2] for one in noisy(case, 100, like=CLOSED)])
    pool = of(found, "pool")
    assert (pool.points, conclusion(pool)) == ((), "not measured")
