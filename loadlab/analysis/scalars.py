"""The one number per metric, case and block that comparisons are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from loadlab.analysis.paired import ByBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.findings import TrialSummary

Scalars: TypeAlias = Mapping[tuple[str, str], ByBlock]  # (metric, case id) → block → value

METRICS: Final = ("throughput", "p50", "p95")
HIGHER_IS_BETTER: Final = frozenset({"throughput"})


def scalars(summaries: Iterable[TrialSummary]) -> Scalars:
    """Of complete trials; where a block holds two of a case, the later one counts."""
    table: dict[tuple[str, str], dict[int, float]] = {}
    for summary in summaries:
        case = summary.case.id
        for metric in METRICS if summary.state == "complete" else ():
            value = scalar(summary, metric)
            if value is not None:
                table.setdefault((metric, case), {})[summary.block] = value
    return table


def scalar(summary: TrialSummary, metric: str) -> float | None:
    """None where too few requests succeeded for that percentile."""
    latency = summary.latency_seconds
    return {"throughput": summary.throughput, "p50": latency.p50, "p95": latency.p95}[metric]
