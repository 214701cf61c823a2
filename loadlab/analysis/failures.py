"""What failed, by case and kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from loadlab.model.findings import FailureRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.analysis.arms import MeasuredTrial
    from loadlab.model.case import Case
    from loadlab.model.samples import Failure

SERVER_ERROR: Final = 500  # and above


def failure_rows(everything: Iterable[MeasuredTrial]) -> tuple[FailureRow, ...]:
    """Most frequent first within a case. All trials count here: what made one invalid is worth a look."""
    by_case: dict[Case, list[MeasuredTrial]] = {}
    for one in everything:
        by_case.setdefault(one.trial.case, []).append(one)
    return tuple(row for case, of_case in by_case.items() for row in _rows(case, of_case))


def _rows(case: Case, of_case: Sequence[MeasuredTrial]) -> Iterator[FailureRow]:
    counts: Counter[str] = Counter()
    firsts: dict[str, Failure] = {}
    unopened: Counter[str] = Counter()
    for one in of_case:
        unopened.update(one.trial.connections.after_stop.connect_errors)
        for failure in one.trial.failures:
            counts[failure.kind] += failure.count
            firsts.setdefault(failure.kind, failure)
    requests = sum(one.summary.requests for one in of_case)
    for kind, count in counts.most_common():
        if count:
            yield FailureRow(
                case=case,
                kind=kind,
                count=count,
                share=count / max(requests, count),  # a share is at most 1, even of a damaged record
                example=firsts[kind].example,
                unopened=dict(unopened.most_common()) if firsts[kind].status >= SERVER_ERROR else {},
            )
