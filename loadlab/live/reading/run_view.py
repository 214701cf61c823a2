"""One run as it goes on: what its progress.jsonl and its records have said so far."""

from __future__ import annotations

import json
import threading
import time
import zlib
from collections import Counter, deque
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final, Literal

from loadlab.live.reading.dashboard import dashboard_of
from loadlab.live.reading.run_state import AT_WORK, TO_RESUME, state_of
from loadlab.live.reading.runs import inside
from loadlab.live.reading.timeline import Timeline, between
from loadlab.live.reading.unreadable import UnreadableRunError, told
from loadlab.report import REPORTS, numbers
from loadlab.report.labels import Labels
from loadlab.store.progress import Noticed, Preparing, RunBegan, RunEnded, Sampled, TrialBegan, TrialEnded
from loadlab.store.reader import RunReader

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.live.reading.run_state import State
    from loadlab.live.reading.timeline import Row
    from loadlab.store.progress import Event
    from loadlab.store.reader import Schedule

MOST_NOTICES: Final = 30
MOST_CHARACTERS: Final = 600
Which = Literal["trial", "run"]
# An analysis may take this share of the time, so that it does not disturb what is measured.
ANALYSIS_SHARE: Final = 0.1


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrentTrial:
    """The trial that began last; `running` until its record is there."""

    order: int
    block: int
    case: int
    id: str
    label: str
    usable: int | None
    running: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Shown:
    """How much of a timeline a page shows."""

    generation: str
    rows: int
    changes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """A run in a few figures: `tally` has how many records are there of each case, `remaining_seconds` is a guess.

    `resume` is the command that goes on with it, where there is something to go on with.
    """

    run: str
    state: State
    reason: str
    started: str
    done: int
    total: int
    remaining_seconds: float | None
    doing: str
    trial: CurrentTrial | None
    notices: tuple[str, ...]
    tally: tuple[int, ...]
    reports: tuple[str, ...]
    resume: str


class RunView:
    """A run folder that is read on; may be asked from several threads."""

    def __init__(self, path: Path, schedule: Schedule) -> None:
        self.path = path
        self.identity = version(f"{schedule.id} {schedule.started}")
        self._folder = RunReader(path)
        self._names = Labels.of_cases(schedule.cases)
        self._schedule = schedule
        self._lock = threading.Lock()
        self._analysing = threading.Lock()
        self._offset = 0
        self._began: RunBegan | None = None
        self._ended: RunEnded | None = None
        self._doing = ""
        self._notices: deque[str] = deque(maxlen=MOST_NOTICES)
        self._trial: TrialBegan | None = None
        self._running = False
        self._sampled: Sampled | None = None
        self._clock = Clock()
        self.whole = Timeline(0.0)
        self.current = Timeline(0.0)
        self._records: tuple[int, frozenset[int]] = (0, frozenset())
        self._board = ""
        self._assessed: frozenset[int] | None = None
        self._rest_until = 0.0

    def read_on(self) -> None:
        with self._lock:
            events, self._offset = self._folder.progress(self._offset)
            for event in events:
                self._take(event)
            self._look_for_records()

    def _take(self, event: Event) -> None:
        if not isfinite(event.at):
            return
        at = self._clock.at(event)
        match event:
            case RunBegan():
                self._began, self._ended, self._running = event, None, False
                self._trial = None
            case RunEnded():
                self._ended, self._running, self._doing = event, False, ""
            case Preparing():
                self._doing = event.what[:MOST_CHARACTERS]
            case Noticed():
                self._notices.append(event.what[:MOST_CHARACTERS])
            case TrialBegan():
                self._trial, self._running, self._doing = event, True, ""
                self._sampled, self.current = None, Timeline(at)
            case Sampled() if self._trial is not None and event.order == self._trial.order:
                seen = between(self._sampled, event)
                if self._sampled is None:
                    self.current = Timeline(at)
                self._sampled = event
                self.current.add(at, seen)
                self.whole.add(at, seen)
            case TrialEnded():
                self._running = False

    def _look_for_records(self) -> None:
        folder = self.path / "trials"
        try:
            changed = folder.stat().st_mtime_ns
        except OSError:
            return
        if changed != self._records[0]:
            orders = {int(path.stem) for path in folder.glob("[0-9]*.json") if path.stem.isdecimal()}
            self._records = (changed, frozenset(orders & {step.order for step in self._schedule.steps}))

    @property
    def at_work(self) -> bool:
        return self._state() in AT_WORK

    def _state(self) -> State:
        complete = len(self._records[1]) >= len(self._schedule.steps)
        return state_of(self._began, self._ended, measuring=self._trial is not None, complete=complete)

    def overview(self) -> Overview:
        with self._lock:
            state, done, total = self._state(), len(self._records[1]), len(self._schedule.steps)
            counted = Counter(step.case for step in self._schedule.steps if step.order in self._records[1])
            return Overview(
                run=self.path.name,
                state=state,
                reason=self._ended.reason[:MOST_CHARACTERS] if self._ended else "",
                started=self._schedule.started,
                done=done,
                total=total,
                remaining_seconds=self._remaining(done, total) if state in AT_WORK else None,
                doing=self._doing,
                trial=self._current_trial(),
                notices=tuple(self._notices),
                tally=tuple(counted[index] for index in range(len(self._schedule.cases))),
                reports=tuple(name for name in _report_files() if inside(self.path, name)),
                resume=self._folder.continuation().command(self.path) if state in TO_RESUME else "",
            )

    def _remaining(self, done: int, total: int) -> float | None:
        """As trials have gone since the lab last began, or as the plan says before there is one."""
        if self._began is None:
            return None
        here = done - self._began.done
        each = (self._clock.latest - self._began.at) / here if here > 0 else self._began.trial_seconds
        return round(max(0.0, each * (total - done)) / 5) * 5.0

    def _current_trial(self) -> CurrentTrial | None:
        began = self._trial
        if began is None or began.case >= len(self._schedule.cases):
            return None
        case = self._schedule.cases[began.case]
        words = [case.server.name, self._names.strategy(case.strategy), numbers.keep_alive(case.keep_alive)]
        return CurrentTrial(
            order=began.order,
            block=began.block,
            case=began.case,
            id=case.id,
            label=", ".join([*words, "measured again"] if case.replica else words),
            usable=case.usable_connections,
            running=self._running,
        )

    def is_stale(self) -> bool:
        """Whether there are records that no analysis has seen, and it is time for one."""
        rested = time.monotonic() >= self._rest_until or not self.at_work
        return self._assessed != self._records[1] and rested

    def assess(self) -> None:
        """Analyse all records; takes a while, so not where anything waits for it. One at a time is enough."""
        if not self._analysing.acquire(blocking=False):
            return
        try:
            # Noted before: what cannot be analysed is not tried again until there is something new.
            self._assessed, began = self._records[1], time.monotonic()
            with told():
                self._board = dashboard_of(self._folder, self._schedule)
            self._rest_until = time.monotonic() + (time.monotonic() - began) / ANALYSIS_SHARE
        except UnreadableRunError as error:
            with self._lock:
                self._notices.append(str(error)[:MOST_CHARACTERS])
        finally:
            self._analysing.release()

    @property
    def board(self) -> str:
        """What the latest analysis says, as JSON; empty before there is one."""
        return self._board

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


class Clock:
    """Time in which a run was worked at: what lies between two sessions does not count."""

    def __init__(self) -> None:
        self.latest = 0.0
        self._left_out = 0.0

    def at(self, event: Event) -> float:
        """Seconds since the first event."""
        if isinstance(event, RunBegan):
            self._left_out += event.at - self.latest
        self.latest = event.at
        return event.at - self._left_out


def _report_files() -> list[str]:
    return [filename for name in REPORTS if (filename := REPORTS[name].filename)]


def as_json(document: Overview) -> str:
    return json.dumps(asdict(document), separators=(",", ":"))


def version(text: str) -> str:
    """A short name for a text: the same for the same."""
    return f"{zlib.crc32(text.encode()):08x}"


class Following:
    """The runs that somebody has looked at lately."""

    MOST: Final = 8

    def __init__(self) -> None:
        self._known: dict[tuple[Path, int], RunView] = {}
        self._lock = threading.Lock()

    def of(self, path: Path) -> RunView:
        """The run at `path`, read on.

        Raises:
            UnreadableRunError: it cannot be read.
        """
        with told():
            # Another run in a folder of the same name has another schedule.
            key = (path, (path / "schedule.json").lstat().st_mtime_ns)
            with self._lock:
                run = self._known.pop(key, None) or RunView(path, RunReader(path).schedule())
                self._known[key] = run
                while len(self._known) > self.MOST:
                    del self._known[next(iter(self._known))]
            run.read_on()
            return run
