"""What a probe reads: one number with a name, and how it is shown and summed up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.metrics import Metric


@dataclass(frozen=True, kw_only=True, slots=True)
class Quantity:
    """One number that a probe reads.

    `name` is its key in records and events, `title` what people read, `unit` its unit ("" for a count). A gauge goes up
    and down: a trial keeps its highest value within the window. A counter only grows: a trial keeps its growth.

    `metric` with `labels` is what a Prometheus gets. `placed` quantities have a place in reports and on the live page
    already; each of the others gets its own column in reports, a chart, and a metric loadlab_probe_<name>.
    """

    name: str
    title: str
    unit: str = ""
    kind: Literal["gauge", "counter"] = "gauge"
    metric: Metric | None = None
    labels: tuple[str, ...] = ()
    placed: bool = False

    @property
    def exposed(self) -> Metric | None:
        """The metric of the live page that has this quantity; None where there is none."""
        if self.placed or self.metric is not None:
            return self.metric
        total = "_total" if self.kind == "counter" else ""
        meaning = f"{self.title} ({self.unit or 'count'})."
        return Metric(f"loadlab_probe_{self.name}{total}", self.kind, meaning, labels=())

    @property
    def drawn_unit(self) -> str:
        """The unit of a chart over time: a counter is drawn by how fast it grows."""
        unit = self.unit or "count"
        return f"{unit} a second" if self.kind == "counter" else unit

    @property
    def heading(self) -> str:
        """What a column of its values per trial is called.

        >>> Quantity(name="read_bytes", title="Read from disk", unit="bytes", kind="counter").heading
        'Read from disk, bytes'
        >>> Quantity(name="waiting", title="Locks waited for").heading
        'Locks waited for, most at once'
        """
        parts = [self.title, self.unit] if self.kind == "counter" else [self.title, self.unit, "most at once"]
        return ", ".join(part for part in parts if part)
