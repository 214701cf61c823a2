"""The figures of a fleet as a table: a row for each figure, a column for each strategy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.report import numbers
from loadlab.report.content.table import Column, Table
from loadlab.report.fleet import words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.model.fleet_outcome import FleetAnswer, FleetOutcome

    Cell = Callable[[FleetOutcome], str]

CLOSED_BY: Final = {
    "request_end": "end of its request",
    "expired": "its age",
    "garbage_collected": "garbage collector",
    "process_end": "end of its process",
    "lost": "lost",
    "pool": "pool",
    "pooler": "PgBouncer",
}


def figures(answer: FleetAnswer) -> Table:
    """All of them; rows that no strategy has a figure for are left out."""
    rows = [(name, *(cell(one) for one in answer.outcomes)) for name, cell in _rows(answer)]
    return Table(
        caption="Figures by strategy",
        columns=(Column(title="Figure"), *(Column(title=name, kind="number") for name in words.names(answer))),
        rows=tuple(row for row in rows if any(text not in (numbers.MISSING, "0") for text in row[1:])),
    )


def _rows(answer: FleetAnswer) -> Iterator[tuple[str, Cell]]:
    count, share = numbers.count, numbers.percentage
    yield "Fits the limits", words.fits
    yield "Largest fleet", lambda one: words.largest(one.largest)
    yield "Open, median", lambda one: words.band(one.open_median, count)
    yield "Open, p99", lambda one: words.band(one.open_p99, count)
    yield "Open, most", lambda one: words.band(one.open_most, count)
    yield "Opened per second", lambda one: words.band(one.opens_per_second)
    yield "Opened in the busiest second", lambda one: words.band(one.opens_peak)
    for name in dict.fromkeys(one.moment.name for one in answer.outcomes[0].after):
        yield f"The same, after {words.events(answer, name)}", partial(_after, name)
    yield "Requests that reuse one", lambda one: words.band(one.reuse, share)
    yield "Requests refused", lambda one: words.band(one.refused, count)
    yield "Requests failed", lambda one: words.band(one.failed, count)
    yield "Requests that waited", lambda one: words.band(one.waited, count)
    yield "Mean wait of those", lambda one: words.band(one.waiting_seconds, numbers.measured_time)
    yield "PostgreSQL's cores for connecting", lambda one: words.band(one.database_cores)
    yield "The same in the busiest second", lambda one: words.band(one.database_cores_peak)
    yield "Application's cores for connecting", lambda one: words.band(one.app_cores)
    yield "Memory of idle backends, most", lambda one: words.band(one.idle_bytes, numbers.memory)
    yield "Age at close, median (10 %–90 %)", _ages
    yield "Closed by", _closed_by


def _after(name: str, one: FleetOutcome) -> str:
    """The worst of the events of a name."""
    bands = (after.opens_per_second for after in one.after if after.moment.name == name)
    return words.band(max(bands, key=lambda band: band.middle))


def _ages(one: FleetOutcome) -> str:
    if one.ages_at_close is None:
        return numbers.MISSING
    tenth, half, ninety = map(numbers.measured_time, one.ages_at_close)
    return f"{half} ({tenth}–{ninety})"


def _closed_by(one: FleetOutcome) -> str:
    total = sum(one.closed_by.values())
    ordered = sorted(one.closed_by.items(), key=lambda item: -item[1])
    return ", ".join(f"{CLOSED_BY[cause]} {numbers.percentage(count / total)}" for cause, count in ordered) or "–"
