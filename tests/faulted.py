"""What every trial with a fault within its window has to show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from laboratory import LONGER, WINDOW_SECONDS

from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.model.samples import Trial


def planned(name: str, *, at: float = 0.2, seconds: float | None = None, **parameters: Any) -> PlannedFault:
    return PlannedFault(config=Config(name=name, parameters=parameters), at=at, seconds=seconds)


def seen_through(
    trial: TrialRunner,
    server: str,
    fault: PlannedFault,
    *,
    window_seconds: float = 2 * WINDOW_SECONDS,
    fails: bool = False,
    **more: Any,
) -> Trial:
    """A trial that is long enough on this machine: the fault ends within the window, and a request succeeds after it.

    With `fails`, the fault also lasts for long enough that a request fails.
    """
    for longer in LONGER:
        lasting = replace(fault, seconds=fault.seconds and longer * fault.seconds)
        done: Trial = trial(server, fault=lasting, window_seconds=longer * window_seconds, **more)
        if _over_and_answered(done) and (failed_at(done) or not fails):
            break
    return done


def _over_and_answered(done: Trial) -> bool:
    if "set a longer one" in done.reason or done.fault_seen is None:
        return False
    return done.fault_seen.lifted is None or answered_after(done, done.fault_seen.lifted) > 0


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
