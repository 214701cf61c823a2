"""What the columns of a trial come to: a report of thousands of trials reads this, and not their requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.course import Course, course_of
from loadlab.model.percentiles import Percentiles, percentiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from loadlab.model.requests import Requests
    from loadlab.model.samples import Trial

VERSION: Final = 2  # of what the fields below mean; the extract of a record with another one is made anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Extract:
    """All that an analysis needs of a trial's columns, but for the samples of open connections.

    `requests`, `failures`, `dropped` and all times are of the window. `latency` is that of requests that succeeded or
    got no answer, `mean_response_seconds` that of all requests, 0 without any. `service` counts from when requests were
    sent, and `send_lag_p99_seconds` is how late that was; both are of an open load.

    `sent` and `failed` are of the whole trial. `under_way` is the most requests at once by when they were sent and
    ended, 0 under a closed load. `highest` is of each quantity that was sampled. `course` is how the
    trial went from its fault on.

    A record has it for the very columns of which `columns` is the checksum.
    """

    requests: int
    failures: int
    latency: Percentiles
    mean_response_seconds: float
    service: Percentiles | None
    send_lag_p99_seconds: float | None
    dropped: int
    sent: int
    failed: int
    under_way: int
    highest: dict[str, float]
    course: Course
    version: int = VERSION
    columns: int = 0


def extract_of(trial: Trial) -> Extract:
    """The one that the trial was read with, or the same from its columns."""
    return trial.extract or _of_columns(trial)


def _of_columns(trial: Trial) -> Extract:
    requests, is_open = trial.requests, trial.case.open_load is not None
    inside = trial.window.of(requests)
    failed = as_array(requests.failed) > 0
    waited = inside & _waited(requests)
    response = as_array(requests.response)
    return Extract(
        requests=int(inside.sum()),
        failures=int(failed[inside].sum()),
        latency=percentiles(response[waited]),
        mean_response_seconds=float(response[inside].mean()) if inside.any() else 0.0,
        service=percentiles(_service(requests)[waited]) if is_open else None,
        send_lag_p99_seconds=_send_lag_p99(requests, inside) if is_open else None,
        dropped=int(trial.window.holds(requests.dropped).sum()),
        sent=len(requests),
        failed=round(sum(requests.failed)),
        under_way=_under_way(requests) if is_open else 0,
        highest=trial.series.highest,
        course=course_of(trial),
    )


def _waited(requests: Requests) -> NDArray[np.bool_]:
    """Which requests say how long a visitor waits: those that succeeded, and those without a response.

    The latter waited longer than is known. Other failures may come fast, and would flatter.
    """
    waited: NDArray[np.bool_] = as_array(requests.failed) == 0
    waited[as_array(requests.no_answer).astype(np.intp)] = True
    return waited


def as_array(column: Sequence[float]) -> NDArray[np.float64]:
    return np.asarray(column, dtype=np.float64)


def _service(requests: Requests) -> NDArray[np.float64]:
    """How long each request took from when it was sent."""
    return as_array(requests.ended) - as_array(requests.sent)


def _send_lag_p99(requests: Requests, inside: NDArray[np.bool_]) -> float | None:
    lag = (as_array(requests.sent) - as_array(requests.due))[inside]
    return percentiles(lag[~np.isnan(lag)]).p99


def _under_way(requests: Requests) -> int:
    sent, ended = np.sort(as_array(requests.sent)), np.sort(as_array(requests.ended))
    under_way = np.arange(1, sent.size + 1) - np.searchsorted(ended, sent, side="right")
    return int(under_way.max(initial=0))
