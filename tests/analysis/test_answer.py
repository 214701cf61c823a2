"""Each run says whether 600 s is a good default and whether unlimited is better."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import (
    CLOSED,
    KEPT,
    LEAKING,
    Behaviour,
    ages,
    at_rate,
    case,
    default_plan,
    findings,
    noisy,
    strategy_case,
    trial,
)

from . import said

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings


def run(*arms: tuple[Case, float, Behaviour], blocks: int = 8) -> Findings:
    trials = [one for of, rate, like in arms for one in noisy(of, rate, like=like, blocks=blocks)]
    return findings([of for of, _, _ in arms], trials, blocks=blocks)


def test_reusing_and_leaking_modes_together_have_no_single_default() -> None:
    on_default, on_unlimited, on_safety = said.answer(default_plan())
    assert on_default.startswith("No single default fits. Keeping connections pays in sync")
    assert "In threaded and gevent, kept connections leak (threaded: 60 open, only 8 usable" in on_default
    assert on_unlimited.startswith("Unlimited age: in sync, 1.00× the throughput of 60 s")
    assert "no difference proven. It leaks in the same server modes." in on_unlimited
    assert on_safety == "0 is the only safe default. Set 60 s for sync."


def test_where_nothing_leaks_600_is_not_spoken_against() -> None:
    base, finite, unlimited = ages()
    first, second, third = said.answer(run((base, 100, CLOSED), (finite, 600, KEPT), (unlimited, 600, KEPT)))
    assert first.startswith(
        "This run found nothing against CONN_MAX_AGE = 600, the default proposed in 2013, in sync: 600 s was not"
    )
    assert "no difference proven" in second
    assert third == "Set 60 s for sync. Server modes that were not measured may leak."


def test_600_is_named_as_measured_where_it_was() -> None:
    found = run((case(), 100, CLOSED), (case(max_age=600), 600, KEPT))
    assert "600 s was measured" in said.answer(found)[0]
    assert said.answer(found)[1] == "Unlimited was not compared with a finite age."


def test_a_single_leaking_mode_answers_no() -> None:
    base, finite, unlimited = ages("gevent", usable=8)
    first, second, third = said.answer(run((base, 100, CLOSED), (finite, 95, LEAKING), (unlimited, 95, LEAKING)))
    assert first.startswith(
        "CONN_MAX_AGE = 600, the default proposed in 2013, is not a safe default: in gevent, kept connections leak"
    )
    assert second == "An unlimited age leaks in the same server modes."
    assert third.startswith("0 is the safe default")


def test_refused_connections_without_a_leak_are_not_called_one() -> None:
    base, finite, _ = ages()
    found = run((base, 100, CLOSED), (finite, 600, replace(KEPT, refused=2)))
    assert "kept connections use up PostgreSQL's limit (16 connection attempts refused)" in said.answer(found)[0]


def test_where_keeping_gains_nothing_the_answer_says_so() -> None:
    base, finite, _ = ages()
    found = run((base, 100, CLOSED), (finite, 80, KEPT))
    assert said.answer(found)[0] == "CONN_MAX_AGE = 600, the default proposed in 2013, gains nothing in sync."


@every("blocks", [1, 5])
def test_an_inconclusive_run_says_that_it_cannot_say(blocks: int) -> None:
    arms = [(of, rate, KEPT) for of, rate in zip(ages(), (100, 600, 600), strict=True)]
    answer = said.answer(run(*arms, blocks=blocks))
    assert answer[0].startswith("This run cannot say")
    assert "no difference proven" in answer[1]
    assert answer[-1].startswith("Inconclusive: sync (")


def test_no_trials_at_all_still_get_an_answer() -> None:
    answer = said.answer(findings(ages(), []))
    assert answer[0].startswith("This run cannot say")
    assert answer[-1] == "Inconclusive: sync (no trial with CONN_MAX_AGE = 0 is complete)."


def test_a_mode_in_which_all_fails_is_undecided() -> None:
    lost = Behaviour(requests=400, failed=400)
    cases = ages()
    found = findings(cases, [trial(of, block, lost) for of in cases for block in range(1, 9)])
    assert said.answer(found)[-1] == "Inconclusive: sync (no request succeeded)."


@every("seed", range(5))
def test_the_answer_has_two_to_four_sentences(seed: int) -> None:
    assert 2 <= len(said.answer(default_plan(seed=seed))) <= 4


def test_with_other_strategies_the_answer_begins_with_which_to_use_where() -> None:
    cases = [
        *(strategy_case(server, "max_age", max_age=age) for server in ("gthread", "gevent") for age in (0, 60)),
        *(strategy_case(server, "pool") for server in ("gthread", "gevent")),
    ]
    likes = ((100, CLOSED), (600, KEPT), (100, CLOSED), (95, LEAKING), (610, KEPT), (400, KEPT))
    found = run(*((of, rate, like) for of, (rate, like) in zip(cases, likes, strict=True)), blocks=10)
    which, remedy, *on_ages = said.answer(found)
    assert which.startswith("The simplest option that is not proven worse than the best: ")
    assert "CONN_MAX_AGE = 60 in gthread (5.9×); pool in gevent (3.97×)." in which
    assert remedy == (
        "In gevent, connections kept by CONN_MAX_AGE alone are never reused, and leak. There, pool is better, "
        "without a leak."
    )
    assert on_ages[0].startswith("No single default fits. Keeping connections pays in gthread")


def test_a_run_without_ages_says_nothing_of_600() -> None:
    base, pool = strategy_case("gthread", "max_age"), strategy_case("gthread", "pool")
    found = run((base, 100, CLOSED), (pool, 600, KEPT), blocks=10)
    assert len(said.answer(found)) == 1
    assert "proposed in 2013" not in " ".join(said.answer(found))


def test_where_no_strategy_is_proven_the_answer_says_so_and_why() -> None:
    base, pool = strategy_case("gthread", "max_age"), strategy_case("gthread", "pool")
    found = run((base, 100, CLOSED), (pool, 600, KEPT), blocks=3)
    assert said.answer(found) == (
        "This run cannot say which strategy is best: no comparison was conclusive.",
        "Inconclusive: gthread (only 3 blocks are complete, and a verdict needs 6).",
    )


def test_a_leak_that_nothing_remedies_is_not_glossed_over() -> None:
    base, leaking, hook = (
        strategy_case("gevent", "max_age"),
        strategy_case("gevent", "max_age", max_age=None),
        strategy_case("gevent", "worker_exit_hook"),
    )
    found = run((base, 100, CLOSED), (leaking, 95, LEAKING), (hook, 95, LEAKING), blocks=10)
    assert said.answer(found)[1].endswith(
        "No other measured strategy is proven better than closing them after each request."
    )


def test_all_groups_of_a_mode_are_named_as_the_mode() -> None:
    cases = [
        replace(strategy_case(server, name), keep_alive=alive, round_trip_ms=latency)
        for server in ("sync", "gthread")
        for name in ("max_age", "pool")
        for alive in (False, True)
        for latency in (0.0, 5.0)
    ]
    gains = {("gthread", True): 100}
    arms = [
        (of, 100 if of.strategy.name == "max_age" else gains.get((of.server.name, of.keep_alive), 600), CLOSED)
        for of in cases
    ]
    which = said.answer(run(*arms, blocks=12))[0]
    assert "pool in sync and gthread with keep-alive off (" in which
    assert "CONN_MAX_AGE = 0 in gthread with keep-alive on" in which


def test_many_groups_are_told_of_unlimited_by_their_judgements() -> None:
    cases = [
        case(server, age, round_trip_ms=latency)
        for server in ("sync", "gthread")
        for age in (0, 60, None)
        for latency in (0.0, 1.0, 5.0)
    ]
    rates = {0: 100, 60: 600, None: 600}
    steady = {of.id: at_rate(rates[of.max_age if of.max_age is None else int(of.max_age)], CLOSED) for of in cases}
    found = findings(cases, [trial(of, block, steady[of.id]) for of in cases for block in range(1, 11)], blocks=10)
    assert said.answer(found)[1] == "Unlimited age: in sync and gthread, equivalent against a finite age."
    assert said.answer(found)[2].startswith("Set 60 s for sync and gthread.")


def test_groups_that_are_undecided_for_one_reason_are_named_together() -> None:
    cases = [
        case(server, age, round_trip_ms=d) for server in ("sync", "gthread") for age in (0, 60) for d in (0.0, 5.0)
    ]
    found = run(*((of, 100, CLOSED) for of in cases), blocks=2)
    last = said.answer(found)[-1]
    assert (
        last == "Inconclusive: sync and gthread (only 2 blocks are complete, and a verdict on 4 comparisons needs 8)."
    )
