"""Two runs side by side, as text."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from loadlab.report.content import naming, wording

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm, Contrast, RunContrast

TOO_FEW = "too few trials for an interval"
NOTE = (
    "The two runs were made at different times, so whatever changed on the machine in between is in these ratios too. "
    "Their trials cannot be paired by block, so the intervals are wider than those of one run, and still hold nothing "
    "but noise within each run. For a verdict, measure both settings in one plan: there they take turns."
)


def text(contrast: RunContrast, width: int) -> str:
    """Everything there is to say, for a terminal of `width` columns."""
    output = StringIO()
    console = Console(file=output, width=width, force_terminal=False, legacy_windows=False)
    console.print(Group(Text(f"{contrast.before.id} (before) and {contrast.after.id} (after)"), Text("")))
    console.print(_figures(contrast))
    console.print(_connections(contrast))
    if contrast.differences:
        console.print(_differences(contrast))
    for name, cases in (("before", contrast.only_before), ("after", contrast.only_after)):
        for case in cases:
            console.print(Text(f"Only in {name}: {case}"))
    console.print(Text(NOTE))
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())


def _labels(contrast: RunContrast) -> dict[str, str]:
    """A short name for each case; its whole id where several would share the short one."""
    short = {
        before.case.id: ", ".join(
            [before.case.server.name, _strategies(before.case, after.case), wording.keep_alive(before.case.keep_alive)]
        )
        for before, after in contrast.arms
    }
    return short if len(set(short.values())) == len(short) else {name: name for name in short}


def _strategies(before: Case, after: Case) -> str:
    """Both, where one case is set beside another: settings of a target that is served elsewhere."""
    names = dict.fromkeys(naming.strategy(case.strategy) for case in (before, after))
    return " → ".join(names)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=SIMPLE, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _figures(contrast: RunContrast) -> Table:
    table = _table("Speed", "Case", "Metric", "Before", "After", "After / before, not paired", "Trials")
    labels = _labels(contrast)
    for one in contrast.contrasts:
        spread = wording.spread(one.low, one.high) or TOO_FEW
        ratio = f"{wording.paired_ratio(one.ratio)} ({spread})"
        trials = f"{one.trials[0]}, {one.trials[1]}"
        table.add_row(
            Text(labels[one.case.id]),
            wording.metric(one.metric),
            _value(one, one.before),
            _value(one, one.after),
            ratio,
            trials,
        )
    return table


def _value(one: Contrast, value: float) -> str:
    return f"{wording.figure(value)}/s" if one.metric == "throughput" else wording.milliseconds(value)


def _connections(contrast: RunContrast) -> Table:
    table = _table("Connections (before → after)", "Case", "Opens per request", "Peak open", "Left open", "Leak")
    labels = _labels(contrast)
    for before, after in contrast.arms:
        opens = f"{wording.figure(before.opens_per_request)} → {wording.figure(after.opens_per_request)}"
        peak = f"{before.peak} → {after.peak}"
        table.add_row(
            Text(labels[before.case.id]),
            opens,
            peak,
            f"{before.left_open} → {after.left_open}",
            f"{_leak(before)} → {_leak(after)}",
        )
    return table


def _leak(arm: Arm) -> str:
    return wording.LEAK if arm.leaks else arm.leak


def _differences(contrast: RunContrast) -> Table:
    table = _table("What else differed", "Fact", "Before", "After")
    for fact, before, after in contrast.differences:
        table.add_row(Text(fact), Text(before), Text(after))
    return table
