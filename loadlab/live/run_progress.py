"""The trials of a run as they stand now: what progress.jsonl says of each, read on from where it was left."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.run_state import lives
from loadlab.live.reading.unreadable import UnreadableRunError, told
from loadlab.store.layout import SCHEDULE
from loadlab.store.progress import RunBegan, RunEnded, Sampled, TrialBegan, TrialEnded
from loadlab.store.reader import RunReader

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.schedule import Schedule
    from loadlab.store.progress import Event

REMEMBERED_RUNS: Final = 64


@dataclass(kw_only=True, slots=True)
class TrialSoFar:
    """One trial: that it has begun, what was seen of it last, and that it has ended."""

    began: TrialBegan
    sampled: Sampled | None = None
    ended: TrialEnded | None = None


@dataclass(kw_only=True, slots=True)
class RunProgress:
    """How one run has gone so far. `ended` is None while a lab works at it, or was killed at it."""

    schedule: Schedule
    began: RunBegan | None = None
    ended: RunEnded | None = None
    trials: dict[int, TrialSoFar] = field(default_factory=dict)  # by order, the last to begin last
    _offset: int = 0

    def read_on(self, folder: RunReader) -> None:
        events, self._offset = folder.progress(self._offset)
        for event in events:
            self._take(event)

    def _take(self, event: Event) -> None:
        match event:
            case RunBegan():
                self.began, self.ended = event, None
            case RunEnded():
                self.ended = event
            case TrialBegan():
                self.trials.pop(event.order, None)  # made once more: then it is the last
                self.trials[event.order] = TrialSoFar(began=event)
            case Sampled() if event.order in self.trials:
                self.trials[event.order].sampled = event
            case TrialEnded() if event.order in self.trials:
                self.trials[event.order].ended = event

    @property
    def running(self) -> bool:
        """Whether the lab that began it works at it still."""
        return self.began is not None and self.ended is None and lives(self.began)


class RunProgresses:
    """Those of all run folders below one folder; may be asked from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[Path, int], RunProgress] = {}

    def of(self, path: Path) -> RunProgress | None:
        """The course of the run at `path` as it is now; None when that is no run, no longer, or cannot be read."""
        folder = RunReader(path)
        with self._lock:
            try:
                with told():
                    # Another run in a folder of the same name has another schedule.
                    key = (path, (path / SCHEDULE).lstat().st_mtime_ns)
                    course = self._known.pop(key, None) or RunProgress(schedule=folder.schedule())
                    course.read_on(folder)
            except UnreadableRunError:
                return None
            self._known[key] = course
            if len(self._known) > REMEMBERED_RUNS:
                del self._known[next(iter(self._known))]
            return replace(course, trials=dict(course.trials))


@cache
def run_progresses() -> RunProgresses:
    """Those of this process."""
    return RunProgresses()
