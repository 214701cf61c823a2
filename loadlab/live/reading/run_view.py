"""One run as the live page shows it: its progress and its records, read on whenever a page asks."""

from __future__ import annotations

import json
import threading
import zlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from loadlab.live.reading.bins import between
from loadlab.live.reading.latest_dashboard import LatestDashboard
from loadlab.live.reading.overview import overview_of
from loadlab.live.reading.run_state import AT_WORK, state_of
from loadlab.live.reading.timeline import Timeline
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.store.layout import TRIALS, records
from loadlab.store.progress import Sampled, TrialBegan
from loadlab.store.reader import RunReader
from loadlab.store.run_progress import MOST_CHARACTERS, RunProgress

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.live.reading.overview import Overview
    from loadlab.live.reading.run_state import State
    from loadlab.live.reading.timeline import Row
    from loadlab.model.schedule import Schedule
    from loadlab.store.progress import Event

Which = Literal["trial", "run"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """How much of a timeline a page shows."""

    generation: str
    rows: int
    changes: int


class RunView:
    """A run folder that is read on; may be asked from several threads."""

    def __init__(self, path: Path, schedule: Schedule) -> None:
        self.path = path
        self.schedule = schedule
        self.identity = version(f"{schedule.id} {schedule.started}")
        self._folder = RunReader(path)
        self._lock = threading.Lock()
        self._offset = 0
        self._progress = RunProgress()
        self.whole = Timeline(0.0)
        self.current = Timeline(0.0)
        self._records: tuple[int, frozenset[int]] = (0, frozenset())
        self._dashboard = LatestDashboard(self._folder, schedule)

    def read_on(self) -> None:
        with self._lock:
            events, self._offset = self._folder.events(self._offset)
            for event in events:
                self._take(event)
            self._look_for_records()

    def _take(self, event: Event) -> None:
        trial = self._progress.current
        before = trial.sampled if trial else None
        self._progress.take(event)
        at = self._progress.worked_seconds
        match event:
            case TrialBegan():
                self.current = Timeline(at)
            case Sampled() if trial is not None and event.order == trial.began.order:
                if before is None:
                    self.current = Timeline(at)
                seen = between(before, event)
                self.current.add(at, seen)
                self.whole.add(at, seen)

    def _look_for_records(self) -> None:
        try:
            changed = (self.path / TRIALS).stat().st_mtime_ns
        except OSError:
            return
        if changed != self._records[0]:
            orders = records(self.path, TRIALS).keys() & {step.order for step in self.schedule.steps}
            self._records = (changed, frozenset(orders))

    def progress(self) -> RunProgress:
        """How the run has gone, as it was read last."""
        with self._lock:
            return replace(self._progress, trials=dict(self._progress.trials))

    @property
    def state(self) -> State:
        complete = len(self._records[1]) >= len(self.schedule.steps)
        return state_of(self._progress, measuring=self._progress.current is not None, complete=complete)

    def overview(self) -> Overview:
        with self._lock:
            return overview_of(self._folder, self.schedule, self._progress, self.state, self._records[1])

    def is_stale(self) -> bool:
        """Whether there are records that no analysis has seen, and it is time for one."""
        return self._dashboard.is_stale(self._records[1], at_work=self.state in AT_WORK)

    def assess(self) -> None:
        """Analyse all records; takes a while, so not where anything waits for it."""
        try:
            self._dashboard.renew(self._records[1])
        except UnreadableRunError as error:
            with self._lock:
                self._progress.notices.append(str(error)[:MOST_CHARACTERS])

    @property
    def dashboard(self) -> str:
        """What the latest analysis says, as JSON; empty before there is one."""
        return self._dashboard.json

    def points(self, which: Which, known: Shown | None) -> tuple[Shown, float, list[Row], int]:
        """What a page shows after this, the width of a row, the rows that it lacks, and where they go.

        `known` is what it shows already.
        """
        with self._lock:
            line = self.current if which == "trial" else self.whole
            now = Shown(generation=line.generation, rows=len(line), changes=line.changes)
            if known == now:
                return now, line.width, [], now.rows
            # The last row that it has may have grown since.
            start = max(0, known.rows - 1) if known is not None and known.generation == now.generation else 0
            return now, line.width, line.rows(start), start


def as_json(document: Overview) -> str:
    return json.dumps(asdict(document), separators=(",", ":"))


def version(text: str) -> str:
    """A short name for a text: the same for the same."""
    return f"{zlib.crc32(text.encode()):08x}"
