"""Every request of a trial, in columns: from the load process that sent them to the analysis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from loadlab.model.columns import Column

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

    `no_answer` are the indexes of those failed requests that got no response, in time or at all. Their `response` is
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
