"""What failed, by case and kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from loadlab.model.findings import FailureRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.analysis.arms import Measured
    from loadlab.model.case import Case

SERVER_ERROR: Final = "HTTP 5"


def failure_rows(everything: Iterable[Measured]) -> tuple[FailureRow, ...]:
    """Most frequent first within a case. All trials count here: what made one invalid is worth a look."""
    requests: Counter[Case] = Counter()
    counts: Counter[tuple[Case, str]] = Counter()
    examples: dict[tuple[Case, str], str] = {}
    unopened: defaultdict[Case, Counter[str]] = defaultdict(Counter)
    for one in everything:
        case = one.trial.case
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
            share=count / max(requests[case], count),  # a share is at most 1, even of a damaged record
            example=examples[case, kind],
            unopened=dict(unopened[case].most_common()) if kind.startswith(SERVER_ERROR) else {},
        )
        for (case, kind), count in sorted(counts.items(), key=lambda item: (order[item[0][0]], -item[1]))
        if count
    )
