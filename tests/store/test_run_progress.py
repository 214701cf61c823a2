"""Events add up to one state of a run, whichever way it goes."""

from __future__ import annotations

from typing import Any

from loadlab.store.progress import Noticed, Preparing, RunBegan, RunEnded, Sampled, TrialBegan, TrialEnded
from loadlab.store.run_progress import MOST_NOTICES, progress_of


def began(at: float = 100.0, done: int = 0) -> RunBegan:
    return RunBegan(at=at, total=9, done=done, trial_seconds=3.0, pid=1)


def trial(order: int, at: float) -> TrialBegan:
    return TrialBegan(at=at, order=order, block=0, case=0, ledgers="/nowhere")


def sampled(order: int, at: float, **values: float) -> Sampled:
    return Sampled(at=at, order=order, values=values, response_buckets=[])


def ended(order: int, at: float) -> TrialEnded:
    return TrialEnded(at=at, order=order, state="complete", reason="")


def stopped(at: float) -> RunEnded:
    return RunEnded(at=at, state="stopped", reason="Ctrl-C")


def test_nothing_is_known_before_the_first_event() -> None:
    progress = progress_of([])
    assert (progress.began, progress.current, progress.in_trial, progress.worked_seconds) == (None, None, False, 0.0)


def test_the_last_sample_of_each_trial_stays() -> None:
    progress = progress_of([began(), trial(0, 101), sampled(0, 102, open=1), sampled(0, 103, open=2), ended(0, 104)])
    seen = progress.trials[0].sampled
    assert seen is not None
    assert seen.values == {"open": 2}
    assert not progress.in_trial


def test_a_trial_is_under_way_until_it_or_the_run_ends() -> None:
    under_way = [began(), trial(0, 101)]
    assert progress_of(under_way).in_trial
    assert not progress_of([*under_way, ended(0, 102)]).in_trial
    assert not progress_of([*under_way, stopped(102)]).in_trial
    assert not progress_of([*under_way, began(200)]).in_trial


def test_a_run_that_is_resumed_has_no_end_and_no_current_trial() -> None:
    progress = progress_of([began(), trial(0, 101), stopped(102), began(200)])
    assert (progress.ended, progress.current) == (None, None)
    assert list(progress.trials) == [0]


def test_a_trial_that_is_made_again_is_the_last() -> None:
    progress = progress_of([began(), trial(0, 101), trial(1, 102), trial(0, 103)])
    assert list(progress.trials) == [1, 0]
    assert progress.trials[0].sampled is None


def test_what_comes_of_a_trial_that_never_began_is_left_out() -> None:
    assert progress_of([began(), sampled(7, 101), ended(7, 102)]).trials == {}


def test_time_between_two_sessions_is_not_worked() -> None:
    events: list[Any] = [began(100), trial(0, 101), stopped(110), began(5000), trial(1, 5002)]
    assert progress_of(events).worked_seconds == 12


def test_a_trial_ends_what_was_being_prepared() -> None:
    preparing = [began(), Preparing(at=101, what="PostgreSQL starts")]
    assert progress_of(preparing).doing == "PostgreSQL starts"
    assert progress_of([*preparing, trial(0, 102)]).doing == ""
    assert progress_of([*preparing, stopped(102)]).doing == ""


def test_only_the_latest_notices_stay() -> None:
    progress = progress_of(Noticed(at=100 + number, what=str(number)) for number in range(MOST_NOTICES + 5))
    assert list(progress.notices) == [str(number) for number in range(5, MOST_NOTICES + 5)]
