"""What every trial with a fault within its window has to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault

if TYPE_CHECKING:
    from loadlab.model.samples import Trial


def planned(name: str, *, at: float = 0.2, seconds: float | None = None, **parameters: Any) -> PlannedFault:
    return PlannedFault(config=Config(name=name, parameters=parameters), at=at, seconds=seconds)


def assert_in_window(done: Trial) -> None:
    """The fault came in time, no request failed before it, and all sides agree after it."""
    seen = done.fault_seen
    assert done.state == "complete", done.reason
    assert seen is not None
    assert seen.applied is not None
    assert seen.lifted is not None
    assert done.case.fault is not None
    assert done.window_start + done.case.fault.at <= seen.began <= seen.applied <= seen.lifted <= done.window_end
    assert all(ended >= seen.began for ended in failed_at(done))
    assert done.connections.exact, done.connections.mismatches


def failed_at(done: Trial) -> list[float]:
    """When requests failed, in seconds since the load began."""
    return [ended for ended, failure in zip(done.requests.ended, done.requests.failed, strict=True) if failure]


def answered_after(done: Trial, instant: float) -> int:
    """How many requests that were sent after an instant succeeded."""
    columns = zip(done.requests.ended, done.requests.response, done.requests.failed, strict=True)
    return sum(ended - response > instant and not failure for ended, response, failure in columns)
