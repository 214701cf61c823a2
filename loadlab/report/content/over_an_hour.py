"""The table of what ages of CONN_MAX_AGE do over an hour of a run's traffic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content.table import Table, number_columns, text_columns
from loadlab.report.labels import Labels

if TYPE_CHECKING:
    from loadlab.model.findings import Findings
    from loadlab.model.over_an_hour import AgeOverAnHour


def build(findings: Findings) -> Table:
    """A row for each server mode and age; none where no trial recorded how requests used their connections."""
    names = Labels.of(findings)
    return Table(
        caption="Expected over one hour at the rate of requests that was measured",
        columns=(
            *text_columns("Server mode", "CONN_MAX_AGE"),
            *number_columns("Requests/s", "Open", "Opened", "Opened per second", "Reuse"),
        ),
        rows=tuple(
            _hour_row(str(names.mode(one.condition)), one.rate, age)
            for one in findings.over_an_hour
            for age in one.ages
        ),
    )


def _hour_row(mode: str, rate: float, age: AgeOverAnHour) -> tuple[str, ...]:
    return (
        mode,
        numbers.age(age.max_age),
        numbers.figure(rate),
        numbers.figure(age.open),
        numbers.count(age.opened),
        numbers.figure(age.opens_per_second),
        numbers.percentage(age.reuse),
    )
