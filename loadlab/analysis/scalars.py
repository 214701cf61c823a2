"""The one number per metric, case and block that comparisons are made of."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, nan
from typing import TYPE_CHECKING, Final, TypeAlias

from loadlab.model.case import Case
from loadlab.stats.paired import ByBlock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.findings import TrialSummary

Scalars: TypeAlias = Mapping[tuple[str, Case], ByBlock]  # (metric, case) → block → value

METRICS: Final = ("throughput", "p50", "p95")
HIGHER_IS_BETTER: Final = frozenset({"throughput"})


def scalars(summaries: Iterable[TrialSummary]) -> Scalars:
    """Of all trials that say something; where a block holds two of a case, the later one counts."""
    table: dict[tuple[str, Case], dict[int, float]] = {}
    by_case: dict[Case, list[TrialSummary]] = {}
    for summary in summaries:
        by_case.setdefault(summary.case, []).append(summary)
    for case, of_case in by_case.items():
        for metric in METRICS:
            values = {one.block: value for one in of_case if (value := scalar(one, metric)) is not None}
            if values:
                table[metric, case] = values
    return table


def scalar(summary: TrialSummary, metric: str) -> float | None:
    """None where the trial says nothing of its case, because the lab or its generator failed.

    A trial that served nothing has a throughput of 0 and an infinite latency. NaN is a value that exists and is not
    known: of a trial that is invalid because the target did not keep up, or whose percentile is withheld because too
    few requests succeeded. To leave such trials out would drop the worst of a case.
    """
    if summary.silent:
        return 0.0 if metric == "throughput" else inf
    if summary.outpaced:
        return nan
    if summary.state != "complete":
        return None
    latency = summary.latency_seconds
    value = {"throughput": summary.throughput, "p50": latency.p50, "p95": latency.p95, "p99": latency.p99}[metric]
    return nan if value is None else value
