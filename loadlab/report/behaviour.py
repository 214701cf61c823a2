"""Says in words and tables what was counted: for a terminal, and for a page of the documentation."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE
from rich.table import Table

from loadlab.model.config import spell
from loadlab.report import numbers, worker_behaviour
from loadlab.report.counted import RANGED, counted, flaws
from loadlab.report.labels import short
from loadlab.report.markup import escape, grid, plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType

    from loadlab.model.behaviour import BehaviourRow, ClaimReport, Recording, Scale, Setting

STRATEGY: Final = "strategy"
COLUMNS: Final = (
    *("keep-alive", "opened / reused", "peak", "left open", "flood", "restart", "checked", "stop", "kill"),
    "quiet spells",
)
NARROWEST_STRATEGY: Final = 12  # columns of a terminal
CLAIM_COLUMNS: Final = ("figure", "published", "here", "")
FOLDER: Final = "benchmarks/recorded"
GUIDE: Final = "docs/reference/which-setting.md"
COMMAND: Final = (
    f"loadlab behaviour --repeats 3 --claims --workers --json {FOLDER}/behaviour.json"
    f" --markdown {FOLDER}/behaviour.md --which-setting {GUIDE}"
)
CHECK: Final = f"loadlab behaviour --check {FOLDER}/behaviour.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModeTable:
    """All rows of one server mode."""

    mode: str
    body: tuple[tuple[str, ...], ...]


def tables(rows: Sequence[BehaviourRow]) -> Iterator[ModeTable]:
    for mode, members in itertools.groupby(rows, key=lambda row: str(row.setting.server)):
        yield ModeTable(mode=mode, body=tuple(map(cells, members)))


def label(setting: Setting) -> str:
    """A row's id, short enough for a line that moves."""
    kept = f"keep-alive {spell(setting.keep_alive)}"
    return f"{setting.server.name}, {short(setting.strategy)}, {kept}, {setting.driver}"


def cells(row: BehaviourRow) -> tuple[str, ...]:
    cell, setting = partial(counted, row), row.setting
    # A recording of an earlier version has none.
    quiet = f"{cell('open_after_burst')} → {cell('open_after_bursts')}" if "open_after_bursts" in row.spans else ""
    driver = "" if setting.driver == "psycopg2" else f" ({setting.driver})"
    return (
        short(setting.strategy) + driver,
        spell(setting.keep_alive),
        f"{cell('opened')} / {cell('reused')}{flaws(row, 'the judge')}",
        cell("peak"),
        f"{cell('left_open')} → {cell('left_after_collection')}",
        f"{cell('flood_failed')}{_kinds(row)}",
        f"{cell('warm')}: {cell('failed_after_restart')}, {cell('failed_later')}",
        f"{cell('warm_checked')}: {cell('failed_checked')}",
        f"{cell('stop_abandoned')} of {cell('open_at_stop')}",
        f"{cell('kill_abandoned')} of {cell('open_at_kill')}",
        quiet or numbers.MISSING,
    )


def _kinds(row: BehaviourRow) -> str:
    return f" ({', '.join(kind.replace('_', ' ') for kind in row.flood_errors)})" if row.flood_errors else ""


def for_terminal(recording: Recording) -> Iterator[RenderableType]:
    for mode in tables(recording.rows):
        table = Table(title=mode.mode, title_justify="left", box=SIMPLE, pad_edge=False)
        table.add_column(STRATEGY, overflow="fold", min_width=NARROWEST_STRATEGY)
        for column in COLUMNS:
            table.add_column(column, overflow="fold")
        for cells in mode.body:
            table.add_row(*map(plain, cells))
        yield table
    if recording.rows:
        for column, meaning in _meanings(recording.scale):
            yield plain(f"{column}: {meaning}", "dim")
        yield plain(_what_is_ranged(recording.scale), "dim")
    yield from worker_behaviour.for_terminal(recording)
    for claim in recording.claims:
        table = Table(*CLAIM_COLUMNS, title=f"{claim.name}: {claim.summary}", title_justify="left", box=SIMPLE)
        for figure in claim.figures:
            table.add_row(*map(plain, (figure.figure, figure.published, figure.measured, _held(holds=figure.holds))))
        yield table


def as_markdown(recording: Recording) -> str:
    blocks = [
        "# What connections do, counted",
        *_opening(recording),
        "## How to read it",
        *_how_to_read(recording.scale),
        *_words(recording.rows),
    ]
    for mode in tables(recording.rows):
        blocks += [f"## `{mode.mode}`", row_grid(mode.body)]
    blocks += worker_behaviour.as_markdown(recording)
    if recording.claims:
        blocks += ["## Claims", "What was published about Django's connections, tested again with the same servers."]
        for claim in recording.claims:
            blocks += list(_claim(claim))
    return "\n\n".join(blocks) + "\n"


def _opening(recording: Recording) -> Iterator[str]:
    repeats = sorted({row.repeats for row in recording.rows})
    times = "" if not repeats else f", each {'–'.join(map(str, dict.fromkeys((repeats[0], repeats[-1]))))}×"
    versions = ", ".join(f"{name} {version}" for name, version in recording.versions.items())
    if not recording.complete:
        yield "> **Incomplete: the pass that wrote this was stopped.**"
    experiments = f"{len(recording.rows)} experiments: server mode × strategy × client keep-alive{times}. "
    yield (
        f"{experiments if recording.rows else ''}Every cell is a count, not a time. With the same versions it is the"
        f" same on any machine. Counted with {escape(versions)}."
    )
    yield (
        "The first command writes this page and [which setting for which server]"
        "(../../docs/reference/which-setting.md). The second counts again, names each cell that differs from"
        " [behaviour.json](behaviour.json), and then exits with 10. So it detects a Django, server or driver that"
        " behaves differently."
    )
    yield f"```\n{COMMAND}\n{CHECK}\n```"


def _how_to_read(scale: Scale) -> Iterator[str]:
    yield (
        f"Each experiment has fresh servers, and {scale.clients} HTTP clients that send {scale.each} requests each, so"
        f" {scale.requests} in all. Each request makes one query of 10 ms, so that as many requests are under way at"
        f" once as the mode allows. PostgreSQL has max_connections = {scale.max_connections}, which the load itself"
        " never reaches."
    )
    yield "\n".join(f"- **{column}**: {meaning}" for column, meaning in _meanings(scale))
    yield _what_is_ranged(scale)


def _meanings(scale: Scale) -> Iterator[tuple[str, str]]:
    yield "keep-alive", "whether the clients keep their TCP connections from one request to the next."
    yield (
        "opened / reused",
        (
            "connections that the load opened or found open / requests that reused one. PostgreSQL's count of sessions"
            " (behind PgBouncer: PgBouncer's count of clients) is the same, unless the cell says otherwise."
        ),
    )
    until = "A connection counts until its backend has ended. Behind PgBouncer, these are PgBouncer's"
    yield "peak", f"the most connections in PostgreSQL at one instant, from its log. {until}."
    leaked = "The difference had leaked: no request could find these connections"
    yield "left open", f"after the last response → after a garbage collection in every process. {leaked}."
    when = f"when PostgreSQL has only {scale.free} free connections and Python collects no garbage"
    yield "flood", f"failed requests, of {scale.requests}, {when}. In brackets: why connecting failed."
    rounds = f"{scale.rounds} rounds of all clients (with an old connection still open: {2 * scale.rounds})"
    yield (
        "restart",
        (
            "connections that were open when PostgreSQL restarted: failed requests until"
            f" {rounds} had no failure, then failed requests of one more round."
        ),
    )
    yield "checked", "the same with CONN_HEALTH_CHECKS on, without that last round."
    ends = "when the server was asked to stop (stop) or was killed (kill)"
    behind = "Behind PgBouncer, these are PgBouncer's sessions, which outlive the target"
    yield "stop, kill", f"sessions that ended without notice to PostgreSQL, of those open {ends}. {behind}."
    pauses = "Before each burst all clients hang up, and the server has as long a pause as its idle threads live"
    yield (
        "quiet spells",
        f"connections open after the first → the last of {scale.bursts} bursts, without garbage collection. {pauses}.",
    )


def _what_is_ranged(scale: Scale) -> str:
    return (
        f"A cell with {RANGED} depends on the order of events: how many backends are still ending when the next ones"
        " start (peak), when Python last collected garbage (left open), or which dead thread was swept in time. Or it"
        f" differed between repeats. It is compared with its recorded range ± {scale.clients}, one for each client. The"
        f" range is ± {scale.requests // 2}, half of the requests, if only garbage collection closes what has leaked,"
        " and reaches to all that were opened."
        " Every other cell must be exactly the same."
    )


def _words(rows: Sequence[BehaviourRow]) -> Iterator[str]:
    words = dict.fromkeys(row.flood_words for row in rows if row.flood_words)
    if words:
        yield "Error messages of the flood:\n\n" + "\n".join(f"- `{said}`" for said in words)


def _claim(claim: ClaimReport) -> Iterator[str]:
    yield f"### `{claim.name}`"
    yield escape(claim.summary)
    yield escape(f"Source: {claim.source}")
    body = [(one.figure, one.published, one.measured, _held(holds=one.holds)) for one in claim.figures]
    yield _grid(CLAIM_COLUMNS, body)


def _held(*, holds: bool) -> str:
    return "holds" if holds else "does not hold"


def row_grid(body: Sequence[Sequence[str]]) -> str:
    """Rows of `cells` as a table in Markdown."""
    return _grid((STRATEGY, *COLUMNS), body)


def _grid(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    return grid(head, ["---"] * len(head), [[escape(cell) for cell in row] for row in body])
