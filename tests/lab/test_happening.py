"""A trial is judged by what its fault is not: before it by everything, afterwards by what it does not do."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

from every import every

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import Fault, FaultEffect
from loadlab.lab import happening
from loadlab.lab.happening import Happening, not_in_time
from loadlab.lab.validity import Disturbance, UnderFault, validity
from loadlab.load.generator.contract import NO_RESULT, LoadResult
from loadlab.model.causes import Cause
from loadlab.model.config import Config
from loadlab.model.planned_fault import FaultSeen, PlannedFault
from loadlab.model.requests import Requests
from loadlab.model.window import Window
from loadlab.store.progress import FaultApplied, FaultLifted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from loadlab.faults import FaultContext
    from loadlab.faults.base import Acts
    from loadlab.store.progress import Event

WINDOW = Window(1.0, 11.0)
UNDER = UnderFault(began=5.0, lifted=7.0, expected=frozenset({Cause.TARGET_STOOD_STILL, Cause.PROCESS_LOST}))
GONE = Disturbance(Cause.PROCESS_LOST, "a worker ended")
STILL = Disturbance(Cause.LAB_STOOD_STILL, "loadlab itself did not run")


def answered(silent_from: float) -> LoadResult:
    """A request each hundredth of a second; one is sent then, and answered only two seconds later."""
    ended = [at / 100 for at in range(100, 1100) if not silent_from <= at / 100 < silent_from + 2]
    response = [0.005] * len(ended)
    late = next(place for place, at in enumerate(ended) if at > silent_from)
    response[late] = 2.0
    return replace(NO_RESULT, requests=Requests(ended=ended, response=response, failed=[0.0] * len(ended)), lost=())


@every(("silent_from", "causes"), [(5.5, ()), (2.0, (Cause.TARGET_STOOD_STILL,))])
def test_a_silence_counts_before_the_fault_and_not_after_it(silent_from: float, causes: tuple[Cause, ...]) -> None:
    assert validity(answered(silent_from), WINDOW, is_open=False, fault=UNDER).causes == causes
    assert validity(answered(silent_from), WINDOW, is_open=False).causes == (Cause.TARGET_STOOD_STILL,)


def test_what_a_fault_is_expected_to_do_is_no_reason_and_all_else_is() -> None:
    judged = validity(answered(5.5), WINDOW, is_open=False, disturbances=(GONE, STILL), fault=UNDER)
    assert (judged.state, judged.causes) == ("invalid", (Cause.LAB_STOOD_STILL,))


@every(
    ("under", "parts"),
    [
        (UNDER, [Window(1.0, 5.0), Window(7.0, 11.0)]),
        (replace(UNDER, began=1.0), [Window(7.0, 11.0)]),
        (replace(UNDER, lifted=None), [Window(1.0, 5.0)]),
    ],
)
def test_the_lab_has_to_see_the_target_before_the_fault_and_after_it(under: UnderFault, parts: list[Window]) -> None:
    assert under.seen(WINDOW) == parts


@every(
    ("seen", "reason"),
    [
        (None, ""),
        (FaultSeen(began=5.0, applied=5.1, lifted=11.0), ""),
        (FaultSeen(began=5.0, not_applied="no way"), "the fault could not be applied: no way"),
        (FaultSeen(began=5.0, applied=5.1, lifted=11.25), "the fault was over 0.25 s after the end of the window"),
    ],
)
def test_a_fault_that_did_not_come_about_in_time_is_a_reason(seen: FaultSeen | None, reason: str) -> None:
    found = not_in_time(seen, WINDOW)
    assert bool(found) == bool(reason)
    assert all(one.cause is Cause.FAULT_NOT_APPLIED and reason in one.reason for one in found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Held(Fault):
    """Lasts until it is lifted, or cannot be applied at all."""

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    possible: bool = True

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        del context
        if not self.possible:
            raise EnvironmentFaultError("there is\nno way")
        yield FaultEffect()


def come(fault: Held, monkeypatch: pytest.MonkeyPatch) -> tuple[FaultSeen, list[Event]]:
    monkeypatch.setattr(happening, "fault_of", lambda _: fault)
    told: list[Event] = []
    planned = PlannedFault(config=Config(name="held"), at=0.05, seconds=0.1)
    context: Any = SimpleNamespace()
    one = Happening(planned=planned, context=context, origin=time.monotonic(), order=7, tell=told.append)
    return one.within(Window(0.1, 1.0)), told


def test_a_lasting_fault_is_lifted_when_it_is_time_and_both_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, told = come(Held(), monkeypatch)
    assert seen.applied is not None
    assert seen.lifted is not None
    assert seen.began >= 0.15
    assert seen.lifted - seen.applied >= 0.1
    assert [(type(event), event.order) for event in told if not isinstance(event, str)] == [
        (FaultApplied, 7),
        (FaultLifted, 7),
    ]


def test_a_fault_that_cannot_be_applied_says_why_and_is_told_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, told = come(Held(possible=False), monkeypatch)
    assert (seen.applied, seen.lifted, seen.not_applied, told) == (None, None, "there is no way", [])
