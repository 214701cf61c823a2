"""Which rules choose among idle processes or threads, estimated from sequences that known rules have made."""

from __future__ import annotations

from dataclasses import astuple
from typing import Final

import numpy as np
import pytest

from loadlab.fleet.dispatch_fit import Served, choices_of, fit, thread_choices
from loadlab.model.fleet import Dispatch

REQUESTS: Final = 3_000
BUSY: Final = 0.5  # of one member's time


def sequence(dispatch: Dispatch, members: int, seed: int = 1, requests: int = REQUESTS) -> list[Served]:
    """Requests as a Poisson process, each served at once by an idle member that the rules choose, or lost."""
    random = np.random.default_rng(seed)
    free_at, ended = np.zeros(members), np.arange(members) * -1.0 - 1
    order = random.permutation(members)
    served: list[Served] = []
    now = 0.0
    while len(served) < requests:
        now += random.exponential(1.0)
        idle = [member for member in range(members) if free_at[member] <= now]
        if not idle:
            continue
        rule = random.choice(["fixed", "recent", "longest_idle", "random"], p=astuple(dispatch))
        chosen = {
            "fixed": min(idle, key=lambda member: order[member]),
            "recent": max(idle, key=ended.__getitem__),
            "longest_idle": min(idle, key=ended.__getitem__),
            "random": int(random.choice(idle)),
        }[rule]
        free_at[chosen] = ended[chosen] = now + random.exponential(BUSY)
        served.append(Served(now, float(free_at[chosen]), chosen))
    return served


@pytest.mark.parametrize("rule", ["fixed", "recent", "longest_idle", "random"])
@pytest.mark.parametrize("members", [3, 8])
def test_one_rule_alone_is_found(rule: str, members: int) -> None:
    truth = Dispatch(**{"random": 0.0, rule: 1.0})
    assert fit(choices_of(sequence(truth, members, requests=500), members)) == truth


@pytest.mark.parametrize(
    "truth",
    [
        Dispatch(recent=0.7, random=0.3),
        Dispatch(longest_idle=0.6, random=0.4),
        Dispatch(fixed=0.5, recent=0.5, random=0.0),
        Dispatch(fixed=0.2, recent=0.2, longest_idle=0.2, random=0.4),
    ],
)
def test_the_shares_of_a_mixture_are_found(truth: Dispatch) -> None:
    found = fit(choices_of(sequence(truth, 4), 4), ordered=3)
    assert astuple(found) == pytest.approx(astuple(truth), abs=0.06)


def test_of_two_members_an_even_mixture_is_random() -> None:
    """Of two that are idle, one is the last and the other the first: half of each is no other than random."""
    half = Dispatch(recent=0.5, longest_idle=0.5, random=0.0)
    assert fit(choices_of(sequence(half, 2), 2)) == Dispatch(random=1.0)


def test_without_a_choice_the_rule_stays_random() -> None:
    back_to_back = [Served(at, at + 0.5, 0) for at in range(10)]
    assert choices_of(back_to_back, 1) == ()
    assert fit(()) == Dispatch()


def test_a_member_that_never_served_was_idle_all_the_time() -> None:
    """One of two gets all requests: nothing is left to chance."""
    found = fit(choices_of([Served(at, at + 0.5, 7) for at in range(50)], 2))
    assert found.random == 0
    assert found.longest_idle == 0


def test_a_process_with_free_threads_can_be_chosen_while_it_serves() -> None:
    long = [Served(0.0, 9.0, 0), Served(1.0, 2.0, 0), Served(3.0, 4.0, 1)]
    assert sum(choice.count for choice in choices_of(long, 2, capacity=2)) == 3
    assert sum(choice.count for choice in choices_of([long[0], long[2]], 2, capacity=1)) == 1


def test_every_choice_counts_once() -> None:
    served = [Served(float(at), at + 0.5, at % 5) for at in range(200)]
    assert sum(choice.count for choice in choices_of(served, 50)) == len(served)


def test_right_after_a_request_nobody_can_tell_who_waits() -> None:
    served = [Served(0.0, 0.5, 0), Served(0.501, 0.6, 1), Served(0.7, 0.8, 1)]
    assert sum(choice.count for choice in choices_of(served, 2)) == 2


@pytest.mark.parametrize("rule", ["recent", "longest_idle", "random"])
def test_threads_that_start_on_demand_are_seen(rule: str) -> None:
    """A process has three threads in the end, and could have eight; or has had eight from the start."""
    truth = Dispatch(**{"random": 0.0, rule: 1.0})
    on_demand = started_on_demand(sequence(truth, 3, requests=400))
    choices, odds = thread_choices([on_demand], 8)
    assert fit(choices) == truth
    if rule != "recent":  # whose other threads are never needed
        assert thread_choices([sequence(truth, 8, requests=400)], 8)[1] < 0 < odds


def started_on_demand(served: list[Served]) -> list[Served]:
    """Without the requests that a thread serves for the first time while another one is idle."""
    kept: list[Served] = []
    for each in served:
        there = {one.member for one in kept}
        busy = {one.member for one in kept if one.ended > each.began}
        if each.member in there or there <= busy:
            kept.append(each)
    return kept


def test_a_thread_that_a_plain_request_has_started_is_no_proof() -> None:
    """Two threads were there before the first query, which is seldom; four take turns from then on."""
    turns = [Served(float(at), at + 0.5, at % 2) for at in range(200)]
    assert thread_choices([turns], 4)[1] > 0
