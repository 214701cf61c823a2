"""The thread's question is answered outright, whatever was measured."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from .factories import CLOSED, KEPT, LEAKING, Behaviour, ages, case, default_plan, findings, noisy, trial

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings


def run(*arms: tuple[Case, float, Behaviour], blocks: int = 8) -> Findings:
    trials = [one for of, rate, like in arms for one in noisy(of, rate, like=like, blocks=blocks)]
    return findings([of for of, _, _ in arms], trials, blocks=blocks)


def test_reusing_and_leaking_modes_together_have_no_single_default() -> None:
    on_default, on_unlimited, on_safety = default_plan().answer
    assert on_default.startswith("No single default fits, 600 (10 minutes) included: in sync kept connections")
    assert "in threaded and gevent they leak (threaded: up to 60 open where 8 can be used" in on_default
    assert on_unlimited.startswith("Unlimited: in sync 1.00× the throughput of 60 s")
    assert "equivalent; where kept connections leak, it leaks just the same." in on_unlimited
    assert on_safety == "The one safe default is 0; where connections are reused, set it by hand: 60 s for sync."


def test_where_nothing_leaks_600_is_not_spoken_against() -> None:
    base, finite, unlimited = ages()
    first, second, third = run((base, 100, CLOSED), (finite, 600, KEPT), (unlimited, 600, KEPT)).answer
    assert first.startswith("Nothing measured speaks against 600 (10 minutes) in sync: it was not measured itself")
    assert "equivalent" in second
    assert third == "Measured best: 60 s for sync; server modes that were not measured may leak."


def test_600_is_named_as_measured_where_it_was() -> None:
    found = run((case(), 100, CLOSED), (case(max_age=600), 600, KEPT))
    assert "it was measured" in found.answer[0]
    assert found.answer[1] == "Whether unlimited would be better was not measured beside a finite age."


def test_a_single_leaking_mode_answers_no() -> None:
    base, finite, unlimited = ages("gevent", usable=8)
    first, second, third = run((base, 100, CLOSED), (finite, 95, LEAKING), (unlimited, 95, LEAKING)).answer
    assert first.startswith("600 (10 minutes) is no good default: in gevent kept connections leak (up to 60 open")
    assert second == "Unlimited: where kept connections leak, it leaks just the same."
    assert third.startswith("The safe default is 0")


def test_refused_connections_without_a_leak_are_not_called_one() -> None:
    base, finite, _ = ages()
    found = run((base, 100, CLOSED), (finite, 600, replace(KEPT, refused=2)))
    assert "kept connections run out (16 attempts to connect refused)" in found.answer[0]


def test_where_keeping_gains_nothing_the_answer_says_so() -> None:
    base, finite, _ = ages()
    found = run((base, 100, CLOSED), (finite, 80, KEPT))
    assert found.answer[0] == "A default of 600 (10 minutes) would gain nothing in sync."


@pytest.mark.parametrize("blocks", [1, 5])
def test_an_inconclusive_run_says_that_it_cannot_say(blocks: int) -> None:
    arms = [(of, rate, KEPT) for of, rate in zip(ages(), (100, 600, 600), strict=True)]
    answer = run(*arms, blocks=blocks).answer
    assert answer[0].startswith("This run cannot say")
    assert "no difference proven" in answer[1]
    assert answer[-1].startswith("Undecided: sync (")


def test_no_trials_at_all_still_get_an_answer() -> None:
    answer = findings(ages(), []).answer
    assert answer[0].startswith("This run cannot say")
    assert answer[-1] == "Undecided: sync (no complete trial with CONN_MAX_AGE = 0 to compare with)."


def test_a_mode_in_which_all_fails_is_undecided() -> None:
    lost = Behaviour(requests=400, failed=400)
    cases = ages()
    found = findings(cases, [trial(of, block, lost) for of in cases for block in range(1, 9)])
    assert found.answer[-1] == "Undecided: sync (no request succeeded)."


@pytest.mark.parametrize("seed", range(5))
def test_the_answer_has_two_to_four_sentences(seed: int) -> None:
    assert 2 <= len(default_plan(seed=seed).answer) <= 4
