"""Two runs side by side, in words: the same tables for a terminal, for Markdown, and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from math import isfinite
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from loadlab.model.labels import short_names
from loadlab.report import labels, numbers
from loadlab.report.content.gates import COLUMNS, as_plain
from loadlab.report.content.gates import TITLE as GATES
from loadlab.report.markup import escape, grid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.contrasts import Contrast, RunContrast
    from loadlab.model.findings import Arm
    from loadlab.report.content.gates import GateLine

TOO_FEW = "too few trials for an interval"
NOTE = (
    "The two runs were made at different times, so these ratios also contain changes of the machine between them. "
    "Their trials cannot be paired by block. So the intervals are wider than those of one run: they allow the machine "
    "to have changed by as much as two trials of a run differ, and by no more. For a verdict, measure both in one run: "
    "settings in one plan, revisions with --against."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """A table under its title."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def grids(contrast: RunContrast, gates: Sequence[GateLine] = ()) -> Iterator[Grid]:
    """All tables that have rows."""
    names = _names(contrast)
    facts = ("Fact", "Before", "After")
    for one in (
        Grid(title="Changed between the runs", columns=facts, rows=contrast.changed),
        _figures(contrast, names),
        _connections(contrast, names),
        Grid(title="What else differed", columns=facts, rows=contrast.differences),
        Grid(title=GATES, columns=COLUMNS, rows=tuple(one.cells for one in gates)),
    ):
        if one.rows:
            yield one


def left_over(contrast: RunContrast) -> Iterator[str]:
    """A line for each case that only one run has."""
    for name, cases in (("before", contrast.only_before), ("after", contrast.only_after)):
        yield from (f"Only in {name}: {case}" for case in cases)


def text(contrast: RunContrast, width: int, runs: Sequence[str], gates: Sequence[GateLine] = ()) -> str:
    """Everything there is to say, for a terminal of `width` columns; `runs` are the names of both."""
    output = StringIO()
    console = Console(file=output, width=width, force_terminal=False, legacy_windows=False)
    console.print(Text(f"{runs[0]} (before) and {runs[1]} (after)\n"))
    for one in grids(contrast, gates):
        table = RichTable(title=one.title, box=SIMPLE, title_justify="left", title_style="bold")
        for column in one.columns:
            table.add_column(column, overflow="fold")
        for row in one.rows:
            table.add_row(*map(Text, row))
        console.print(table)
    for line in left_over(contrast):
        console.print(Text(line))
    console.print(Text(NOTE))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def as_markdown(contrast: RunContrast, runs: Sequence[str], gates: Sequence[GateLine] = ()) -> str:
    """The same as GitHub-flavoured Markdown."""
    blocks = [f"# {escape(runs[0])} (before) and {escape(runs[1])} (after)"]
    for one in grids(contrast, gates):
        rows = [[escape(cell) for cell in row] for row in one.rows]
        blocks += [f"## {one.title}", grid(one.columns, ["---"] * len(one.columns), rows)]
    blocks += [f"- {escape(line)}" for line in left_over(contrast)]
    return "\n\n".join([*blocks, escape(NOTE)])


def as_json(contrast: RunContrast, runs: Sequence[str], gates: Sequence[GateLine] = ()) -> dict[str, Any]:
    """The same for programs; figures are not rounded, times are in seconds."""
    names = _names(contrast)
    return {
        "before": {"run": runs[0], "id": contrast.before.id},
        "after": {"run": runs[1], "id": contrast.after.id},
        "paired": False,
        "note": NOTE,
        "changed": [_fact(*one) for one in contrast.changed],
        "cases": [
            {
                "name": names[before.case],
                "before": before.case.id,
                "after": after.case.id,
                "metrics": {one.metric: _metric(one) for one in contrast.contrasts if one.case == before.case},
                "connections": {"before": _counts(before), "after": _counts(after)},
            }
            for before, after in contrast.arms
        ],
        "differences": [_fact(*one) for one in contrast.differences],
        "only_before": list(contrast.only_before),
        "only_after": list(contrast.only_after),
        "gates": [as_plain(one.result) for one in gates],
    }


def _fact(fact: str, before: str, after: str) -> dict[str, str]:
    return {"fact": fact, "before": before, "after": after}


def _metric(one: Contrast) -> dict[str, Any]:
    interval = None if one.low is None or one.high is None else [_bounded(one.low), _bounded(one.high)]
    return {
        "before": _bounded(one.before),
        "after": _bounded(one.after),
        "ratio": _bounded(one.ratio),
        "interval": interval,
        "trials": list(one.trials),
    }


def _bounded(value: float) -> float | None:
    """As JSON may hold it: an end that is not bounded is null."""
    return value if isfinite(value) else None


def _counts(arm: Arm) -> dict[str, Any]:
    return {
        "opens_per_request": arm.opens_per_request,
        "peak": arm.peak,
        "left_open": arm.left_open,
        "leaks": arm.leaks,
        "requests": arm.requests,
        "failures": arm.failures,
    }


def _names(contrast: RunContrast) -> Mapping[Case, str]:
    """A short name for each pair of cases, by the first: what tells it from the other pairs."""
    before = [first.case for first, _ in contrast.arms]
    if any(case.external for case in before):  # its strategy is what both runs call their settings
        return {first.case: _called(first.case, second.case) for first, second in contrast.arms}
    return short_names(before)


def _called(before: Case, after: Case) -> str:
    settings = " → ".join(dict.fromkeys(labels.strategy(case.strategy) for case in (before, after)))
    return ", ".join([settings, before.scenario_name, before.amount, before.words("keep_alive")])


def _figures(contrast: RunContrast, names: Mapping[Case, str]) -> Grid:
    rows = tuple(
        (
            names[one.case],
            numbers.metric(one.metric),
            _value(one, one.before),
            _value(one, one.after),
            numbers.with_interval(numbers.ratio(one.ratio), one.low, one.high, without=TOO_FEW),
            f"{one.trials[0]}, {one.trials[1]}",
        )
        for one in contrast.contrasts
    )
    columns = ("Case", "Metric", "Before", "After", "After / before, not paired", "Trials")
    return Grid(title="Speed", columns=columns, rows=rows)


def _value(one: Contrast, value: float) -> str:
    return f"{numbers.figure(value)}/s" if one.metric == "throughput" else numbers.milliseconds(value)


def _connections(contrast: RunContrast, names: Mapping[Case, str]) -> Grid:
    rows = tuple(
        (
            names[before.case],
            f"{numbers.figure(before.opens_per_request)} → {numbers.figure(after.opens_per_request)}",
            f"{before.peak} → {after.peak}",
            f"{before.left_open} → {after.left_open}",
            f"{_leak(before)} → {_leak(after)}",
        )
        for before, after in contrast.arms
    )
    columns = ("Case", "Opens per request", "Peak open", "Left open", "Leak")
    return Grid(title="Connections (before → after)", columns=columns, rows=rows)


def _leak(arm: Arm) -> str:
    return numbers.LEAK if arm.leaks else arm.leak
