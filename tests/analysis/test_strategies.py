"""Verdicts over many strategies: sound before fast, proven before promising, and the simplest of equals."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from every import every
from factories.trials import (
    CLOSED,
    KEPT,
    LEAKING,
    Behaviour,
    Queue,
    at_rate,
    findings,
    noisy,
    strategy_case,
    through_pooler,
    trial,
    with_waits,
)

from loadlab.analysis.simplicity import Simplicity, order
from loadlab.model.plan import Limits
from loadlab.plan.members import config_of
from loadlab.plan.schedule import schedule
from loadlab.report.prose.needs import arithmetic
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

from . import said

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings, Place, Standing, Verdict

ZERO = {"max_age": 0}


def run(*arms: tuple[Case, float, Behaviour], blocks: int = 10, **changes: object) -> Findings:
    trials = [one for of, rate, like in arms for one in noisy(of, rate, like=like, blocks=blocks)]
    return findings([of for of, _, _ in arms], trials, blocks=blocks, **changes)


def the(found: Findings) -> Verdict:
    (verdict,) = found.verdicts
    return verdict


def recommended(found: Findings) -> str | None:
    recommend = the(found).recommend
    return recommend.strategy if recommend else None


def places(found: Findings) -> dict[str, Place]:
    return {name: one.place for name, one in said.standings(found).items()}


def standing(found: Findings, name: str) -> Standing:
    return said.standings(found)[name]


def gthread(name: str, **parameters: object) -> Case:
    return strategy_case("gthread", name, **parameters)


BASE = gthread("max_age", **ZERO)


def test_a_pool_that_alone_is_proven_better_and_sound_is_recommended() -> None:
    base, leaking, pool = (
        strategy_case("gevent", name, **p)
        for name, p in (
            ("max_age", ZERO),
            ("max_age", {"max_age": None}),
            ("pool", {}),
        )
    )
    found = run((base, 100, CLOSED), (leaking, 900, LEAKING), (pool, 600, KEPT))
    assert recommended(found) == "pool"
    assert places(found) == {"pool": "recommended", "CONN_MAX_AGE = 0": "baseline", "CONN_MAX_AGE = None": "unfit"}
    assert said.headline(found) == "gevent: use pool: 6.0× the throughput (5.8–6.2), 2 connections held, no leak."
    assert "Ruled out: CONN_MAX_AGE = None (leaks, 60 open, only 8 usable)." in said.why(found)


def test_of_strategies_not_proven_worse_than_the_best_the_simplest_wins() -> None:
    age, pool, bouncer = gthread("max_age", max_age=60), gthread("pool"), gthread("pgbouncer")
    found = run((BASE, 100, CLOSED), (bouncer, 610, KEPT), (pool, 605, KEPT), (age, 600, KEPT))
    assert recommended(found) == "max_age"
    assert "simplest that is not proven worse than the best" in " ".join(said.why(found))


def test_a_simpler_strategy_that_is_proven_worse_than_the_best_loses_to_it() -> None:
    age, pool = gthread("max_age", max_age=60), gthread("pool")
    found = run((BASE, 100, CLOSED), (age, 300, KEPT), (pool, 600, KEPT))
    assert recommended(found) == "pool"
    assert any(
        sentence.startswith("Of 2 strategies proven better, this has the largest gain")
        and sentence.endswith("The largest of 2 estimates tends to be too high.")
        for sentence in said.why(found)
    )


def test_the_runner_up_is_of_another_strategy_and_not_another_age() -> None:
    ages = [*(gthread("max_age", max_age=age) for age in (60, 600, None)), gthread("max_age_if_not_debug")]
    pool, bouncer = gthread("pool"), gthread("pgbouncer")
    found = run((BASE, 100, CLOSED), *((of, 600, KEPT) for of in (*ages, pool, bouncer)))
    runner_up = the(found).runner_up
    assert runner_up is not None
    assert (recommended(found), runner_up.strategy) == ("max_age", "pool")
    assert [one.place for one in the(found).ranking[:2]] == ["recommended", "runner_up"]


def test_a_runner_up_needs_a_strategy_proven_better() -> None:
    found = run((BASE, 100, CLOSED), (gthread("max_age", max_age=60), 600, KEPT), (gthread("pool"), 100, KEPT))
    assert the(found).runner_up is None


@every(
    ("spoiled", "why"),
    [
        (replace(LEAKING, refused=0, failed=0), "leaks, 60 open, only 8 usable"),
        (replace(KEPT, refused=1), "10 connection attempts refused"),
        (replace(KEPT, failed=100), "10 % of requests failed"),
    ],
    ids=["leak", "refused", "failures"],
)
def test_no_speed_makes_up_for_a_strategy_that_is_unfit(spoiled: Behaviour, why: str) -> None:
    found = run((BASE, 100, CLOSED), (gthread("pool"), 900, spoiled), (gthread("pgbouncer"), 300, KEPT))
    assert recommended(found) == "pgbouncer"
    assert (standing(found, "pool").place, said.objection(standing(found, "pool"))) == ("unfit", why)


def test_a_strategy_that_is_faster_but_unproven_is_not_recommended() -> None:
    pool = gthread("pool")
    uneven = [trial(pool, block, at_rate(80 if block % 2 else 140)) for block in range(1, 11)]
    found = findings([BASE, pool], [*noisy(BASE, 100, like=CLOSED, blocks=10), *uneven])
    assert recommended(found) is None
    assert "inconclusive" in said.headline(found)


def test_under_six_blocks_nothing_is_recommended_however_fast() -> None:
    found = run((BASE, 100, CLOSED), (gthread("pool"), 900, KEPT), blocks=5)
    assert recommended(found) is None
    assert said.headline(found) == "gthread: inconclusive, because only 5 blocks are complete, and a verdict needs 6."


def test_without_a_gain_closing_is_recommended_and_the_closest_named() -> None:
    found = run((BASE, 100, CLOSED), (gthread("pool"), 100, KEPT), (gthread("pgbouncer"), 70, KEPT))
    assert (recommended(found), the(found).recommend.max_age) == ("max_age", 0)  # type: ignore[union-attr]
    assert "because no eligible strategy is proven better: pool comes closest, 1.00× the throughput" in said.headline(
        found
    )


def test_where_all_leak_closing_is_recommended() -> None:
    base, forever, hook = (
        strategy_case("gevent", name, **p)
        for name, p in (("max_age", ZERO), ("max_age", {"max_age": None}), ("worker_exit_hook", {}))
    )
    found = run((base, 100, CLOSED), (forever, 95, LEAKING), (hook, 95, LEAKING))
    assert (recommended(found), the(found).runner_up) == ("max_age", None)
    assert places(found)["worker_exit_hook"] == "unfit"


def test_every_strategy_stands_somewhere_and_says_what_it_gives_up() -> None:
    cases = [strategy_case("asgi", name) for name in STRATEGIES if name not in ("geventpool", "close_at_handler_end")]
    found = findings(cases, [one for of in cases for one in noisy(of, 100, like=CLOSED)])
    assert len(the(found).ranking) == len(cases)
    given = {one.case.strategy.name: one.gives_up for one in the(found).ranking}
    assert given.pop("max_age") == ()  # the baseline
    assert all(given.values())


def test_strategies_of_one_name_are_told_apart_by_what_differs() -> None:
    small, large = (gthread("pool", max_size=size) for size in (2, 16))
    found = run((BASE, 100, CLOSED), (large, 600, KEPT), (small, 600, KEPT))
    assert list(places(found)) == ["pool, max_size=2", "pool, max_size=16", "CONN_MAX_AGE = 0"]


def test_the_smaller_of_two_pools_that_are_as_good_is_preferred() -> None:
    small, large = (gthread("pool", max_size=size) for size in (2, 16))
    found = run((BASE, 100, CLOSED), (large, 610, KEPT), (small, 600, KEPT))
    assert the(found).recommend.parameters["max_size"] == 2  # type: ignore[union-attr]


def test_the_order_of_simplicity_is_the_declared_one() -> None:
    cases = [
        gthread("max_age", max_age=60),
        gthread("max_age", max_age=None),
        gthread("max_age_if_not_debug"),
        gthread("pool"),
        strategy_case("gevent", "geventpool"),
        strategy_case("asgi", "leased_threads"),
        *(gthread(name) for name in ("close_on_thread_exit", "reap_dead_threads", "worker_exit_hook")),
        gthread("close_at_handler_end"),
        gthread("pgbouncer"),
    ]
    levels = [order(of).simplicity for of in cases]
    assert levels == sorted(levels)
    assert levels[6:10] == [Simplicity.FIX] * 4
    assert len(set(levels)) == 8


def test_no_strategy_of_the_family_is_without_its_place() -> None:
    for server in SERVERS:
        for name in STRATEGIES:
            assert order(strategy_case(server, name)).simplicity < Simplicity.UNKNOWN


def test_a_pooler_is_held_to_the_leak_of_its_clients_and_shows_both_sides() -> None:
    bouncer = strategy_case("gevent", "pgbouncer")
    base = strategy_case("gevent", "max_age", **ZERO)
    blocks = range(1, 11)
    sound = [through_pooler(one, clients=8, servers=5) for one in noisy(bouncer, 300, blocks=10)]
    leaking = [through_pooler(one, clients=200, servers=5) for one in noisy(bouncer, 300, blocks=10)]
    closed = noisy(base, 100, like=CLOSED, blocks=len(blocks))
    good, bad = (findings([base, bouncer], [*closed, *trials]) for trials in (sound, leaking))
    assert (recommended(good), recommended(bad)) == ("pgbouncer", "max_age")
    (arm,) = [arm for arm in good.arms if arm.case == bouncer]
    assert (arm.peak, arm.left_open, arm.clients_peak, arm.clients_left) == (5, 5, 8, 8)
    assert (arm.processes, arm.held_per_process) == (2, None)
    assert "at most 8 connections to the pooler at once" in " ".join(said.why(good))
    assert "5 connections held in PostgreSQL" in said.headline(good)


def test_clients_that_a_pooler_turned_away_count_as_refused() -> None:
    bouncer = gthread("pgbouncer")
    trials = [
        through_pooler(one, clients=8, servers=5, queue=Queue(refused=2)) for one in noisy(bouncer, 600, blocks=10)
    ]
    found = findings([BASE, bouncer], [*noisy(BASE, 100, like=CLOSED, blocks=10), *trials])
    assert said.objection(standing(found, "pgbouncer")) == "20 connection attempts refused"


def test_waits_of_a_pool_are_counted_in_the_window_and_given_per_request() -> None:
    pool = gthread("pool")
    trials = [with_waits(one, waits=1000, seconds=2.0) for one in noisy(pool, 600, blocks=10)]
    found = findings([BASE, pool], [*noisy(BASE, 100, like=CLOSED, blocks=10), *trials])
    (arm,) = [arm for arm in found.arms if arm.case == pool]
    assert (arm.processes, arm.held_per_process) == (2, 1)
    assert arm.waiting is not None
    assert (arm.waiting.at, arm.waiting.waits, arm.waiting.mean_seconds) == ("pool", 10_000, pytest.approx(0.002))
    assert arm.waiting.seconds_per_request == pytest.approx(0.002)
    assert "the pool was asked for 10,000 connections, each took 2.00 ms on average" in " ".join(said.why(found))


def test_waits_at_a_pooler_are_per_request_with_the_longest_seen() -> None:
    bouncer = gthread("pgbouncer")
    made = noisy(bouncer, 600, blocks=10)
    trials = [
        through_pooler(one, clients=8, servers=5, queue=Queue(waited=10.2, longest=0.5, waiting=3)) for one in made
    ]
    found = findings([BASE, bouncer], [*noisy(BASE, 100, like=CLOSED, blocks=10), *trials])
    (arm,) = [arm for arm in found.arms if arm.case == bouncer]
    assert arm.waiting is not None
    assert arm.waiting.seconds_per_request == pytest.approx(10.2 / 1020)  # 20 of the warm-up, 1000 of the window
    assert (arm.waiting.longest_seconds, arm.waiting.waiting_at_once) == (0.5, 3)
    assert "the longest seen 500 ms, up to 3 at once" in " ".join(said.why(found))


def test_a_case_of_a_removed_member_is_still_ranked() -> None:
    gone = replace(BASE, strategy=replace(gthread("pool").strategy, name="pool_of_yore"))
    found = run((BASE, 100, CLOSED), (gone, 600, KEPT))
    verdict = the(found)
    assert recommended(found) == "pool_of_yore"
    assert (verdict.settings, verdict.ranking[0].need, verdict.ranking[0].gives_up) == ("", None, ())


def twelve() -> list[Case]:
    """A group with twelve strategies to judge, and its baseline."""
    parameters = [
        *(("max_age", {"max_age": age}) for age in (0, 60, 600, None)),
        *(("pool", {"max_size": size}) for size in (2, 4, 8)),
        *((name, {}) for name in ("close_on_thread_exit", "reap_dead_threads", "worker_exit_hook", "pgbouncer")),
        ("max_age_if_not_debug", {}),
        ("close_at_handler_end", {}),
    ]
    return [gthread(name, **of) for name, of in parameters]


SHORT = Behaviour(requests=60, response=0.01)


@pytest.mark.thorough
@pytest.mark.parametrize("noise", [0.02, 0.2])
@pytest.mark.parametrize("runs", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_identical_strategies_get_a_winner_in_at_most_5_percent_of_runs(runs: int, noise: float) -> None:
    cases = twelve()
    winners = [seed for seed in range(runs) if _winner(cases, seed, noise)]
    assert len(winners) <= runs * 0.05


def _winner(cases: list[Case], seed: int, noise: float) -> bool:
    """A run of nine blocks, enough for twelve comparisons, on a machine that drifts."""
    generator = np.random.default_rng(seed)
    drift = generator.normal(0, 0.2, 9)
    rates = {of: 100 * np.exp(drift + generator.normal(0, noise, 9)) for of in cases}
    trials = [trial(cases[i], block, at_rate(rates[cases[i]][block], SHORT)) for block, i in schedule(cases, 9, seed)]
    (verdict,) = findings(cases, trials, blocks=9).verdicts
    better = [one.place in ("recommended", "runner_up") for one in verdict.ranking if not one.case.is_baseline]
    return any(better)


def test_twelve_strategies_of_which_one_is_better_have_a_winner() -> None:
    cases = twelve()
    arms = [(of, 200 if of.strategy.name == "pgbouncer" else 100, SHORT) for of in cases]
    assert recommended(run(*arms, blocks=9)) == "pgbouncer"


def test_the_limits_are_not_asked_for_where_a_plan_has_none() -> None:
    found = run((BASE, 100, CLOSED), (gthread("pool"), 600, KEPT), limits=Limits())
    need = standing(found, "pool").need
    assert need is not None
    assert (arithmetic(need), need.fits) == ("1 host × 2 workers × 4 (max_size) = 8", None)


def test_a_choice_names_every_parameter() -> None:
    assert gthread("pool", max_size=3).strategy == config_of(STRATEGIES, "pool", {"max_size": 3}, "")
