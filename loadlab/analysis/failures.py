"""What failed, by case and kind."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from loadlab.model.findings import FailureRow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.analysis.arms import Measured
    from loadlab.model.case import Case
    from loadlab.model.samples import Failure

SERVER_ERROR: Final = 500  # and above


def failure_rows(everything: Iterable[Measured]) -> tuple[FailureRow, ...]:
    """Most frequent first within a case. All trials count here: what made one invalid is worth a look."""
    requests: Counter[Case] = Counter()
    counts: Counter[tuple[Case, str]] = Counter()
    firsts: dict[tuple[Case, str], Failure] = {}
    unopened: defaultdict[Case, Counter[str]] = defaultdict(Counter)
    for one in everything:
        case = one.trial.case
        requests[case] += one.summary.requests
        unopened[case].update(one.trial.connections.after_stop.connect_errors)
        for failure in one.trial.failures:
            counts[case, failure.kind] += failure.count
            firsts.setdefault((case, failure.kind), failure)
    order = {case: position for position, case in enumerate(requests)}
    return tuple(
        FailureRow(
            case=case,
            kind=kind,
            count=count,
            share=count / max(requests[case], count),  # a share is at most 1, even of a damaged record
            example=firsts[case, kind].example,
            unopened=dict(unopened[case].most_common()) if firsts[case, kind].status >= SERVER_ERROR else {},
        )
        for (case, kind), count in sorted(counts.items(), key=lambda item: (order[item[0][0]], -item[1]))
        if count
    )
