"""One run as the live page shows it: its progress and its records, read on whenever a page asks."""

from __future__ import annotations

import json
import threading
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

from loadlab.live.reading.bins import between
from loadlab.live.reading.latest_dashboard import LatestDashboard
from loadlab.live.reading.overview import overview_of
from loadlab.live.reading.run_state import AT_WORK, state_of
from loadlab.live.reading.timeline import Timeline
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.store.layout import PROGRESS, TRIALS, orders
from loadlab.store.progress import FaultApplied, FaultLifted, Sampled, TrialBegan
from loadlab.store.progress_file import LINE_BYTES
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
        self._edges: RunProgress | None = None  # while there is more to read
        self.whole = Timeline(0.0)
        self.current = Timeline(0.0)
        self._planned = {step.order for step in schedule.steps}
        self._records: tuple[int, frozenset[int]] = (0, frozenset())
        self._dashboard = LatestDashboard(self._folder, schedule)

    def read_on(self, part: int | None = None) -> None:
        """Read what is new, or no more bytes of it than a `part`; then `behind` says whether there is more."""
        with self._lock:
            before = self._offset
            self._take_events(part)
            self._look_for_records()
            if self._offset == before or not self._lacks_more_than_a_line():
                self._take_events()
                self._edges = None
            elif self._edges is None:
                self._edges = self._folder.edges()

    def _take_events(self, part: int | None = None) -> None:
        events, self._offset = self._folder.events(self._offset, part)
        for event in events:
            self._take(event)

    def _lacks_more_than_a_line(self) -> bool:
        with suppress(OSError):
            return (self.path / PROGRESS).stat().st_size - self._offset > LINE_BYTES
        return False

    @property
    def behind(self) -> bool:
        """Whether there is more to read; until then a run is as its beginning and its end say."""
        return self._edges is not None

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
            case FaultApplied() if trial is not None and event.order == trial.began.order:
                self.current.mark(at, event.fault[:MOST_CHARACTERS])
                self.whole.mark(at, event.fault[:MOST_CHARACTERS])
            case FaultLifted() if trial is not None and event.order == trial.began.order:
                self.current.lift(at)
                self.whole.lift(at)

    def _look_for_records(self) -> None:
        try:
            changed = (self.path / TRIALS).stat().st_mtime_ns
        except OSError:
            return
        if changed != self._records[0]:
            self._records = (changed, frozenset(orders(self.path) & self._planned))

    def progress(self) -> RunProgress:
        """How the run has gone, as it was read last."""
        with self._lock:
            return replace(self._progress, trials=dict(self._progress.trials))

    @property
    def state(self) -> State:
        complete = len(self._records[1]) >= len(self.schedule.steps)
        measuring = self.behind or self._progress.current is not None
        return state_of(self._edges or self._progress, measuring=measuring, complete=complete)

    def overview(self) -> Overview:
        with self._lock:
            so_far = self._edges or self._progress
            overview = overview_of(self._folder, self.schedule, so_far, self.state, self._records[1])
            return replace(overview, remaining_seconds=None) if self.behind else overview

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

    def marks(self, which: Which) -> list[tuple[float, float | None, str]]:
        """The faults of a timeline: start, end and words."""
        with self._lock:
            return (self.current if which == "trial" else self.whole).marks()

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
