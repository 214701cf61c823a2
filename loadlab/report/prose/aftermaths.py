"""Says what a fault did: one sentence for each fault, and the words of its table."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.aftermath import Lesson
from loadlab.model.course import SLICE_SECONDS
from loadlab.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from loadlab.model.aftermath import CaseAftermath, FaultLesson, Range, Way, WayAftermath

NOT_IN_TRIAL: Final = "not in the trial"
LESSONS: Final[Mapping[Lesson, str]] = {
    Lesson.UNMEASURED: "no trial was complete",
    Lesson.NOTHING: "no request fails",
    Lesson.SLOWER: "no request fails, but throughput falls",
    Lesson.CHECKS_SPARE: "set CONN_HEALTH_CHECKS, with which fewer requests fail on kept connections",
    Lesson.KEEPING_SPARES: "keep connections, because only requests that open one fail",
    Lesson.KEEPING_FAILS: "requests fail on kept connections only",
    Lesson.ALL_FAIL: "requests fail with every strategy",
    Lesson.SOME_FAIL: "requests fail in some server modes or with some strategies",
}
WAYS: Final[Mapping[Way, str]] = {
    "closing": "CONN_MAX_AGE = 0",
    "keeping": "kept connections",
    "checking": "kept connections with health checks",
}


def sentence(lesson: FaultLesson) -> str:
    """What to know of a fault, after what it is."""
    return f"{lesson.fault.words}: {told(lesson)}"


def told(lesson: FaultLesson) -> str:
    """What matters most, how many requests fail with which way to handle connections, and for how long it lasts."""
    slowed = [way for way in lesson.ways if way.slowed]
    some = lesson.lesson is Lesson.SLOWER and len(slowed) < len(lesson.ways)
    parts = [f"{LESSONS[lesson.lesson]}{f' with {_listed(slowed)}' if some else ''}."]
    if any(way.high for way in lesson.ways):
        parts.append(f"Failed per trial: {', '.join(map(_failed, lesson.ways))}.")
    if lesson.ways:
        parts.append(_throughput(lesson.ways, slowed))
    return " ".join(parts)


def _called(way: WayAftermath) -> str:
    return WAYS.get(way.way, way.strategy)


def _listed(ways: Iterable[WayAftermath]) -> str:
    return ", ".join(map(_called, ways))


def _failed(way: WayAftermath) -> str:
    counted = numbers.count(way.low) if way.low == way.high else f"{numbers.count(way.low)}–{numbers.count(way.high)}"
    return f"{counted} with {_called(way)}"


def _throughput(ways: Sequence[WayAftermath], slowed: Sequence[WayAftermath]) -> str:
    """When it is back with each way that is slowed, by the median over trials."""
    trials = sum(way.told for way in ways)
    if not trials:
        return "Whether throughput fell cannot be told: it varies too much without the fault."
    if not slowed:
        calm = trials - sum(way.left for way in ways)
        few = "" if calm == trials else f" in {calm} of {numbers.plural(trials, 'trial')}"
        return f"Throughput stays within the noise{few}."
    times = dict.fromkeys(way.back_seconds for way in slowed)
    said = [_back_after(seconds, [way for way in slowed if way.back_seconds == seconds]) for seconds in times]
    return f"Back within the noise (medians): {'; '.join(said)}."


def _back_after(seconds: float | None, ways: Sequence[WayAftermath]) -> str:
    after = f"after {numbers.exact(seconds)} s" if seconds is not None and isfinite(seconds) else "not within the trial"
    return f"{after} with {_listed(ways)}"


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
    " without the fault ever had, nor than three standard deviations below its mean. In a single trial it leaves the"
    " noise by chance too: throughput falls with a strategy if it does so in more than half of the trials. The first"
    " success counts from when the fault was in place: for a restart, when the database served again."
)
WHAT_IS_PROMISED: Final = (
    "Promised by Django's documentation: a connection that is gone fails at most one request, and none with"
    " CONN_HEALTH_CHECKS or CONN_MAX_AGE = 0 that is sent when the database serves again. Requests that failed because"
    " no connection could be opened do not count."
)
