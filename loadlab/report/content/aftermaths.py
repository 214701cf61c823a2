"""What the faults of a run did: a sentence for each, and a table of fault × server mode × strategy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content.table import Column, Table
from loadlab.report.content.tables import reasons as by_reason
from loadlab.report.labels import Labels
from loadlab.report.prose.aftermaths import (
    WHAT_IS_PROMISED,
    WHAT_IT_IS,
    back,
    bound,
    counted,
    timed,
    told,
)

if TYPE_CHECKING:
    from loadlab.model.aftermath import CaseAftermath
    from loadlab.model.findings import Findings

TITLE: Final = "What happens when…"
TEXTS: Final = ("Fault", "Server mode", "Strategy")
NUMBERS: Final = (
    "Trials",
    "Failed requests",
    "Longest without a success",
    "First success",
    "Back within the noise",
    "Lost",
    "Opened after",
    "Most opened in 1 s",
    "Without the fault",
    "Most open",
    "Left behind",
)
LAST: Final = ("Failed, by kind", "Promised")
BRIEF: Final = (*TEXTS, "Failed requests", "Back within the noise", "Most opened in 1 s", "Promised")


@dataclass(frozen=True, kw_only=True, slots=True)
class AftermathSection:
    """`lead` says what is counted and how; `lessons` are each fault and what to know of it.

    `brief` has fewer columns than `table`.
    """

    lead: tuple[str, ...]
    lessons: tuple[tuple[str, str], ...]
    table: Table
    brief: Table


def build(findings: Findings) -> AftermathSection | None:
    """None for a run without faults."""
    found = findings.aftermaths
    if not found.cases:
        return None
    promised = any(one.promised for one in found.cases)
    table = _table(findings)
    return AftermathSection(
        lead=(WHAT_IT_IS, WHAT_IS_PROMISED) if promised else (WHAT_IT_IS,),
        lessons=tuple((one.fault.words, told(one)) for one in found.lessons),
        table=table,
        brief=_brief(table),
    )


def _table(findings: Findings) -> Table:
    names = Labels.of(findings)
    return Table(
        caption="Medians over trials (lowest–highest); failures by kind and lost connections are sums over trials",
        columns=(
            *(Column(title=title) for title in TEXTS),
            *(Column(title=title, kind="number") for title in NUMBERS),
            *(Column(title=title) for title in LAST),
        ),
        rows=tuple(_row(names, one) for one in findings.aftermaths.cases),
    )


def _brief(table: Table) -> Table:
    chosen = [number for number, column in enumerate(table.columns) if column.title in BRIEF]
    return Table(
        caption=table.caption,
        columns=tuple(table.columns[number] for number in chosen),
        rows=tuple(tuple(row[number] for number in chosen) for row in table.rows),
    )


def _row(names: Labels, one: CaseAftermath) -> tuple[str, ...]:
    fault = one.case.fault
    return (
        fault.words if fault else "",
        str(names.mode(one.case.without("fault"))),
        names.strategy(one.case.strategy),
        _trials(one),
        counted(one.failed),
        timed(one.silence),
        timed(one.first_success),
        back(one),
        f"{counted(one.connections_lost)}{_by_reason(one.lost)}",
        counted(one.opened),
        counted(one.most_opened),
        counted(one.calm_most_opened),
        counted(one.most_open),
        counted(one.left_behind),
        by_reason(one.kinds),
        bound(one),
    )


def _trials(one: CaseAftermath) -> str:
    used = numbers.count(len(one.trials))
    return f"{used}, {numbers.count(one.unusable)} unusable" if one.unusable else used


def _by_reason(lost: dict[str, int]) -> str:
    return f" ({by_reason(lost)})" if lost else ""
