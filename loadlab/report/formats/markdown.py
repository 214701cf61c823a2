"""Findings as report.md: GitHub-flavoured Markdown, complete but for the trials that went well."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.model.text import printable
from loadlab.report import numbers
from loadlab.report.content import (
    added_latency,
    aftermaths,
    comparisons,
    gates,
    holding,
    matrix,
    over_an_hour,
    spread,
    story,
    tables,
    verdicts,
)
from loadlab.report.formats.base import Report
from loadlab.report.markup import bullets, escape, grid, table
from loadlab.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.model.findings import Findings, Snippet
    from loadlab.report.content.matrix import Cell
    from loadlab.report.content.table import Table
    from loadlab.report.content.verdicts import Advice


@dataclass(frozen=True, kw_only=True, slots=True)
class Markdown(Report):
    """Every name and message is escaped: none can break a table or smuggle in HTML."""

    filename: ClassVar[str | None] = layout.report("md")

    def render(self, findings: Findings) -> str:
        compared = comparisons.build(findings)
        blocks = (
            f"# {story.title(findings)}",
            *_opening(findings),
            *_section(gates.TITLE, gates.build(findings)),
            *_verdicts(findings),
            *_matrix(findings),
            *(escape(sentence) for sentence in story.noise_floor(findings)),
            *_added_latency(findings),
            *_aftermaths(findings),
            *_section("Comparisons", compared.judged),
            *_section("Other metrics", compared.others),
            *_section("Figures", tables.figures(findings)),
            *_opens(findings),
            *_holding(findings),
            *_over_an_hour(findings),
            *_section("Connection accounts", tables.accounts(findings)),
            *_section("Quiet spells", tables.bursts(findings)),
            *_section(story.SPREAD, spread.build(findings)),
            *_section("Probes", tables.quantities(findings)),
            *_section("Failed requests", tables.failures(findings)),
            *_section("Trials left out", tables.trials(findings, only_unusable=True)),
            *_caveats(findings),
            *_environment(findings),
            "## How to read this",
            bullets(story.how_to_read(findings)),
        )
        return numbers.writable(printable("\n\n".join(blocks) + "\n"))


def _opening(findings: Findings) -> Iterator[str]:
    if story.gates(findings):
        yield f"**{escape(story.gates(findings))}**"
    warning = story.warning(findings.run)
    if warning:
        yield f"> **{escape(warning)}**"
    for sentence in story.between_sides(findings):
        yield escape(sentence)
    to_set = verdicts.to_set(findings)
    if to_set.rows:
        yield table(to_set)
    for sentence in story.answer(findings):
        yield escape(sentence)
    yield escape(story.run_line(findings.run))


def _verdicts(findings: Findings) -> Iterator[str]:
    yield "## Verdicts"
    advice = verdicts.build(findings)
    if not advice:
        yield verdicts.none(findings)
    overview = verdicts.overview(findings)
    if overview.rows:
        yield table(overview)
    for item in advice:
        yield from _advice(item)


def _advice(item: Advice) -> Iterator[str]:
    yield f"### {escape(str(item.mode))}: {escape(item.recommendation)}"
    yield escape(item.headline)
    if item.measured:
        yield escape(f"{_speed(item)} · opens per request {item.opens} · peak open {item.peak}")
    if item.leaks:
        yield f"**{numbers.LEAK}**: {escape(item.leak_words)}"
    elif item.untold:
        yield f"Leak: {escape(item.leak_words)}"
    if item.why:
        yield bullets(item.why)
    if item.gives_up:
        yield escape(f"Drawbacks: {'; '.join(item.gives_up)}.")
    yield from _snippets(item.snippets, named=item.several_files)
    if item.second:
        second = item.second
        yield escape(f"Runner-up: {second.setting}{second.rest}, {second.ratio}, peak open {second.peak}.")
        yield from _snippets(second.snippets, named=True)
    if item.figures.rows:
        yield table(item.figures)


def _speed(item: Advice) -> str:
    return f"{item.throughput} requests/s" if item.ratio == matrix.BASELINE else f"Ratio {item.ratio}"


def _snippets(snippets: Iterable[Snippet], *, named: bool) -> Iterator[str]:
    for snippet in snippets:
        if named:
            yield f"In `{snippet.file}`:"
        yield _fenced(snippet.text, snippet.language)


def _added_latency(findings: Findings) -> Iterator[str]:
    """A table for each server mode and kind of client, and a sentence for each strategy."""
    effects = added_latency.build(findings)
    if effects:
        yield "## With added latency"
        yield escape(added_latency.LEAD)
    for effect in effects:
        yield f"### {escape(str(effect.mode))}"
        yield table(effect.table)
        yield bullets(f"{name}: {clause}." for name, clause in effect.conclusions)


def _aftermaths(findings: Findings) -> Iterator[str]:
    """What each fault did; nothing without any."""
    section = aftermaths.build(findings)
    if section:
        yield f"## {aftermaths.TITLE}"
        yield bullets(map(": ".join, section.lessons))
        yield escape(section.table.caption) + "."
        yield table(section.table)
        yield from (escape(sentence) for sentence in section.lead)


def _fenced(code: str, language: str) -> str:
    """A code block whose fence is longer than any run of backticks inside."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"


def _matrix(findings: Findings) -> Iterator[str]:
    yield "## Server modes × strategies"
    table = matrix.build(findings)
    if not table.rows:
        yield "Nothing was measured."
        return
    head = ["Server mode", *(heading.label for heading in table.headings)]
    body = [[escape(str(row.mode)), *(_cell(cell) for cell in row.cells)] for row in table.rows]
    yield grid([escape(text) for text in head], ["---"] * len(head), body)


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return numbers.MISSING
    if not cell.measured:
        return "no complete trial"
    judgement = (
        f" {numbers.SIGNS[cell.judgement]} {cell.judgement}" if cell.judgement and not cell.leaks else ""
    )  # a leak overrules it
    lines = [
        escape(f"{cell.throughput} requests/s"),
        escape(cell.ratio) + judgement,
        escape(f"opens per request {cell.opens}, peak open {cell.peak}"),
    ]
    leak = {"yes": [f"**{numbers.LEAK}**"], "cannot tell": [numbers.LEAK_UNKNOWN]}.get(cell.leak, [])
    return "<br>".join([*leak, *lines])


def _section(title: str, content: Table) -> Iterator[str]:
    """A table under its heading; nothing at all when it has no rows."""
    if content.rows:
        yield f"## {title}"
        yield escape(content.caption) + "."
        yield table(content)


def _opens(findings: Findings) -> Iterator[str]:
    yield from _section(story.OPENS, tables.opens(findings))
    yield from (escape(sentence) for sentence in story.opens(findings))


def _holding(findings: Findings) -> Iterator[str]:
    said = [escape(sentence) for sentence in holding.sentences(findings)]
    shown = [holding.costs(findings), holding.break_even(findings), holding.beside_idle(findings)]
    if said or any(one.rows for one in shown):
        yield f"## {holding.TITLE}"
        yield from said[:1]
        for one in shown:
            if one.rows:
                yield escape(one.caption) + "."
                yield table(one)
        yield from said[1:]


def _over_an_hour(findings: Findings) -> Iterator[str]:
    yield from _section(story.HOUR, over_an_hour.build(findings))
    yield from (escape(sentence) for sentence in story.over_an_hour(findings))


def _caveats(findings: Findings) -> Iterator[str]:
    if findings.caveats:
        yield "## Caveats"
        yield bullets(caveat.line for caveat in story.caveats(findings))


def _environment(findings: Findings) -> Iterator[str]:
    parts = tables.environment(findings)
    if parts:
        yield "## Environment"
        rows = [[escape(part.caption), *map(escape, row)] for part in parts for row in part.rows]
        yield grid(["Part", "Name", "Value"], ["---"] * 3, rows)
