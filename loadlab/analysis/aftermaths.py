"""What the faults of a run did, trial by trial, and what that comes to."""

from __future__ import annotations

from collections import Counter
from math import inf
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Final

from loadlab.faults import FAULTS
from loadlab.model.aftermath import (
    Aftermath,
    Aftermaths,
    Back,
    CaseAftermath,
    FaultLesson,
    Lesson,
    Promise,
    Range,
    WayAftermath,
    finite,
)
from loadlab.model.course import SLICE_SECONDS
from loadlab.model.extract import extract_of
from loadlab.model.metrics import CloseReason
from loadlab.model.planned_fault import Bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.aftermath import Way
    from loadlab.model.case import Case
    from loadlab.model.condition import Condition
    from loadlab.model.planned_fault import PlannedFault
    from loadlab.model.samples import Trial

LOST: Final = tuple(
    reason.label for reason in (CloseReason.UNUSABLE, CloseReason.HEALTH_CHECK, CloseReason.PROCESS_EXIT)
)
SPREADS: Final = 3.0  # below the mean, by the standard deviation of slices without the fault
FEWEST_SLICES: Final = 4
HALF: Final = 0.5


def aftermaths(cases: Sequence[Case], trials: Sequence[Trial]) -> Aftermaths:
    """Of each case with a fault, beside the same case without it; only complete trials tell anything."""
    by_case: dict[Case, list[Trial]] = {}
    for trial in trials:
        by_case.setdefault(trial.case, []).append(trial)
    faults = dict.fromkeys(case.fault for case in cases if case.fault)
    found = tuple(
        _of_case(case, by_case.get(case, ()), _complete(by_case.get(case.control, ())))
        for fault in faults
        for case in cases
        if case.fault == fault
    )
    return Aftermaths(
        cases=found,
        lessons=tuple(_lesson(fault, [one for one in found if one.case.fault == fault]) for fault in faults),
    )


def _complete(trials: Iterable[Trial]) -> list[Trial]:
    return [trial for trial in trials if trial.state == "complete"]


def _of_case(case: Case, trials: Sequence[Trial], controls: Sequence[Trial]) -> CaseAftermath:
    floor = noise_floor([extract_of(one).course.successes for one in controls])
    bound = _bound(case)
    found = tuple(aftermath(trial, floor, bound) for trial in _complete(trials))
    promises = [one.promise for one in found if one.promise]
    return CaseAftermath(
        case=case,
        bound=bound,
        trials=found,
        unusable=len(trials) - len(found),
        kinds=_summed(one.kinds for one in found),
        lost=_summed(one.lost for one in found),
        failed=_range(one.failed for one in found),
        first_success=_range(inf if one.first_success is None else one.first_success for one in found),
        silence=_range(one.silence for one in found),
        back=_range(one.back_seconds for one in found if one.back_seconds is not None),
        not_back=sum(one.back is Back.NOT_BACK for one in found),
        connections_lost=_range(sum(one.lost.values()) for one in found),
        left_behind=_range(one.left_behind for one in found),
        opened=_range(one.opened for one in found),
        most_opened=_range(one.most_opened for one in found),
        calm_most_opened=_range(extract_of(one).course.most_opened for one in controls),
        most_open=_range(one.most_open for one in found),
        promised=len(promises),
        broken=sum(not promise.kept for promise in promises),
    )


def _bound(case: Case) -> Bound | None:
    """What is promised of the case's fault; None too for a fault that a newer loadlab may know."""
    name = case.fault.name if case.fault else ""
    return FAULTS[name].bound if name in FAULTS else None


def _summed(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in counts:
        found.update(one)
    return dict(found.most_common())


def _range(values: Iterable[float]) -> Range | None:
    known = sorted(values)
    return Range(median=median(known), low=known[0], high=known[-1]) if known else None


def noise_floor(calm: Sequence[Sequence[int]]) -> float | None:
    """The fewest successes of a slice that are within the noise, from those of trials without the fault.

    It is below all that they had, and by several standard deviations below their mean. None where they are too few, or
    where even no success at all would be within the noise.

    >>> noise_floor([[100, 102, 98, 100]]), noise_floor([[3, 0, 1, 2]])
    (95.10102051443364, None)
    """
    slices = [count for one in calm for count in one]
    if len(slices) < FEWEST_SLICES:
        return None
    floor = min(*slices, fmean(slices) - SPREADS * stdev(slices))
    return floor if floor > 0 else None


def time_back(successes: Sequence[int], floor: float | None) -> tuple[Back, float | None]:
    """Whether and when throughput is within the noise, for good: at the end of the last slice that is not.

    >>> time_back([40, 0, 10, 100], 95.0), time_back([100, 0], 95.0), time_back([100, 96], 95.0)
    ((<Back.BACK: 'back'>, 0.75), (<Back.NOT_BACK: 'not_back'>, inf), (<Back.NEVER_LEFT: 'never_left'>, 0.0))
    """
    if floor is None or not successes:
        return Back.UNTOLD, None
    below = [number for number, count in enumerate(successes, start=1) if count < floor]
    if not below:
        return Back.NEVER_LEFT, 0.0
    if below[-1] == len(successes):
        return Back.NOT_BACK, inf
    return Back.BACK, below[-1] * SLICE_SECONDS


def aftermath(trial: Trial, floor: float | None, bound: Bound | None) -> Aftermath:
    """What its fault did in one trial."""
    course, counts = extract_of(trial).course, trial.connections
    back, seconds = time_back(course.successes, floor)
    lost = (counts.at_rest - counts.window_start).closed
    return Aftermath(
        block=trial.block,
        failed=course.failed,
        failed_before=course.failed_before,
        kinds={failure.kind: failure.count for failure in trial.failures if failure.count},
        first_success=course.first_success,
        silence=course.silence,
        back=back,
        back_seconds=seconds,
        lost={reason: lost[reason] for reason in LOST if lost.get(reason)},
        left_behind=counts.left_behind,
        opened=course.opened,
        most_opened=course.most_opened,
        most_open=trial.peak,
        promise=_promise(trial, bound),
    )


def _promise(trial: Trial, bound: Bound | None) -> Promise | None:
    """Django promises it of its own persistent connections: those of a pool or behind a pooler are others."""
    pooled = trial.connections.pooler is not None or trial.connections.at_rest.pooled
    if bound is not Bound.ONE_PER_CONNECTION or trial.case.strategy.name != "max_age" or pooled:
        return None
    course = extract_of(trial).course
    if trial.case.closes_each_request or trial.case.checks_health:
        return Promise(bound=bound, allowed=0, counted=max(0, course.failed_since - _unopened(trial)))
    if course.open_then is None:
        return None
    ended = _ended(trial.case, course.open_then)
    return Promise(bound=bound, allowed=ended, counted=max(0, course.failed - _unopened(trial)))


def _ended(case: Case, connections: int) -> int:
    """How many of so many connections the case's fault ends; all where another loadlab's parameters say nothing."""
    fault = case.fault
    if fault is None or fault.name not in FAULTS:
        return connections
    try:
        return FAULTS[fault.name](**fault.config.parameters).ends_of(connections)
    except (TypeError, ValueError, OverflowError):
        return connections


def _unopened(trial: Trial) -> int:
    """Requests that failed because the database was away: each has tried once to connect."""
    counts = trial.connections
    return sum((counts.at_rest - counts.window_start).connect_errors.values())


def _lesson(fault: PlannedFault, of_cases: Sequence[CaseAftermath]) -> FaultLesson:
    every = [one for of_case in of_cases for one in of_case.trials]
    ways = tuple(_ways(of_cases))
    return FaultLesson(
        fault=fault,
        lesson=_told(ways, of_cases),
        ways=ways,
        trials=len(every),
        not_back=sum(one.back is Back.NOT_BACK for one in every),
        back_seconds=max(finite(one.back_seconds for one in every), default=None),
    )


def _ways(of_cases: Sequence[CaseAftermath]) -> Iterator[WayAftermath]:
    trials: dict[tuple[Way, str], list[Aftermath]] = {}
    for one in of_cases:
        way = _way(one.case)
        name = one.case.strategy.name if way == "other" else ""
        trials.setdefault((way, name), []).extend(one.trials)
    for (way, name), found in trials.items():
        if found:
            yield _of_way(way, name, found)


def _of_way(way: Way, strategy: str, trials: Sequence[Aftermath]) -> WayAftermath:
    failed = [one.failed for one in trials]
    back = [one.back_seconds for one in trials if one.back_seconds is not None]
    return WayAftermath(
        way=way,
        strategy=strategy,
        low=min(failed),
        high=max(failed),
        left=sum(seconds > 0 for seconds in back),
        told=len(back),
        back_seconds=median(back) if back else None,
    )


def _way(case: Case) -> Way:
    if case.strategy.name != "max_age":
        return "other"
    if case.max_age == 0:
        return "closing"
    return "checking" if case.checks_health else "keeping"


def _checks_spare(of_cases: Sequence[CaseAftermath]) -> bool:
    """Whether half of the failures or more go with health checks, wherever kept connections have any."""
    medians: dict[Condition, dict[Way, float]] = {}
    for one in of_cases:
        if one.failed is not None:
            medians.setdefault(one.case.group, {})[_way(one.case)] = one.failed.median
    both = [(found["keeping"], found["checking"]) for found in medians.values() if {"keeping", "checking"} <= {*found}]
    failing = [(unchecked, checked) for unchecked, checked in both if unchecked or checked]
    return bool(failing) and all(HALF * unchecked >= checked for unchecked, checked in failing)


def _told(ways: Sequence[WayAftermath], of_cases: Sequence[CaseAftermath]) -> Lesson:
    if not ways:
        return Lesson.UNMEASURED
    failed = {one.way: one.high > 0 for one in ways}
    if not any(failed.values()):
        return Lesson.SLOWER if any(one.slowed for one in ways) else Lesson.NOTHING
    if _checks_spare(of_cases):
        return Lesson.CHECKS_SPARE
    if failed.get("closing") and failed.get("keeping") is False:
        return Lesson.KEEPING_SPARES
    if failed.get("keeping") and failed.get("closing") is False:
        return Lesson.KEEPING_FAILS
    failed_in = [one.failed.high > 0 for one in of_cases if one.failed is not None]
    return Lesson.ALL_FAIL if all(failed_in) else Lesson.SOME_FAIL
