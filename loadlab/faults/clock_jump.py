"""The wall clock of the application is wrong for a while, as when it is set; monotonic clocks go on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import Acts, Fault, FaultEffect, Need
from loadlab.model.bounds import Bounds
from loadlab.services.wall_clock import WallClock, wall_clock
from loadlab.system.programs import C_COMPILER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.faults.base import FaultContext

TEN_YEARS = 315_360_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockJump(Fault):
    """The wall clock of all processes of the target jumps by `by_seconds`, forward or back, and back at the end.

    What Python, libpq and other libraries ask the C library for jumps, in every form. Monotonic
    clocks do not, nor do PostgreSQL's clock and the times of files.
    """

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("linux",)

    by_seconds: Annotated[
        float, Bounds(ge=-TEN_YEARS, le=TEN_YEARS, finite=True, description="seconds, negative for back")
    ]

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        return {C_COMPILER.title: C_COMPILER.install} if C_COMPILER.lacks() else {}

    @contextmanager
    def prepared(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: there is no C compiler.
        """
        with wall_clock(context.register.folder) as clock:
            yield FaultEffect(handle=clock, environment=clock.environment)

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: the target has a clock that cannot be set.
        """
        if not isinstance(context.handle, WallClock):
            raise EnvironmentFaultError("The target was started with the machine's clock.")
        if others := context.handle.without(context.workers()):
            pids = ", ".join(map(str, others))
            raise EnvironmentFaultError(f"The clock cannot be set of pid {pids}: its program loads no other library.")
        with context.handle.ahead(self.by_seconds):
            yield FaultEffect()
