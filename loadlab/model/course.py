"""How a trial went from an instant on: from its fault, or from the start of its window where it has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.window import Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.model.samples import Series, Trial

SLICE_SECONDS: Final = 0.25  # throughput is counted in slices of this length
STORM_SECONDS: Final = 1.0
MOST_SLICES: Final = 40_000  # nearly three hours
MOST_COUNTED: Final = 2**53  # what a float counts exactly
_ROUNDING: Final = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """What is needed of a trial's columns to say what its fault did; all is of the window, times are in seconds.

    It begins when the lab began to apply the fault. `failed` requests ended after that, and `failed_before` before it.
    `failed_since` are those of them that were sent once the fault was in place; `first_success` is how long after that
    instant the first success came that was sent after it, None without any. For as long as `silence` no request
    succeeded. `successes` are those of each slice of SLICE_SECONDS.

    By the samples of the target's ledger: `open_then` connections were open when it began, None if that was not seen;
    `opened` were opened after that, and at least `most_opened` of them within one second.
    """

    failed: int
    failed_before: int
    failed_since: int
    first_success: float | None
    silence: float
    successes: tuple[int, ...]
    open_then: int | None
    opened: int
    most_opened: int


@np.errstate(invalid="ignore", over="ignore")  # a damaged column may have any numbers
def course_of(trial: Trial) -> Course:
    """From the columns of its requests and samples."""
    seen, window = trial.fault_seen, trial.window
    begun = window.start if seen is None else seen.began
    in_place = begun if seen is None or seen.applied is None else seen.applied
    ended = np.asarray(trial.requests.ended, dtype=np.float64)
    sent = _sent(trial, ended)
    failed = np.asarray(trial.requests.failed, dtype=np.float64) > 0
    failed_inside = failed & window.of(trial.requests)
    after = failed_inside & (ended >= begun)
    successes = np.sort(ended[~failed])
    since = ended[~failed & (sent >= in_place)]
    rest = Window(begun, window.end)
    opened, most_opened = _opened(trial.series, begun)
    return Course(
        failed=int(after.sum()),
        failed_before=int((failed_inside & ~after).sum()),
        failed_since=int((failed_inside & (sent >= in_place)).sum()),
        first_success=float(since.min() - in_place) if since.size else None,
        silence=_silence(successes, rest),
        successes=_per_slice(successes, rest),
        open_then=_last(trial.series, "open", begun),
        opened=opened,
        most_opened=most_opened,
    )


def _sent(trial: Trial, ended: NDArray[np.float64]) -> NDArray[np.float64]:
    """Under a closed load, a response counts from when its request was sent."""
    if len(trial.requests.sent):
        return np.asarray(trial.requests.sent, dtype=np.float64)
    return ended - np.asarray(trial.requests.response, dtype=np.float64)


def _silence(successes: NDArray[np.float64], rest: Window) -> float:
    instants = np.concatenate(([rest.start], successes[rest.holds(successes)], [rest.end]))
    return float(np.diff(instants).max(initial=0.0))


def _per_slice(successes: NDArray[np.float64], rest: Window) -> tuple[int, ...]:
    """In whole slices; what is left at the end is too short to say anything."""
    slices = int(min(MOST_SLICES, max(0.0, rest.seconds) / SLICE_SECONDS + _ROUNDING))
    edges = rest.start + SLICE_SECONDS * np.arange(slices + 1)
    return tuple(int(count) for count in np.diff(np.searchsorted(successes, edges)))


def _last(series: Series, quantity: str, before: float) -> int | None:
    """The last sample that was taken before an instant."""
    at, column = _sampled(series, quantity)
    seen = int(np.searchsorted(at, before))
    return _whole(column[seen - 1]) if seen else None


def _sampled(series: Series, quantity: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Instants and values."""
    column = np.asarray(series.of(quantity), dtype=np.float64)
    return np.asarray(series.at, dtype=np.float64)[: column.size], column


def _whole(value: float) -> int:
    """Of a damaged sample, 0."""
    return int(value) if abs(value) < MOST_COUNTED else 0


def _opened(series: Series, begun: float) -> tuple[int, int]:
    """In all since the last sample before an instant, and the most within a second.

    That is between two samples at most a second apart. Where there were none for longer, it is the mean of a second.
    """
    at, opened = _sampled(series, "opened")
    first = max(0, int(np.searchsorted(at, begun)) - 1)
    at, opened = at[first:], opened[first:]
    if at.size == 0:
        return 0, 0
    latest = np.searchsorted(at, at + STORM_SECONDS + _ROUNDING, side="right") - 1
    apart, blind = np.diff(at), np.diff(at) > STORM_SECONDS
    across = (np.diff(opened)[blind] / apart[blind]).max(initial=0.0)
    return _whole(opened[-1] - opened[0]), _whole(max((opened[latest] - opened).max(), across))
