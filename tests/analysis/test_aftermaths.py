"""What faults did, from trials whose every request is known."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import pytest
from every import every
from factories.faulted import NOTHING, Did, case, fault, trial
from factories.trials import findings, strategy_case, through_pooler

from loadlab.analysis.aftermaths import aftermaths, noise_floor, time_back
from loadlab.model.aftermath import Aftermaths, Back, Lesson
from loadlab.model.planned_fault import Bound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.aftermath import CaseAftermath
    from loadlab.model.case import Case
    from loadlab.model.planned_fault import PlannedFault
    from loadlab.model.samples import Trial

RESTART = fault()


def told(*did: tuple[Case, Did]) -> Aftermaths:
    """Of cases under a fault, each beside two trials without it."""
    cases = [one for of, _ in did for one in (of.control, of)]
    trials = [one for of, what in did for one in _trials(of, what)]
    return aftermaths(cases, trials)


def _trials(of: Case, did: Did) -> list[Trial]:
    return [trial(of.control), trial(of.control, block=2), trial(of, did)]


def kept(did: Did, *, under: PlannedFault = RESTART, checks: bool = False, max_age: float | None = 60) -> CaseAftermath:
    return told((case(max_age=max_age, checks=checks, under=under), did)).cases[0]


def test_a_run_without_faults_has_no_aftermath() -> None:
    assert aftermaths([case()], [trial(case())]) == Aftermaths()
    assert findings([case()], [trial(case())]).aftermaths == Aftermaths()


def test_the_counts_of_a_fault_are_those_of_its_trials() -> None:
    did = Did(failed=2, opened=5, lost={"unusable": 2, "max_age": 9}, left_behind=1)
    one = kept(did)
    (seen,) = one.trials
    assert (seen.failed, seen.kinds, seen.lost) == (2, {"HTTP 500": 2}, {"unusable": 2})
    assert (seen.opened, seen.most_opened, seen.left_behind, seen.most_open) == (5, 5, 1, 2)
    assert one.failed is not None
    assert (one.failed.median, one.failed.low, one.failed.high) == (2, 2, 2)


def test_a_case_sums_up_its_complete_trials_alone() -> None:
    of = case(under=RESTART)
    did = [Did(failed=1), Did(failed=2), Did(failed=9), Did(failed=50, state="invalid")]
    trials = [trial(of, what, block=block) for block, what in enumerate(did, start=1)]
    (one,) = aftermaths([of.control, of], [*trials, trial(of.control)]).cases
    assert one.failed is not None
    assert (one.failed.median, one.failed.low, one.failed.high) == (2, 1, 9)
    assert (one.kinds, len(one.trials), one.unusable) == ({"HTTP 500": 12}, 3, 1)


def test_throughput_is_back_at_the_end_of_the_last_slice_outside_the_noise() -> None:
    (seen,) = kept(Did(away=0.6)).trials
    assert (seen.back, seen.back_seconds) == (Back.BACK, 0.75)
    assert seen.silence == pytest.approx(0.6, abs=0.01)


def test_what_never_leaves_the_noise_is_back_at_once() -> None:
    (seen,) = kept(Did(failed=3)).trials
    assert (seen.back, seen.back_seconds) == (Back.NEVER_LEFT, 0.0)


def test_not_back_within_the_trial_is_an_answer() -> None:
    one = kept(Did(away=9.0))
    assert (one.trials[0].back, one.trials[0].back_seconds, one.trials[0].first_success) == (Back.NOT_BACK, inf, None)
    assert one.not_back == 1
    assert one.first_success is not None
    assert one.first_success.median == inf


def test_without_a_trial_without_the_fault_the_noise_is_not_known() -> None:
    of = case(under=RESTART)
    (one,) = aftermaths([of.control, of], [trial(of, Did(away=0.5))]).cases
    assert (one.trials[0].back, one.trials[0].back_seconds, one.back) == (Back.UNTOLD, None, None)


def test_a_slice_of_noise_is_outside_of_it_in_at_most_1_percent() -> None:
    generator = np.random.default_rng(15)
    outside, slices = 0, 0
    for _ in range(300):
        calm = generator.poisson(50, size=(2, 12)).tolist()
        later = generator.poisson(50, size=8)
        outside += int((later < (noise_floor(calm) or inf)).sum())
        slices += later.size
    assert outside / slices <= 0.01


@every(("calm", "successes"), [([], [1, 2]), ([[100]], [1]), ([[0, 3, 1, 2]], [0]), ([[9, 9, 9, 9]], [])])
def test_too_little_noise_or_too_short_a_rest_tells_nothing(calm: Sequence[list[int]], successes: list[int]) -> None:
    assert time_back(successes, noise_floor(calm)) == (Back.UNTOLD, None)


@every(
    ("did", "checks", "max_age", "holds"),
    [
        (Did(failed=2), False, 60, True),  # two connections were open
        (Did(failed=3), False, 60, False),
        (Did(failed=9, unopened=7), False, 60, True),  # seven found the database away
        (Did(failed=0), True, 60, True),
        (Did(failed=1), True, 60, False),
        (Did(failed=1), False, 0, False),
        (Did(failed=1, unopened=1), False, 0, True),
    ],
)
def test_what_django_promises_is_judged(did: Did, *, checks: bool, max_age: float, holds: bool) -> None:
    one = kept(did, checks=checks, max_age=max_age)
    assert one.bound is Bound.ONE_PER_CONNECTION
    assert (one.promised, one.broken) == (1, 0 if holds else 1)


@every(
    ("share", "failed", "allowed", "holds"),
    [(0.5, 1, 1, True), (0.5, 2, 1, False), (0.3, 1, 1, True), (1.0, 2, 2, True), ("half", 2, 2, True)],
)
def test_of_a_share_of_connections_as_many_requests_may_fail(
    share: float | str, *, failed: int, allowed: int, holds: bool
) -> None:
    one = kept(Did(failed=failed), under=fault("backend_terminate", share=share))
    (promise,) = [seen.promise for seen in one.trials if seen.promise]
    assert (promise.allowed, promise.kept) == (allowed, holds)


def test_nothing_is_promised_of_a_fault_without_a_bound_or_of_a_pool() -> None:
    exhausted = kept(Did(failed=9), under=fault("connections_exhausted", seconds=0.5, free=0))
    assert (exhausted.bound, exhausted.promised) == (None, 0)
    pooled = replace(strategy_case("sync", "pool", max_size=4), fault=RESTART)
    assert told((pooled, Did(failed=9))).cases[0].promised == 0


def test_nothing_is_promised_of_connections_to_a_pooler() -> None:
    of = case(under=RESTART)
    one = through_pooler(trial(of, Did(failed=9)), clients=2, servers=2)
    assert aftermaths([of], [one]).cases[0].promised == 0


def test_a_fault_of_a_newer_loadlab_has_no_bound() -> None:
    assert kept(NOTHING, under=fault("of_the_future")).bound is None


CLOSING, KEEPING = case(max_age=0, under=RESTART), case(under=RESTART)
CHECKING = case(checks=True, under=RESTART)


@every(
    ("closing", "keeping", "checking", "lesson"),
    [
        (Did(), Did(), Did(), Lesson.NOTHING),
        (Did(), Did(away=0.5), Did(), Lesson.SLOWER),
        (Did(), Did(failed=2), Did(), Lesson.CHECKS_SPARE),
        (Did(failed=2), Did(failed=2), Did(), Lesson.CHECKS_SPARE),
        (Did(failed=2), Did(failed=8), Did(failed=4), Lesson.CHECKS_SPARE),  # those that were under way
        (Did(failed=2), Did(failed=8), Did(failed=5), Lesson.ALL_FAIL),
        (Did(failed=8), Did(), Did(), Lesson.KEEPING_SPARES),
        (Did(), Did(failed=2), Did(failed=2), Lesson.KEEPING_FAILS),
        (Did(failed=1), Did(failed=2), Did(failed=3), Lesson.ALL_FAIL),
        (Did(), Did(), Did(failed=3), Lesson.SOME_FAIL),
    ],
)
def test_the_lesson_of_a_fault_is_what_matters_most(closing: Did, keeping: Did, checking: Did, lesson: Lesson) -> None:
    (found,) = told((CLOSING, closing), (KEEPING, keeping), (CHECKING, checking)).lessons
    assert found.lesson is lesson
    assert [(one.way, one.low, one.high) for one in found.ways] == [
        ("closing", closing.failed, closing.failed),
        ("keeping", keeping.failed, keeping.failed),
        ("checking", checking.failed, checking.failed),
    ]


def test_health_checks_spare_requests_only_if_they_do_in_every_server_mode() -> None:
    keeping, checking = (case("gthread", checks=checks, under=RESTART) for checks in (False, True))
    (found,) = told(
        (KEEPING, Did(failed=8)), (CHECKING, Did()), (keeping, Did(failed=2)), (checking, Did(failed=2))
    ).lessons
    assert found.lesson is Lesson.SOME_FAIL


def test_a_strategy_that_fails_in_one_server_mode_alone_is_none_that_fails_everywhere() -> None:
    leaking = case("gevent", under=RESTART)
    (found,) = told((CLOSING, Did(failed=8)), (KEEPING, Did()), (leaking, Did(failed=3))).lessons
    assert found.lesson is Lesson.SOME_FAIL


def test_a_lesson_has_every_strategy_by_itself_and_the_slowest_return() -> None:
    pool = replace(strategy_case("sync", "pool", max_size=4), fault=RESTART)
    (found,) = told((KEEPING, Did(failed=2, away=0.3)), (pool, Did(failed=5, away=0.8))).lessons
    assert [(one.way, one.strategy) for one in found.ways] == [("keeping", ""), ("other", "pool")]
    assert (found.back_seconds, found.not_back, found.trials) == (1.0, 0, 2)


def test_a_fault_slows_a_strategy_only_in_more_than_half_of_its_trials() -> None:
    """One trial of a few leaves the noise by chance."""
    for away, lesson in (([0.5, 0, 0, 0.5], Lesson.NOTHING), ([0.5, 0.5, 0, 0.5], Lesson.SLOWER)):
        trials = [trial(KEEPING, Did(away=one), block=block) for block, one in enumerate(away, start=1)]
        controls = [trial(KEEPING.control, block=block) for block in (1, 2)]
        (found,) = aftermaths([KEEPING.control, KEEPING], [*trials, *controls]).lessons
        assert (found.lesson, found.ways[0].left, found.ways[0].told) == (lesson, sum(one > 0 for one in away), 4)


def test_a_fault_of_which_no_trial_is_complete_teaches_nothing() -> None:
    (found,) = told((KEEPING, Did(state="invalid"))).lessons
    assert (found.lesson, found.ways, found.back_seconds) == (Lesson.UNMEASURED, (), None)


def test_faults_that_differ_in_a_parameter_are_told_apart() -> None:
    other = fault(mode="immediate")
    found = told((KEEPING, Did(failed=2)), (replace(KEEPING, fault=other), Did(failed=3)))
    assert [one.fault for one in found.lessons] == [RESTART, other]
