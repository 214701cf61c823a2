"""What a dashboard is made of: panels, their queries, their limits, as data that knows nothing of Grafana's JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

GRID_COLUMNS = 24

Kind = Literal["timeseries", "stat", "table", "matrix", "bargauge", "heatmap"]
Unit = Literal["short", "percentunit", "s", "reqps", "cps", "none"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """`expr` in PromQL; `name` is what a legend or a table's column says, with labels as {{label}}."""

    expr: str
    name: str
    unit: Unit | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """From which value on something is doubtful, and from which on bad; falling values where `bad` is the lower one."""

    doubtful: float
    bad: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """One question of a dashboard: what it shows, what is good, and what to do if it is not.

    `colours` has a fixed colour of Grafana's for series by name; the others take the next of its palette.
    """

    title: str
    shows: str
    good: str
    act: str
    unit: Unit
    queries: tuple[Query, ...]
    kind: Kind = "timeseries"
    limits: Limits | None = None
    width: int = 8
    height: int = 8
    stacked: bool = False
    colours: Mapping[str, str] = field(default_factory=dict)
    highest: float | None = None
    rows: str = "server"
    columns: str = "max_age"

    @property
    def description(self) -> str:
        return f"{self.shows}\n\n**Good:** {self.good}\n\n**If not:** {self.act}"

    @property
    def over_time(self) -> bool:
        return self.kind in ("timeseries", "heatmap")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variable:
    """A choice above the dashboard: the values of `label` that `source` (a metric with matchers) has."""

    name: str
    title: str
    source: str
    label: str
    several: bool = True
    from_the_end: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A line on the time axis of every panel, at each time that `expr` has as its value, in milliseconds since 1970.

    `title` is what it says, with labels as {{label}}.
    """

    name: str
    expr: str
    title: str
    colour: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One dashboard, which answers `question`; `guide` is Markdown that says how to read it."""

    uid: str
    title: str
    question: str
    guide: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    marks: tuple[Mark, ...] = ()
    since: str = "now-30m"
    refresh: str = "5s"
    tags: tuple[str, ...] = field(default=("loadlab",))
