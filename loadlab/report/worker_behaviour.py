"""Says in words and tables what was counted of workers, with each fix and its snippet."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE
from rich.table import Table

from loadlab.model.behaviour_changes import spelt
from loadlab.plan.members import build_worker
from loadlab.report.counted import counted, flaws
from loadlab.report.labels import short
from loadlab.report.markup import escape, fenced, grid, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from loadlab.model.behaviour import Recording
    from loadlab.model.config import Config
    from loadlab.model.worker_behaviour import WorkerRow, WorkerSetting

NO_FIX: Final = "none"
HEAD: Final = (
    *("strategy", "fix", "opened / reused", "peak", "left open", "lost"),
    *("restart", "checked", "timed out", "stop"),
)
IDLE: Final = "idle"  # a column of workers that look for tasks


def label(setting: WorkerSetting) -> str:
    """A row's id, short enough for a line that moves."""
    return f"{setting.worker}, {short(setting.strategy)}, fix {setting.fix or NO_FIX}"


def for_terminal(recording: Recording) -> Iterator[RenderableType]:
    for worker, rows in _by_worker(recording.workers):
        head, body = _table(worker, rows)
        table = Table(title=str(worker), title_justify="left", box=SIMPLE, pad_edge=False)
        for column in head:
            table.add_column(column, overflow="fold")
        for cells in body:
            table.add_row(*map(plain, cells))
        yield table
        yield from _for_the_worker(worker)
    if recording.workers:
        for column, meaning in _meanings(recording):
            yield plain(f"{column}: {meaning}", "dim")


def _for_the_worker(worker: Config) -> Iterator[RenderableType]:
    """What to do, below its table."""
    built = build_worker(worker)
    yield plain(f"It closes connections: {built.closes}.")
    if advice := built.advice():
        yield plain(advice)
    for fix in built.fixes():
        yield plain(f"Fix {fix.name}: {fix.does}")
        yield from (plain(f"    {line}", "dim") for line in fix.snippet.splitlines())


def as_markdown(recording: Recording) -> Iterator[str]:
    """The blocks of a section; none where no worker was counted."""
    if not recording.workers:
        return
    repeats = [row.repeats for row in recording.workers]
    yield "## Background workers"
    yield (
        f"Each worker runs {recording.scale.tasks} tasks. Each task makes one query of 10 ms, and as many run at one"
        " instant as the worker can run. Each row has fresh workers, and was counted"
        f" {spelt((min(repeats), max(repeats)))}×."
    )
    yield "\n".join(f"- **{column}**: {meaning}" for column, meaning in _meanings(recording))
    for worker, rows in _by_worker(recording.workers):
        yield from _section(worker, rows)


def _section(worker: Config, rows: Sequence[WorkerRow]) -> Iterator[str]:
    built = build_worker(worker)
    yield f"### {built.title}: `{worker}`"
    yield f"It closes connections: {built.closes}."
    head, body = _table(worker, rows)
    yield grid(head, ["---"] * len(head), [[escape(cell) for cell in cells] for cells in body])
    if advice := built.advice():
        yield advice
    for fix in built.fixes():
        yield f"Fix `{fix.name}`. {fix.does}"
        yield fenced(fix.snippet, "python")


def _by_worker(rows: Sequence[WorkerRow]) -> Iterator[tuple[Config, Sequence[WorkerRow]]]:
    for _, members in itertools.groupby(rows, key=lambda row: str(row.setting.worker)):
        those = list(members)
        yield those[0].setting.worker, those


def _table(worker: Config, rows: Sequence[WorkerRow]) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    looks = build_worker(worker).looks
    return (*HEAD, *([IDLE] if looks else [])), [_cells(row, looks=looks) for row in rows]


def _cells(row: WorkerRow, *, looks: bool) -> tuple[str, ...]:
    cell, setting = partial(counted, row), row.setting
    return (
        short(setting.strategy),
        setting.fix or NO_FIX,
        f"{cell('opened')} / {cell('reused')}{flaws(row, 'PostgreSQL')}",
        cell("peak"),
        cell("left_open"),
        cell("lost"),
        f"{cell('warm')}: {cell('failed_after_restart')}, {cell('failed_later')}{_end(row, 'ended')}",
        f"{cell('warm_checked')}: {cell('failed_checked')}, {cell('failed_later_checked')}{_end(row, 'ended_checked')}",
        f"{cell('warm_idle')}: {cell('failed_after_idle')}",
        f"{cell('stop_abandoned')} of {cell('open_at_stop')}",
        *([cell("idle_opened")] if looks else []),
    )


def _end(row: WorkerRow, name: str) -> str:
    return {(0, 0): "", (1, 1): " (the worker ended)"}.get(row.spans[name], " (the worker may end)")


def _meanings(recording: Recording) -> Iterator[tuple[str, str]]:
    scale = recording.scale
    yield (
        "opened / reused",
        (
            "sessions that the tasks opened or found open / tasks whose session had served another task. PostgreSQL and"
            " loadlab count the same sessions, unless the cell says otherwise."
        ),
    )
    yield "peak", "the most sessions in PostgreSQL at one instant, from its log."
    yield "left open", "after the last task."
    yield "lost", "sessions that ended during the tasks without notice to PostgreSQL."
    rounds = f"{scale.rounds} rounds of tasks (with an old connection still open: {2 * scale.rounds})"
    yield (
        "restart",
        (
            "connections that were open when PostgreSQL restarted: failed tasks until"
            f" {rounds} had no failure, or 20 rounds were over; then failed tasks of one more round."
        ),
    )
    yield "checked", "the same with CONN_HEALTH_CHECKS on."
    yield "timed out", "sessions that PostgreSQL ended by idle_session_timeout: failed tasks after it, as above."
    yield "stop", "sessions that ended without notice to PostgreSQL, of those open when the worker was asked to stop."
    if any(build_worker(row.setting.worker).looks for row in recording.workers):
        yield IDLE, "sessions that a worker without tasks opens for each ten looks into its queue in the database."
