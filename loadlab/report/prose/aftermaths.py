"""Says what a fault did: one sentence for each fault, and the words of its table."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.aftermath import Lesson
from loadlab.model.course import SLICE_SECONDS
from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.model.aftermath import CaseAftermath, FaultLesson, Range, Way, WayFailed

NOT_IN_TRIAL: Final = "not in the trial"
LESSONS: Final[Mapping[Lesson, str]] = {
    Lesson.UNMEASURED: "no trial was complete",
    Lesson.NOTHING: "no request fails",
    Lesson.SLOWER: "no request fails, but throughput falls",
    Lesson.CHECKS_SPARE: "set CONN_HEALTH_CHECKS, with which fewer requests fail on kept connections",
    Lesson.KEEPING_SPARES: "keep connections, because only requests that open one fail",
    Lesson.KEEPING_FAILS: "requests fail on kept connections only",
    Lesson.ALL_FAIL: "requests fail with every strategy",
    Lesson.SOME_FAIL: "requests fail with some strategies",
}
WAYS: Final[Mapping[Way, str]] = {
    "closing": "CONN_MAX_AGE = 0",
    "keeping": "kept connections",
    "checking": "kept connections and health checks",
}


def sentence(lesson: FaultLesson) -> str:
    """What to know of a fault: what matters most, how many requests fail in which case, and for how long it lasts."""
    parts = [f"{lesson.fault.words}: {LESSONS[lesson.lesson]}"]
    if any(way.high for way in lesson.ways):
        parts.append(f"failed per trial: {', '.join(map(_way, lesson.ways))}")
    parts += _back(lesson)
    return "; ".join(parts) + "."


def _way(way: WayFailed) -> str:
    counted = numbers.count(way.low) if way.low == way.high else f"{numbers.count(way.low)}–{numbers.count(way.high)}"
    return f"{counted} with {WAYS.get(way.way, way.strategy)}"


def _back(lesson: FaultLesson) -> Iterator[str]:
    if lesson.not_back:
        yield f"in {lesson.not_back} of {numbers.plural(lesson.trials, 'trial')} throughput is not back in the window"
    if lesson.back_seconds == 0 and not lesson.not_back:
        yield "throughput stays within the noise"
    elif lesson.back_seconds:
        also = "otherwise it" if lesson.not_back else "throughput"
        yield f"{also} is back within the noise after at most {numbers.exact(lesson.back_seconds)} s"


def counted(value: Range | None) -> str:
    """A range of counts: the median, and the extremes where they differ.

    >>> from loadlab.model.aftermath import Range
    >>> counted(Range(median=2.5, low=2, high=3)), counted(Range(median=4, low=4, high=4)), counted(None)
    ('2.5 (2–3)', '4', '–')
    """
    return _spelt(value, numbers.exact)


def timed(value: Range | None) -> str:
    """A range of times; what did not happen in a trial is said so."""
    return _spelt(value, lambda seconds: numbers.measured_time(seconds) if seconds else "0 s")


def back(case: CaseAftermath) -> str:
    """When throughput was back within the noise, in steps of the slices that it is counted in."""
    return _spelt(case.back, lambda seconds: f"{numbers.exact(seconds)} s" if seconds else "never left")


def _spelt(value: Range | None, spell: Callable[[float], str]) -> str:
    if value is None:
        return numbers.MISSING
    median, low, high = (spell(one) if isfinite(one) else NOT_IN_TRIAL for one in (value.median, value.low, value.high))
    return median if low == high else f"{median} ({low}–{high})"


def bound(case: CaseAftermath) -> str:
    """Whether what is promised held in each trial that it is about."""
    if not case.promised:
        return numbers.MISSING
    return f"broken in {case.broken} of {case.promised}" if case.broken else "kept"


WHAT_IT_IS: Final = (
    "Each case was measured without and with each fault. Failed requests are those that ended after the fault began."
    f" Throughput is within the noise while no {numbers.exact(SLICE_SECONDS)} s have fewer successes than the same case"
    " without the fault ever had, nor than three standard deviations below its mean. The first success counts from when"
    " the fault was in place: for a restart, when the database served again."
)
WHAT_IS_PROMISED: Final = (
    "Promised by Django's documentation: a connection that is gone fails at most one request, and none with"
    " CONN_HEALTH_CHECKS or CONN_MAX_AGE = 0 that is sent when the database serves again. Requests that failed because"
    " no connection could be opened do not count."
)
