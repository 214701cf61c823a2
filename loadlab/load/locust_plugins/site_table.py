"""Lays the history of a site's metrics out for a table and for a download."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.load.locust_plugins.site_metrics import History, SiteSample, Source
    from loadlab.model.counts import ConnectionCounts

LATEST: Final = 60  # looks in a trend
MOST_ROWS: Final = 500  # the limit of Locust's own tables
BARS: Final = "▁▂▃▄▅▆▇█"
NOTHING: Final = "–"
STATE: Final = "metrics"


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteFigure:
    """One figure of an alias: its name, and its value by what has grown between two looks and by the seconds between.

    `total` is its value of all looks together, where it has one.
    """

    name: str
    value: Callable[[ConnectionCounts, float], float | None]
    written: Callable[[float], str]
    total: Callable[[ConnectionCounts], int] | None = None
    shown: str = ""  # in the table, where that is not the name


def rows(history: History) -> list[dict[str, str]]:
    """The table, its first row about the metrics themselves; Locust's page sorts by `name`."""
    latest = list(history.looks)[-LATEST:]
    lines = [_state(latest, history.restarts)]
    for source, sums in sorted(history.sums.items()):
        lines.extend(_line(source, figure, latest, sums) for figure in _figures(sums))
    return [{"name": f"{number:05d}", **line} for number, line in enumerate(lines[:MOST_ROWS])]


def _line(source: Source, figure: SiteFigure, latest: list[SiteSample], sums: ConnectionCounts) -> dict[str, str]:
    values = [_value(figure, look, source) for look in latest]
    now = values[-1] if values else None
    return {
        "alias": _name(source),
        "figure": figure.shown or figure.name,
        "now": NOTHING if now is None else figure.written(now),
        "trend": trend(values),
        "range": _range(values, figure.written),
        "total": f"{figure.total(sums):,.0f}" if figure.total else "",
    }


def _value(figure: SiteFigure, look: SiteSample, source: Source) -> float | None:
    grown = look.grown.get(source)
    return None if grown is None else figure.value(grown, look.seconds)


def _name(source: Source) -> str:
    """The alias, and where one exposition holds several hosts, which of them."""
    alias, host = source
    return f"{alias} ({host})" if host else alias


def series(history: History) -> Iterator[tuple[float, str, str, float]]:
    """Every look that is kept: when, of which alias, which figure, and how much of it."""
    for look in history.looks:
        for source in sorted(look.grown):
            for figure in _figures(history.sums[source]):
                value = _value(figure, look, source)
                if value is not None:
                    yield look.at, _name(source), figure.name, value


def _figures(sums: ConnectionCounts) -> list[SiteFigure]:
    """Those that every alias has, and one for each reason to close and each kind of failure that has been seen."""
    return [
        SiteFigure(name="open", value=lambda grown, _: grown.open, written="{:,.0f}".format),
        *([_leaked()] if sums.holders and sums.holders_known else []),
        _rate("opened/s", lambda grown: grown.opened),
        SiteFigure(name="requests that reused one", value=lambda grown, _: _reuse(grown), written="{:.1%}".format),
        *(_rate(f"closed/s: {reason}", _closed(reason)) for reason in sorted(sums.closed)),
        *(_failures(kind) for kind in sorted(sums.connect_errors)),
    ]


def _leaked() -> SiteFigure:
    """Of the open ones, those whose thread or greenlet has ended."""
    return SiteFigure(name="leaked", value=lambda grown, _: grown.leaked, written="{:,.0f}".format)


def _reuse(grown: ConnectionCounts) -> float | None:
    """The share of requests that found their connection open; None without any request."""
    return grown.reused / grown.requests if grown.requests else None


def _closed(reason: str) -> Callable[[ConnectionCounts], int]:
    return lambda grown: grown.closed.get(reason, 0)


def _failures(kind: str) -> SiteFigure:
    """Locust's table has no colours, but a red sign is one."""
    rate = _rate(f"failed to connect/s: {kind}", lambda grown: grown.connect_errors.get(kind, 0))
    return replace(rate, shown=f"🔴 failed connects/s: {kind}")


def _rate(name: str, count: Callable[[ConnectionCounts], int]) -> SiteFigure:
    """A second."""
    return SiteFigure(
        name=name, value=lambda grown, seconds: count(grown) / seconds, written="{:,.1f}".format, total=count
    )


def _state(latest: list[SiteSample], restarts: int) -> dict[str, str]:
    """Whether the metrics can be read, and since when not."""
    again = f"; counters were reset {restarts}×" if restarts else ""
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
