"""Runs as a list has them, a line each: read at a glance, however long a run has gone on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.run_state import TO_RESUME, State, state_of
from loadlab.live.reading.unreadable import UnreadableRunError, told
from loadlab.store.progress import RunBegan, RunEnded, of_line
from loadlab.store.reader import PROGRESS, SCHEDULE, SESSIONS, RunReader
from loadlab.system.files import DamagedFileError, open_regular, plain_json, read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.live.reading.runs import Runs
    from loadlab.store.progress import Event

REPORT: Final = "report.json"
MOST_RUNS: Final = 200
PART_BYTES: Final = 1 << 20
LINE_BYTES: Final = 1 << 16  # the reason why a run has ended may be a long one


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """`modes` and `strategies` are how many of each the run has; `answer` is the first sentence of its report.

    `reason` says why it is as it is, and `resume` is the command that goes on with it, where there is one.
    """

    name: str
    state: State
    started: str = ""
    done: int = 0
    total: int = 0
    modes: int = 0
    strategies: int = 0
    answer: str = ""
    reason: str = ""
    resume: str = ""


def summaries(runs: Runs) -> list[Summary]:
    """The latest to begin first; at the end what cannot be read."""
    found = (summary(path) for name in runs.names()[:MOST_RUNS] if (path := runs.find(name)))
    return sorted((one for one in found if one is not None), key=lambda one: one.started, reverse=True)


def summary(path: Path) -> Summary | None:
    """None of a run that has just been removed."""
    try:
        with told():
            return _summary(path)
    except UnreadableRunError as error:
        if not os.path.lexists(path / SCHEDULE):
            return None
        return Summary(name=path.name, state="unreadable", reason=str(error))


def _summary(path: Path) -> Summary:
    started, total, modes, strategies = _planned(path, _changed(path / SCHEDULE))
    names = (record.stem for record in (path / "trials").glob("[0-9]*.json"))
    done = sum(1 for name in names if name.isdecimal() and int(name) < total)
    began, ended = _edges(path, _changed(path / PROGRESS))
    state = state_of(began, ended, measuring=done > 0, complete=done >= total)
    return Summary(
        name=path.name,
        state=state,
        started=started,
        done=done,
        total=total,
        modes=modes,
        strategies=strategies,
        answer=_answer(path),
        reason=ended.reason if ended else "",
        resume=_resume(path, _changed(path / SESSIONS)) if state in TO_RESUME else "",
    )


def _changed(path: Path) -> tuple[int, int]:
    """Another one for another state of a file or a folder; what was read once is not read again every two seconds."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return (0, 0)
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=512)
def _resume(path: Path, changed: tuple[int, int]) -> str:  # noqa: ARG001  another session has another time
    return RunReader(path).continuation().command(path)


@lru_cache(maxsize=512)
def _planned(path: Path, changed: tuple[int, int]) -> tuple[str, int, int, int]:  # noqa: ARG001  another file has another time
    schedule = RunReader(path).schedule()
    modes = {(case.server, case.keep_alive) for case in schedule.cases}
    strategies = {case.strategy for case in schedule.cases}
    return schedule.started, len(schedule.steps), len(modes), len(strategies)


def _answer(path: Path) -> str:
    """What the report says first; nothing before there is one that can be read."""
    try:
        return _first_sentence(path / REPORT, _changed(path / REPORT))
    except (OSError, DamagedFileError):
        return ""


@lru_cache(maxsize=512)
def _first_sentence(report: Path, changed: tuple[int, int]) -> str:  # noqa: ARG001  another file has another time
    document = plain_json(read_regular(report))
    answer = document.get("answer") if isinstance(document, dict) else None
    return str(answer[0]) if isinstance(answer, list) and answer else ""


@lru_cache(maxsize=512)
def _edges(path: Path, changed: tuple[int, int]) -> tuple[RunBegan | None, RunEnded | None]:  # noqa: ARG001  as above
    """The latest beginning of the run, and its end if it came after that; found without reading what is between.

    Raises:
        DamagedFileError: progress.jsonl is no file, or the beginning is damaged.
    """
    try:
        file = open_regular(path / PROGRESS)
    except FileNotFoundError:
        return None, None
    except DamagedFileError as error:
        raise DamagedFileError(f"{PROGRESS}: {error}") from error
    try:
        began, ended = _last(file, b"run_began"), _last(file, b"run_ended")
    except ValueError as error:
        raise DamagedFileError(f"{PROGRESS}: {error}") from error
    finally:
        os.close(file)
    if not isinstance(began, RunBegan):
        return None, None
    return began, ended if isinstance(ended, RunEnded) and ended.at >= began.at else None


def _last(file: int, event: bytes) -> Event | None:
    """The last event of a kind; read backwards, and not by a map, for the file may be cut off meanwhile."""
    mark = b'"event":"' + event + b'"'
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - PART_BYTES)
        found = os.pread(file, end - start + len(mark) - 1, start).rfind(mark)
        if found >= 0:
            before = max(0, start + found - LINE_BYTES)
            line = os.pread(file, start + found - before, before).rpartition(b"\n")[2]
            return of_line(line + mark + b"}")
        end = start
    return None
