"""Lays the history of a site's metrics out for a table and for a download."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.load.locust_plugins.site_metrics import CLOSED, FAILED, OPENED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.load.locust_plugins.site_metrics import Change, History, SiteSample

LATEST: Final = 60  # looks in a trend
MOST_ROWS: Final = 500  # as many as Locust's page shows of its own
BARS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "–"
STATE: Final = "metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteFigure:
    """One figure of an alias: how it is called, found, written down, and summed up by the counter it comes from."""

    name: str
    value: Callable[[Change], float | None]
    written: Callable[[float], str]
    counter: str = ""
    shown: str = ""  # in the table, where that is not the name


def rows(history: History) -> list[dict[str, str]]:
    """The table, its first row about the metrics themselves; Locust's page sorts by `name`."""
    latest = list(history.looks)[-LATEST:]
    lines = [_state(latest, history.restarts)]
    for alias in sorted(history.sums):
        seen = [look.changes.get(alias) for look in latest]
        sums = history.sums[alias]
        for figure in _figures(sums):
            values = [None if change is None else figure.value(change) for change in seen]
            now = values[-1] if values else None
            total = f"{sums[figure.counter]:,.0f}" if figure.counter else ""
            lines.append(
                {
                    "alias": alias,
                    "figure": figure.shown or figure.name,
                    "now": NOTHING if now is None else figure.written(now),
                    "trend": trend(values),
                    "range": _range(values, figure.written),
                    "total": total,
                }
            )
    return [{"name": f"{number:05d}", **line} for number, line in enumerate(lines[:MOST_ROWS])]


def series(history: History) -> Iterator[tuple[float, str, str, float]]:
    """Every look that is kept: when, of which alias, which figure, and how much of it."""
    for look in history.looks:
        for alias, change in sorted(look.changes.items()):
            for figure in _figures(history.sums[alias]):
                value = figure.value(change)
                if value is not None:
                    yield look.at, alias, figure.name, value


def _figures(sums: Mapping[str, float]) -> list[SiteFigure]:
    """Those that every alias has, and one for each reason to close and each kind of failure that has been seen."""
    seen = sorted(counter for counter, total in sums.items() if total and counter.startswith((CLOSED, FAILED)))
    return [
        SiteFigure(name="open", value=lambda change: change.open, written="{:,.0f}".format),
        _rate("opened", OPENED),
        SiteFigure(name="requests that reused one", value=lambda change: change.reuse, written="{:.1%}".format),
        *(_failures(counter) if counter.startswith(FAILED) else _rate(counter, counter) for counter in seen),
    ]


def _failures(counter: str) -> SiteFigure:
    """Locust's table has no colours, but a red sign is one."""
    return replace(_rate(counter, counter), shown=f"🔴 failed connects/s: {counter.removeprefix(FAILED)}")


def _rate(name: str, counter: str) -> SiteFigure:
    before, colon, after = name.partition(": ")
    return SiteFigure(
        name=f"{before}/s{colon}{after}",
        value=lambda change: change.rate(counter),
        written="{:,.1f}".format,
        counter=counter,
    )


def _state(latest: list[SiteSample], restarts: int) -> dict[str, str]:
    """Whether the metrics can be read, and since when not."""
    again = f"; counters began anew {restarts}×" if restarts else ""
    line = {"alias": "", "figure": STATE, "now": "not read yet", "trend": "", "range": "", "total": ""}
    if not latest:
        return line
    line["trend"] = "".join("✗" if look.fault else "·" for look in latest)
    if not latest[-1].fault:
        return line | {"now": f"read at {_clock(latest[-1].at)}{again}"}
    failed = latest
    for number, look in enumerate(latest):
        if not look.fault:
            failed = latest[number + 1 :]
    return line | {"now": f"not read since {_clock(failed[0].at)}: the address {latest[-1].fault}{again}"}


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))


def _range(values: list[float | None], written: Callable[[float], str]) -> str:
    """The scale of the bars: their least and greatest value."""
    known = [value for value in values if value is not None]
    return f"{written(min(known))} – {written(max(known))}" if known else ""


def trend(values: list[float | None]) -> str:
    """A bar for each value, the highest for the greatest; a gap where there is none.

    >>> trend([0, 1, None, 7])
    '▁▂ █'
    """
    greatest = max((value for value in values if value is not None), default=0.0) or 1.0
    last = len(BARS) - 1
    return "".join(" " if value is None else BARS[max(0, round(value / greatest * last))] for value in values)
