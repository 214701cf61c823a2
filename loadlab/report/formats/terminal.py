"""Findings for a terminal: the answer, the verdicts, the matrix, and what to be careful about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from rich.box import SIMPLE
from rich.console import Group
from rich.table import Table
from rich.text import Text

from loadlab.model.gates import GateOutcome
from loadlab.report import numbers
from loadlab.report.console import bullets, flat, printed
from loadlab.report.content import (
    added_latency,
    aftermaths,
    gates,
    holding,
    matrix,
    over_an_hour,
    story,
    tables,
    verdicts,
)
from loadlab.report.formats.base import Report
from loadlab.report.markup import plain
from loadlab.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import RenderableType

    from loadlab.model.comparison import Judgement
    from loadlab.model.findings import Findings
    from loadlab.report.content.matrix import Cell, Matrix
    from loadlab.report.content.ranking import Rank
    from loadlab.report.content.table import Table as FlatTable
    from loadlab.report.content.verdicts import Advice
    from loadlab.report.labels import Mode

JUDGEMENT_STYLES: dict[Judgement, str] = {
    "better": "green",
    "worse": "red",
    "equivalent": "blue",
    "inconclusive": "yellow",
}
OUTCOME_STYLES: dict[GateOutcome, str] = {
    GateOutcome.PASS: "green",
    GateOutcome.FAIL: "red",
    GateOutcome.UNDECIDED: "yellow",
}
MOST_CAVEATS = 15
FULL = f"{layout.report('html')} or {layout.report('md')}"  # which leave nothing out
NARROW = 80  # columns of a terminal, below which the matrix is a list
MOST_COLUMNS = 5  # of the matrix, that are readable side by side


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminal(Report):
    """Text for a terminal of `width` columns, with ANSI colours if `colour`."""

    filename: ClassVar[str | None] = None
    width: int = 100
    colour: bool = False

    def render(self, findings: Findings) -> str:
        return printed(_parts(findings, narrow=self.width < NARROW), width=self.width, colour=self.colour)


def _parts(findings: Findings, *, narrow: bool) -> Iterator[RenderableType]:
    yield from _opening(findings)
    yield from _table(gates.TITLE, gates.build(findings))
    ranked = [item for item in verdicts.build(findings) if item.ranks]
    if ranked:
        yield from _section("Verdicts", _verdicts(ranked))
    for title, table in _rankings(findings):
        yield from _section(title, table)
    yield from _section("Server modes × strategies", _matrix(findings, narrow=narrow))
    yield from _table("Response and service", tables.service(findings))
    yield from _table("Quiet spells", tables.bursts(findings))
    yield from _table("Probes", tables.quantities(findings))
    opens = tables.opens(findings)
    if opens.rows:
        notes = (plain(sentence, "dim") for sentence in (opens.caption, *story.opens(findings)))
        yield from _section(story.OPENS, Group(*notes, flat(opens)))
    yield from _holding(findings)
    hour = over_an_hour.build(findings)
    if hour.rows:
        notes = (plain(sentence, "dim") for sentence in story.over_an_hour(findings))
        yield from _section(story.HOUR, Group(*notes, flat(hour)))
    yield from _faults(findings)
    for effect in added_latency.build(findings):
        yield from _section(f"With added latency: {effect.mode}", flat(effect.table))
    yield from (plain(sentence) for sentence in story.noise_floor(findings))
    if findings.caveats:
        lines = [caveat.line for caveat in story.caveats(findings)]
        more = [f"{len(lines) - MOST_CAVEATS} more: see {FULL}."] if len(lines) > MOST_CAVEATS else []
        yield from _section("Caveats", bullets([*lines[:MOST_CAVEATS], *more]))


def _holding(findings: Findings) -> Iterator[RenderableType]:
    """What keeping costs, first in a sentence, and what idle connections do; nothing where neither was measured."""
    shown = [holding.costs(findings), holding.break_even(findings), holding.beside_idle(findings)]
    parts = [part for table in shown if table.rows for part in (plain(table.caption, "dim"), flat(table))]
    if parts:
        first, *rest = holding.sentences(findings) or ("",)
        notes = (plain(sentence, "dim") for sentence in rest)
        yield from _section(holding.TITLE, Group(*([plain(first)] if first else []), *parts, *notes))


def _faults(findings: Findings) -> Iterator[RenderableType]:
    """What each fault did; nothing without any."""
    section = aftermaths.build(findings)
    if section:
        yield from _section(aftermaths.TITLE, Group(bullets(map(": ".join, section.lessons)), flat(section.brief)))


def _opening(findings: Findings) -> Iterator[RenderableType]:
    yield plain(story.run_line(findings.run), "dim")
    if story.gates(findings):
        yield plain(story.gates(findings), f"bold {OUTCOME_STYLES[findings.gates.outcome]}")
    warning = story.warning(findings.run)
    if warning:
        yield plain(warning, "bold yellow")
    yield from _sentences(story.between_sides(findings))
    to_set = verdicts.to_set(findings)
    if not findings.verdicts:
        yield from _section(to_set.caption, plain(verdicts.none(findings)))
    elif to_set.rows and not all(arm.case.external for arm in findings.arms):  # there, nothing could be chosen
        yield from _section(to_set.caption, _to_set(to_set))
    yield from _sentences(story.answer(findings))


def _sentences(sentences: Sequence[str]) -> Iterator[RenderableType]:
    if sentences:
        yield Text()
    for sentence in sentences:
        yield plain(sentence, "bold")


def _to_set(content: FlatTable) -> RenderableType:
    """What to set under each server mode, and below why and how sure that is."""
    table = Table(box=SIMPLE, pad_edge=False, show_header=False)
    for mode, setting, ratio, why, sure in content.rows:
        gain = [plain(ratio, "green")] if ratio not in (numbers.MISSING, matrix.BASELINE) else []
        table.add_row(plain(mode, "bold"), Group(plain(setting, "bold"), *gain), Group(plain(why), plain(sure, "dim")))
    return table


def _section(title: str, body: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield plain(title, "bold underline")
    yield body


def _table(title: str, content: FlatTable) -> Iterator[RenderableType]:
    """A table under its title; nothing at all when it has no rows."""
    if content.rows:
        yield from _section(title, Group(plain(content.caption, "dim"), flat(content)))


def _verdicts(ranked: Iterable[Advice]) -> RenderableType:
    """What leaks is in the ranking below."""
    table = Table(box=SIMPLE, pad_edge=False)
    for title in ("Server mode", "Recommendation", "Ratio", "Peak open", "Runner-up"):
        table.add_column(title, overflow="fold")
    for item in ranked:
        table.add_row(*map(plain, (item.mode, item.recommendation, item.ratio, item.peak, _second(item))))
    return table


def _second(item: Advice) -> str:
    return f"{item.second.setting}{item.second.rest}, {item.second.ratio}" if item.second else "none"


def _rankings(findings: Findings) -> Iterator[tuple[str, RenderableType]]:
    """All strategies of each group, in short; HTML and Markdown have every figure."""
    for item in verdicts.build(findings):
        if item.ranks:
            parts: list[RenderableType] = [_ranking(item.ranks)]
            if findings.run.limits.max_connections is not None:
                parts += [plain("Need in production", "bold"), bullets(_needs(item.ranks))]
            yield f"Ranking: {item.mode}", Group(*parts)


def _ranking(ranks: Iterable[Rank]) -> RenderableType:
    table = Table(box=SIMPLE, pad_edge=False)
    for title in ("Strategy", "Ratio", "Verdict", "Peak open", "Place"):
        table.add_column(title, overflow="fold")
    for rank in ranks:
        judged = Group(*_judged(rank.judgement)) if rank.judgement else plain(numbers.MISSING)
        place = Text.assemble((f"{numbers.LEAK}, " if rank.leaks else "", "bold red"), plain(rank.in_short))
        table.add_row(plain(rank.name), plain(rank.ratio), judged, plain(rank.held), place)
    return table


def _needs(ranks: Iterable[Rank]) -> Iterator[str]:
    return (f"{rank.name}: {rank.need}" for rank in ranks if rank.need)


def _matrix(findings: Findings, *, narrow: bool) -> RenderableType:
    content = matrix.build(findings)
    if not content.rows:
        return plain("Nothing was measured.")
    if narrow:
        return Group(*_listed(content))
    if len(content.headings) > MOST_COLUMNS:
        return _turned(content)
    table = Table(box=SIMPLE, pad_edge=False, show_lines=True)
    table.add_column("Server mode")
    for heading in content.headings:
        table.add_column(plain(heading.label))
    for row in content.rows:
        mode = Group(plain(row.mode.title, "bold"), *(plain(text, "dim") for text in _details(row.mode)))
        table.add_row(mode, *(_cell(cell) for cell in row.cells))
    return table


def _details(mode: Mode) -> Iterator[str]:
    """What plans call it, where its title does not say so, and its circumstances."""
    if mode.server not in mode.title:
        yield mode.server
    if mode.detail:
        yield mode.detail


def _listed(content: Matrix) -> Iterator[RenderableType]:
    """Where columns do not fit side by side: a line for each cell, below its server mode."""
    for row in content.rows:
        yield Text()
        yield plain(row.mode, "bold")
        for heading, cell in zip(content.headings, row.cells, strict=True):
            if cell is not None and cell.measured:
                leak = (f", {numbers.LEAK}", "bold red") if cell.leaks else ""
                judged = [(f" {one.plain}", one.style) for one in _judgement(cell)]
                said = f"  {heading.label}: {cell.throughput} requests/s, {cell.ratio}"
                yield Text.assemble(plain(said), *judged, plain(f", peak open {cell.peak}", "dim"), leak)


def _turned(content: Matrix) -> RenderableType:
    """With more strategies than fit side by side, they are the rows, and a cell says no more than how good each is."""
    if len(content.rows) > MOST_COLUMNS:
        return plain(f"Too wide for a terminal: see {FULL}, and the rankings above.")
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("Strategy", overflow="fold")
    for row in content.rows:
        table.add_column(plain(row.mode), overflow="fold")
    for heading, *cells in zip(content.headings, *(row.cells for row in content.rows), strict=True):
        table.add_row(plain(heading.label), *map(_brief, cells))
    return table


def _brief(cell: Cell | None) -> Text:
    if cell is None or not cell.measured:
        return plain(numbers.MISSING)
    sign = f" {numbers.SIGNS[cell.judgement]}" if cell.judgement else ""
    leak = Text.assemble(*(part for word in _leak_badge(cell) for part in (" ", word)))
    return Text.assemble(plain(cell.gain + sign), leak)


def _cell(cell: Cell | None) -> RenderableType:
    if cell is None:
        return plain(numbers.MISSING)
    if not cell.measured:
        return plain("no complete trial", "dim")
    lines = [
        plain(f"{cell.throughput} requests/s"),
        plain(cell.ratio),
        *_judgement(cell),
        plain(f"{cell.opens} opens per request", "dim"),
        plain(f"peak open {cell.peak}", "dim"),
    ]
    return Group(*_leak_badge(cell), *lines)


def _leak_badge(cell: Cell) -> list[Text]:
    if cell.leak == "no":
        return []
    return [plain(numbers.LEAK, "bold red") if cell.leaks else plain(numbers.LEAK_UNKNOWN, "yellow")]


def _judgement(cell: Cell) -> Iterator[Text]:
    """None where connections leak: that overrules it."""
    yield from _judged(None if cell.leaks else cell.judgement)


def _judged(judgement: Judgement | None) -> Iterator[Text]:
    if judgement:
        yield plain(f"{numbers.SIGNS[judgement]} {judgement}", JUDGEMENT_STYLES[judgement])
