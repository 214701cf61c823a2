"""Runs as a list has them, a line each: read at a glance, however long a run has gone on."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from loadlab.errors import UsageError
from loadlab.live.reading.runs import inside
from loadlab.live.reading.standing import State, state_of
from loadlab.model.progress import RunBegan, RunEnded, of_line
from loadlab.store import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.live.reading.runs import Runs
    from loadlab.model.progress import Event

PROGRESS = "progress.jsonl"
MOST_RUNS = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """`modes` and `strategies` are how many of each the run has."""

    name: str
    state: State
    started: str
    done: int
    total: int
    modes: int
    strategies: int


def summaries(runs: Runs) -> list[Summary]:
    """The latest first."""
    found = (summary(path) for name in runs.names()[:MOST_RUNS] if (path := runs.find(name)))
    return [one for one in found if one is not None]


def summary(path: Path) -> Summary | None:
    try:
        started, total, modes, strategies = _planned(path, (path / "schedule.json").stat().st_mtime_ns)
        done = sum(1 for _ in (path / "trials").glob("[0-9]*.json"))
        began, ended = _edges(path)
        state = state_of(began, ended, measuring=done > 0, complete=done >= total)
        return Summary(
            name=path.name,
            state=state,
            started=started,
            done=done,
            total=total,
            modes=modes,
            strategies=strategies,
        )
    except UsageError:
        return Summary(name=path.name, state="unreadable", started="", done=0, total=0, modes=0, strategies=0)
    except OSError:  # it has just been removed
        return None


@lru_cache(maxsize=256)
def _planned(path: Path, changed: int) -> tuple[str, int, int, int]:  # noqa: ARG001  another file has another time
    schedule = RunFolder(path).schedule()
    modes = {(str(case.server), case.keep_alive) for case in schedule.cases}
    strategies = {str(case.strategy) for case in schedule.cases}
    return schedule.started, len(schedule.steps), len(modes), len(strategies)


def _edges(path: Path) -> tuple[RunBegan | None, RunEnded | None]:
    """The latest beginning of the run, and its end if it came after that; found without reading what is between."""
    file = inside(path, PROGRESS)
    if file is None or not file.stat().st_size:
        return None, None
    with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as text:
        began, ended = _last(text, b"run_began"), _last(text, b"run_ended")
    if not isinstance(began, RunBegan):
        return None, None
    return began, ended if isinstance(ended, RunEnded) and ended.at >= began.at else None


def _last(text: mmap.mmap, event: bytes) -> Event | None:
    found = text.rfind(b'"event":"' + event + b'"')
    if found < 0:
        return None
    return of_line(text[text.rfind(b"\n", 0, found) + 1 : found] + b'"event":"' + event + b'"}')
