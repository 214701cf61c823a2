"""What failed, by case and kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from loadlab.model.findings import FailureRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.analysis.arms import Measured

SERVER_ERROR: Final = "HTTP 5"


def failure_rows(everything: Iterable[Measured]) -> tuple[FailureRow, ...]:
    """Most frequent first within a case. All trials count here: what made one invalid is worth a look."""
    requests: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    unopened: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in everything:
        case = one.trial.case.id
        requests[case] += one.summary.requests
        unopened[case].update(one.trial.connections.after_stop.connect_errors)
        for failure in one.trial.failures:
            counts[case, failure.kind] += failure.count
            examples.setdefault((case, failure.kind), failure.example)
    order = {case: position for position, case in enumerate(requests)}
    return tuple(
        FailureRow(
            case=case,
            kind=kind,
            count=count,
            share=count / max(requests[case], count),  # whatever was recorded, a share is at most 1
            example=examples[case, kind] + (_why(unopened[case]) if kind.startswith(SERVER_ERROR) else ""),
        )
        for (case, kind), count in sorted(counts.items(), key=lambda item: (order[item[0][0]], -item[1]))
        if count
    )


def _why(unopened: Counter[str]) -> str:
    """What the target's counts know of it, where a client sees a status alone; empty where every connection opened."""
    kinds = ", ".join(f"{count:,} × {kind}" for kind, count in unopened.most_common())
    return f"; connections that could not be opened: {kinds}" if kinds else ""
