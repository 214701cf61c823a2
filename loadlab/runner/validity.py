"""Whether a load was what the plan says: if not, what was measured is the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.samples import UNANSWERED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.load.contract import LoadResult
    from loadlab.model.samples import State

BUSY_GENERATOR: Final = 0.9  # of one core: beyond it, the generator is what was measured
MOST_DROPPED: Final = 0.001  # of what was due within the window
LATEST: Final = 0.05  # p99 of the send lag, as a share of the p99 of the response
P99: Final = 0.99


MOST_SKEWED: Final = 0.02  # of the window: load processes on other hosts must start at one instant


def state_of(result: LoadResult | None, window: tuple[float, float], *, is_open: bool) -> tuple[State, str]:
    """What a trial is worth, and why if it is not complete; `window` is in seconds since the load started."""
    if result is None:
        return "failed", "the generator broke or hung; see its log"
    if result.lost:
        return "invalid", f"{'; '.join(result.lost)}: part of the load was missing"
    if not result.ended:
        return "failed", f"{UNANSWERED}; logs/locust.log and the server's log beside it may say why"
    faults = [
        _unkept(result),
        _busy(result),
        _skewed(result, window),
        *([_dropped(result, window), _late(result, window)] if is_open else []),
    ]
    reason = "; ".join(filter(None, faults))
    return ("invalid", reason) if reason else ("complete", "")


def _unkept(result: LoadResult) -> str:
    if not result.unkept:
        return ""
    kept = len(result.ended)
    return (
        f"{result.unkept:,} requests after the first {kept:,} were not kept: use a shorter window or more load workers"
    )


def _busy(result: LoadResult) -> str:
    number, share = max(enumerate(result.busy, 1), key=lambda one: one[1], default=(1, 0.0))
    if share <= BUSY_GENERATOR:
        return ""
    which = f"load process {number} of {len(result.busy)}" if len(result.busy) > 1 else "the generator"
    return f"{which} used {_percent(share)} of a core: it was the bottleneck"


def _skewed(result: LoadResult, window: tuple[float, float]) -> str:
    skew, length = max(result.skew, default=0.0), window[1] - window[0]
    if skew <= MOST_SKEWED * length:
        return ""
    return (
        f"load workers may have started up to {skew * 1000:.3g} ms apart, which is {_percent(skew / length)} of the"
        f" window, more than {_percent(MOST_SKEWED)}: use a longer window, or workers that are nearer and less busy"
    )


def _dropped(result: LoadResult, window: tuple[float, float]) -> str:
    dropped = int(_within(_column(result.dropped), window).sum())
    due = dropped + int(_within(_column(result.due), window).sum())
    if dropped <= MOST_DROPPED * due:
        return ""
    return (
        f"{dropped:,} of {due:,} tasks that were due ({_percent(dropped / due)}) were dropped, more than"
        f" {_percent(MOST_DROPPED)}: as many as may be were under way; use a lower rate, or a larger load.outstanding"
    )


def _late(result: LoadResult, window: tuple[float, float]) -> str:
    due = _column(result.due)
    inside = _within(due, window)
    if not inside.any():
        return ""
    lag = float(np.quantile((_column(result.sent) - due)[inside], P99))
    response = float(np.quantile(_column(result.response)[inside], P99))
    if lag <= LATEST * response:
        return ""
    return (
        f"requests were sent late: p99 of the send lag, {lag * 1000:.2f} ms, is {_percent(lag / response)} of that of"
        f" the response, {response * 1000:.2f} ms: more than {_percent(LATEST)}"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _column(values: object) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _within(instants: NDArray[np.float64], window: tuple[float, float]) -> NDArray[np.bool_]:
    """NaN, for what no arrival has asked for, is in no window."""
    return (instants >= window[0]) & (instants < window[1])
