"""Has the fault of a case come at its instant of the window, and notes when each step of it really came."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FAULTS
from loadlab.lab.sampler import brief
from loadlab.lab.settling import sleep_until
from loadlab.lab.validity import Disturbance, UnderFault
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import FaultSeen
from loadlab.store.progress import FaultApplied, FaultLifted

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.faults import Fault, FaultContext
    from loadlab.model.planned_fault import PlannedFault
    from loadlab.model.window import Window
    from loadlab.store.progress import Event


def fault_of(planned: PlannedFault) -> Fault:
    """The member of the family, with its parameters."""
    return FAULTS[planned.name](**planned.config.parameters)


@dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """A fault of one trial, whose load began at `origin` of the monotonic clock; `tell` hears of it as it comes."""

    planned: PlannedFault
    context: FaultContext
    origin: float
    order: int
    tell: Callable[[Event], None] | None = None

    def within(self, window: Window) -> FaultSeen:
        """Wait for its instant, apply it, and lift it when it is time."""
        sleep_until(self.origin + self.planned.begins(window))
        seen = FaultSeen(began=self._now)
        try:
            with ExitStack() as lasting:
                lasting.enter_context(fault_of(self.planned).applied(self.context))
                seen = replace(seen, applied=self._now)
                self._tell(FaultApplied(at=time.time(), order=self.order, fault=self.planned.words))
                if self.planned.seconds is not None:
                    sleep_until(self.origin + (seen.applied or 0.0) + self.planned.seconds)
        except (EnvironmentFaultError, psycopg2.Error, OSError) as error:
            return replace(seen, not_applied=brief(error))
        finally:
            if seen.applied is not None:
                self._tell(FaultLifted(at=time.time(), order=self.order))
        return replace(seen, lifted=self._now)

    @property
    def _now(self) -> float:
        return time.monotonic() - self.origin

    def _tell(self, event: Event) -> None:
        if self.tell is not None:
            with suppress(OSError):  # a full disk ends the run at the trial's record
                self.tell(event)


def not_in_time(seen: FaultSeen | None, window: Window) -> list[Disturbance]:
    """That a fault did not come about within the window; nothing if it did, or if there was to be none."""
    if seen is None:
        return []
    if seen.not_applied:
        return [Disturbance(Cause.FAULT_NOT_APPLIED, f"the fault could not be applied: {seen.not_applied}")]
    if seen.lifted is not None and seen.lifted > window.end:
        late = f"the fault was over {seen.lifted - window.end:.2f} s after the end of the window: set a longer one"
        return [Disturbance(Cause.FAULT_NOT_APPLIED, late)]
    return []


def under(planned: PlannedFault | None, seen: FaultSeen | None) -> UnderFault | None:
    """What a load is judged by that a fault came into."""
    if planned is None or seen is None:
        return None
    return UnderFault(began=seen.began, lifted=seen.lifted, expected=fault_of(planned).expected)
