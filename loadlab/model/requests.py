"""Every request of a trial, in columns: from the load process that sent them to the analysis."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.columns import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PER_REQUEST: Final = ("ended", "response", "failed", "due", "sent")


@dataclass(frozen=True, kw_only=True, slots=True)
class Requests:
    """Every request of a trial, in the order of completion; the three columns have equal length.

    Times are seconds since the load started (warm-up included): `ended` is when the response was complete,
    `response` is how long it took, exactly as Locust's request event gave it. `failed` is 1.0 or 0.0.

    Under an open load `due` and `sent` are there too: when each request was due (NaN for one that no arrival asked for,
    such as the second of a task), and when it was sent. Then `response` counts from when it was due, and so does the
    window; ended − sent is the service time, sent − due the send lag. `dropped` are the instants of arrivals that
    were not sent at all.

    `no_answer` are the indexes of those failed requests that got no answer, in time or at all. Their `response` is
    the least that it would have been, and is part of the percentiles. `under_way` requests had just been sent when a
    closed load ended, and are in no column.
    """

    ended: Column
    response: Column
    failed: Column
    due: Column = ()
    sent: Column = ()
    dropped: Column = ()
    no_answer: Column = ()
    under_way: int = 0

    def __len__(self) -> int:
        return len(self.ended)


NO_REQUESTS: Final = Requests(ended=(), response=(), failed=())


def together(parts: Sequence[Requests]) -> Requests:
    """The requests of several load processes as one load's, again in the order of completion."""
    if len(parts) == 1 and not parts[0].due and not parts[0].no_answer:  # in order as it is
        return parts[0]
    order = np.argsort(_joined(parts, "ended"), kind="stable")
    columns = {name: _joined(parts, name) for name in PER_REQUEST}
    return Requests(
        **{name: _column(column[order]) for name, column in columns.items() if column.size},
        dropped=_column(np.sort(_joined(parts, "dropped"))),
        no_answer=_column(np.flatnonzero(np.isin(order, _no_answers(parts)))),
        under_way=sum(part.under_way for part in parts),
    )


def _no_answers(parts: Sequence[Requests]) -> NDArray[np.float64]:
    """Their indexes among the requests of all parts, one part after the other."""
    firsts = np.cumsum([0, *(len(part) for part in parts)])
    return np.concatenate([first + np.asarray(part.no_answer) for first, part in zip(firsts, parts, strict=False)])


def _joined(parts: Sequence[Requests], name: str) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(getattr(part, name), dtype=np.float64) for part in parts])


def _column(values: NDArray[np.generic]) -> Sequence[float]:
    return array("d", values.astype(np.float64).tobytes())
