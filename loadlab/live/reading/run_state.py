"""The state of a run, from what it has written down of itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import psutil

if TYPE_CHECKING:
    from loadlab.store.progress import RunBegan
    from loadlab.store.run_progress import RunProgress

# "awaited": about to begin. "interrupted": its lab is gone and has not said so. "incomplete": an earlier loadlab made
# it, and trials are missing. "unreadable": its schedule is damaged, or of a newer loadlab.
State = Literal[
    "awaited", "preparing", "running", "complete", "stopped", "failed", "interrupted", "incomplete", "unreadable"
]
AT_WORK: tuple[State, ...] = ("preparing", "running")
TO_RESUME: tuple[State, ...] = ("stopped", "failed", "interrupted", "incomplete")


def lives(began: RunBegan) -> bool:
    """Whether the lab that began a run still runs. A younger process may have its pid."""
    try:
        return psutil.Process(began.pid).create_time() <= began.at
    except psutil.Error:
        return False


def state_of(progress: RunProgress, *, measuring: bool, complete: bool) -> State:
    """`measuring` says that a trial has begun since the run has, `complete` that all records are there."""
    if progress.began is None:
        return "complete" if complete else "incomplete"
    if progress.ended is not None:
        return progress.ended.state
    if not lives(progress.began):
        return "complete" if complete else "interrupted"
    return "running" if measuring else "preparing"


def at_work(progress: RunProgress) -> bool:
    """Whether the lab that began a run works at it still."""
    return progress.began is not None and progress.ended is None and lives(progress.began)
