"""The gates of a run as a table, and as the lines that files for other programs are made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.labels import short_names
from loadlab.report.content.plain import plain
from loadlab.report.content.table import Column, Table, text_columns
from loadlab.report.prose.gates import WORST_FIRST, evidence, headline, outcome, sentence, written

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.case import Case
    from loadlab.model.findings import Findings
    from loadlab.model.gates import GateResult, Gates

TITLE: Final = "Gates"
WITHOUT_INTERVAL: Final = "A count has no interval. An estimate fails or passes if its whole interval does"
COLUMNS: Final = ("Outcome", "Gate", "Measured", "Case")


@dataclass(frozen=True, kw_only=True, slots=True)
class GateLine:
    """One gate on one case, in words; `fails`: the build must not go on."""

    subject: str
    result: GateResult
    fails: bool

    @property
    def gate(self) -> str:
        return written(self.result.gate)

    @property
    def sentence(self) -> str:
        return sentence(self.result, self.subject)

    @property
    def cells(self) -> tuple[str, ...]:
        return outcome(self.result), self.gate, evidence(self.result), self.subject


def lines(gates: Gates, names: Mapping[Case, str]) -> list[GateLine]:
    """The worst outcome first, then in the order of the gates; cases by their `names`."""
    return [
        GateLine(
            subject=names[one.case] if one.case else one.alias,
            result=one,
            fails=gates.fails(one),
        )
        for one in sorted(gates.results, key=lambda one: WORST_FIRST.index(one.outcome))
    ]


def as_plain(one: GateResult) -> dict[str, object]:
    """For programs: figures are not rounded, times are in seconds; an end that nothing bounds is null."""
    gate = one.gate
    return {
        "gate": gate.text,
        "cases": gate.cases,
        "quantity": gate.quantity,
        "fault": gate.fault,
        "operator": gate.operator,
        "limit": plain(gate.limit),
        "kind": gate.measure.kind,
        "unit": "ratio" if gate.limit.relative else gate.measure.unit,
        "case": one.case.id if one.case else None,
        "alias": one.alias or None,
        "outcome": one.outcome,
        "doubt": one.doubt,
        "value": _bounded(one.value),
        "low": _bounded(one.low),
        "high": _bounded(one.high),
        "trials": one.trials,
    }


def _bounded(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def of_run(findings: Findings) -> list[GateLine]:
    """The gates of one run."""
    return lines(findings.gates, short_names([arm.case for arm in findings.arms]))


def build(findings: Findings) -> Table:
    return table(of_run(findings))


def table(shown: list[GateLine]) -> Table:
    return Table(
        caption=f"{headline([one.result for one in shown]).capitalize()}. {WITHOUT_INTERVAL}",
        columns=(Column(title=COLUMNS[0], kind="outcome"), *text_columns(*COLUMNS[1:])),
        rows=tuple(one.cells for one in shown),
    )
