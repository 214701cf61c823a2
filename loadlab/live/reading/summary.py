"""Runs as a list has them, a line each: read at a glance, however long a run has gone on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.run_state import TO_RESUME, State, state_of
from loadlab.live.reading.unreadable import UnreadableRunError, told
from loadlab.store.layout import PROGRESS, SCHEDULE, SESSIONS, orders, report
from loadlab.store.progress_file import read_edges
from loadlab.store.reader import RunReader
from loadlab.system.files import DamagedFileError, plain_json, read_regular

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.live.reading.runs import Runs
    from loadlab.store.run_progress import RunProgress

MOST_RUNS: Final = 200


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
    started, planned, modes, strategies = _planned(path, _changed(path / SCHEDULE))
    done, total = len(orders(path) & planned), len(planned)
    progress = _edges(path, _changed(path / PROGRESS))
    state = state_of(progress, measuring=done > 0, complete=done >= total)
    return Summary(
        name=path.name,
        state=state,
        started=started,
        done=done,
        total=total,
        modes=modes,
        strategies=strategies,
        answer=_answer(path),
        reason=progress.ended.reason if progress.ended else "",
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
def _planned(path: Path, changed: tuple[int, int]) -> tuple[str, frozenset[int], int, int]:  # noqa: ARG001  another file has another time
    schedule = RunReader(path).schedule()
    modes = {(case.server, case.keep_alive) for case in schedule.cases}
    strategies = {case.strategy for case in schedule.cases}
    orders = frozenset(step.order for step in schedule.steps)  # with gaps, where cases have left
    return schedule.started, orders, len(modes), len(strategies)


def _answer(path: Path) -> str:
    """What the report says first; nothing before there is one that can be read."""
    try:
        return _first_sentence(path / report("json"), _changed(path / report("json")))
    except (OSError, DamagedFileError):
        return ""


@lru_cache(maxsize=512)
def _first_sentence(path: Path, changed: tuple[int, int]) -> str:  # noqa: ARG001  another file has another time
    document = plain_json(read_regular(path))
    answer = document.get("answer") if isinstance(document, dict) else None
    return str(answer[0]) if isinstance(answer, list) and answer else ""


@lru_cache(maxsize=512)
def _edges(path: Path, changed: tuple[int, int]) -> RunProgress:  # noqa: ARG001  as above
    return read_edges(path)
