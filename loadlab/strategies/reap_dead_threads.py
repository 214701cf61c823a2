"""Keep connections, and close those whose thread or greenlet is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from loadlab.model.bounds import Bounds
from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class ReapDeadThreads(Strategy):
    """CONN_MAX_AGE as `max_age`; a sweep before each opening (`interval_seconds` 0), or every so many seconds."""

    proposed_by: ClassVar[str] = "Shai Berger, 2013: 'living threads from threading.enumerate()'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "a dead thread's connection stays open until the next sweep",
        "no reuse where each request has its own thread: it ends the leak, not the connecting",
    )

    sweeps: ClassVar[bool] = True

    variants: ClassVar[tuple[Variant, ...]] = (Variant(usual_servers=True),)

    max_age: MaxAge = None
    interval_seconds: Annotated[
        float, Bounds(ge=0, le=3600, finite=True, description="seconds, or 0 for a sweep before each opening")
    ] = 0

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002  right in every mode
        return Changes(
            database={"CONN_MAX_AGE": self.max_age},
            apps=("loadlab.fixes.reap_dead_threads.ReapDeadThreads",),
            values={"LOADLAB_FIXES": {"reap_dead_threads": {"interval_seconds": self.interval_seconds}}},
        )

    def life(self, where: ServerTraits) -> ConnectionLife | str:  # noqa: ARG002
        if self.interval_seconds:
            return "sweeps by the clock are not modelled; set interval_seconds = 0, for a sweep before each opening"
        return ConnectionLife(max_age=self.max_age, closed_after=1)
