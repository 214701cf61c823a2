"""Whether a load was what the plan says, and nothing disturbed it: if not, something else was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.model.causes import Cause
from loadlab.model.window import Window
from loadlab.store.layout import LOCUST_LOG, LOGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from loadlab.load.generator.contract import LoadResult
    from loadlab.load.generator.ticker import Pause
    from loadlab.model.requests import Requests
    from loadlab.model.samples import State

BUSY_GENERATOR: Final = 0.9  # of one core: beyond it, the generator is what was measured
MOST_DROPPED: Final = 0.001  # of what was due within the window
LATEST: Final = 0.05  # p99 of the send lag, as a share of the p99 of the response
P99: Final = 0.99
MOST_SKEWED: Final = 0.02  # of the window: load processes on other hosts must start at one instant
MOST_STILL: Final = 0.05  # of the window, that a process of the lab or its sight may be gone
LEAST_STILL_SECONDS: Final = 0.25  # for a load process; below it, a busy machine has only let others go first
LEAST_UNSEEN_SECONDS: Final = 0.5  # for the lab, which times no request
LEAST_SILENCE_SECONDS: Final = 0.5  # without any response; below it, requests may only have come together
MOST_IDLE: Final = 0.25  # of the time of users who are at work, that may be spent outside of requests
USUAL: Final = 0.95  # of the responses outside of a silence are within what is usual
UNUSUAL: Final = 3.0  # times that; slow requests which are sent together are answered together


@dataclass(frozen=True, kw_only=True, slots=True)
class Validity:
    """What a trial is worth, and why if it is not complete: in words, and as codes."""

    state: State
    reason: str = ""
    causes: tuple[Cause, ...] = ()

    @property
    def by_target(self) -> bool:
        """Whether the target may have brought it about.

        To leave the trial out, or to measure it again until it succeeds, would flatter the case.
        """
        return any(cause.by_target for cause in self.causes)


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderFault:
    """A fault that came into a load, as its case wants: when it `began` and was `lifted`, in seconds since the start.

    What it is `expected` to do is no reason against the trial from then on, and is one before.
    """

    began: float
    lifted: float | None
    expected: frozenset[Cause]

    def judged(self, cause: Cause, window: Window) -> Window:
        """The part of a window in which such a cause counts."""
        return Window(window.start, max(window.start, self.began)) if cause in self.expected else window

    def seen(self, window: Window) -> list[Window]:
        """The parts of a window in which the lab has to see the target."""
        parts = [Window(window.start, self.began), Window(self.lifted or window.end, window.end)]
        return [part for part in parts if part.seconds > 0]


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What came in between while a trial ran: its code, and the words for it."""

    cause: Cause
    reason: str


def still_too_long(seconds: float, window: Window, least_seconds: float) -> bool:
    """Whether that is more of the window than may be missing; `least_seconds` are always allowed."""
    return seconds > max(MOST_STILL * (window.seconds), least_seconds)


def validity(
    result: LoadResult | None,
    window: Window,
    *,
    is_open: bool,
    disturbances: Sequence[Disturbance] = (),
    fault: UnderFault | None = None,
) -> Validity:
    """`window` is in seconds since the load started; `disturbances` are those seen from outside the load.

    A `fault` that the case wants came in between.
    """
    disturbances = [one for one in disturbances if fault is None or one.cause not in fault.expected]
    if result is None:
        return _because(
            "failed", [Disturbance(Cause.GENERATOR_FAILED, "the generator broke or hung; see its log"), *disturbances]
        )
    if not result.lost and not result.requests.ended:
        log = f"{LOGS}/{LOCUST_LOG} and the server's log beside it may say why"
        silent = Disturbance(Cause.UNANSWERED, f"no request was answered at all; {log}")
        # Disturbed from outside, it says nothing about the case; otherwise it is the worst that a case can do.
        return _because("invalid" if disturbances else "failed", [*disturbances, silent])
    found = [*_of_load(result, window, fault, is_open=is_open), *disturbances]
    return _because("invalid", found) if found else Validity(state="complete")


def _because(state: State, found: Sequence[Disturbance]) -> Validity:
    reasons, causes = dict.fromkeys(one.reason for one in found), dict.fromkeys(one.cause for one in found)
    return Validity(state=state, reason="; ".join(reasons), causes=tuple(causes))


def _of_load(result: LoadResult, window: Window, fault: UnderFault | None, *, is_open: bool) -> Iterator[Disturbance]:
    def part(cause: Cause) -> Window:
        return fault.judged(cause, window) if fault else window

    if result.lost:
        yield Disturbance(Cause.LOAD_LOST, f"{'; '.join(result.lost)}: part of the load was missing")
        return
    still = stood_still("the generator", result.pauses, window)
    found = {
        Cause.REQUESTS_NOT_KEPT: _unkept(result),
        Cause.GENERATOR_BUSY: _busy(result),
        Cause.STARTS_SKEWED: _skewed(result, window),
        Cause.GENERATOR_STOOD_STILL: still,
        # A pause of the generator explains what follows.
        Cause.USERS_IDLE: "" if is_open or still else _idle(result, part(Cause.USERS_IDLE)),
        Cause.TASKS_DROPPED: _dropped(result.requests, part(Cause.TASKS_DROPPED)) if is_open else "",
        # By the target: on one machine a slow target takes the generator's time.
        Cause.SENT_LATE: _late(result.requests, part(Cause.SENT_LATE)) if is_open else "",
        Cause.TARGET_STOOD_STILL: "" if still else _silent(result.requests, part(Cause.TARGET_STOOD_STILL)),
    }
    yield from (Disturbance(cause, reason) for cause, reason in found.items() if reason)


def stood_still(who: str, pauses: Sequence[Pause], window: Window, least_seconds: float = LEAST_STILL_SECONDS) -> str:
    """That a process of the lab did not run for too long within the window; empty if none did."""
    longest = max(pauses, key=lambda one: one.seconds, default=None)
    if longest is None or not still_too_long(longest.seconds, window, least_seconds):
        return ""
    figures = f"{longest.seconds:.2f} s, in a window of {window.seconds:g} s"
    if longest.suspended > longest.seconds / 2:
        return f"the machine was suspended for {figures}"
    return f"{who} did not run for {figures}: it was stopped, or the machine is too busy"


def _silent(requests: Requests, window: Window) -> str:
    """That nothing was answered for much longer than requests usually take, although some were under way."""
    silence = longest_silence(requests, window)
    if silence is None:
        return ""
    seconds, usual = silence
    limit = max(LEAST_SILENCE_SECONDS, MOST_STILL * (window.seconds), UNUSUAL * usual)
    if seconds <= limit:
        return ""
    return (
        f"requests were under way and none was answered for {seconds:.2f} s of the window, although 95 % of the others"
        f" took {usual * 1000:.3g} ms or less: the server, the database or something between them stalled"
    )


def _idle(result: LoadResult, window: Window) -> str:
    """Little's law: users at work are in a request, N = X R; where they were not, their time went elsewhere."""
    active_users, length = sum(result.active_users), window.seconds
    if not active_users or not length:
        return ""
    ended, response = _column(result.requests.ended), _column(result.requests.response)
    in_requests = float((ended.clip(*window) - (ended - response).clip(*window)).sum()) / length
    # Of each user's last request nothing may be known: the load ended before it did.
    unseen = active_users * min(1.0, float(np.quantile(response, USUAL)) / length)
    lost = (active_users - in_requests - unseen) / active_users
    if lost <= MOST_IDLE:
        return ""
    return (
        f"users were in requests for only {_percent(in_requests / active_users)} of the time that they were active:"
        f" more than {_percent(MOST_IDLE)} is missing, so requests never ended, or the generator did not send them"
    )


def longest_silence(requests: Requests, window: Window) -> tuple[float, float] | None:
    """For how long nothing was answered within the window while some request was under way, and what is usual.

    That is the response time, in seconds, which 95 % of the requests had that were not under way then. None where
    there were no others: the target may have stood still, or be as slow as that.
    """
    ended = _column(requests.ended)
    service = ended - _column(requests.sent) if len(requests.sent) else _column(requests.response)
    order = np.argsort(ended, kind="stable")
    ended, begun = ended[order], (ended - service)[order]
    # While all users pause, nothing is awaited: a silence begins when the first request is sent that ends it.
    first_sent = np.minimum.accumulate(begun[::-1])[::-1]
    since = np.maximum(np.concatenate(([0.0], ended[:-1])), first_sent).clip(*window)
    silences = ended.clip(*window) - since
    if not silences.size:
        return None
    longest = int(np.argmax(silences))
    other = (ended <= since[longest]) | (begun >= ended[longest])
    if not other.any():
        return None
    return float(silences[longest]), float(np.quantile((ended - begun)[other], USUAL))


def _unkept(result: LoadResult) -> str:
    if not result.unkept:
        return ""
    kept = len(result.requests)
    return (
        f"{result.unkept:,} requests after the first {kept:,} were not kept: use a shorter window or more load workers"
    )


def _busy(result: LoadResult) -> str:
    number, share = max(enumerate(result.busy, 1), key=lambda one: one[1], default=(1, 0.0))
    if share <= BUSY_GENERATOR:
        return ""
    which = f"load process {number} of {len(result.busy)}" if len(result.busy) > 1 else "the generator"
    use = "use fewer users, a lower rate or more load workers"
    return f"{which} used {_percent(share)} of a core: it was the bottleneck; {use}"


def _skewed(result: LoadResult, window: Window) -> str:
    skew, length = max(result.skew, default=0.0), window.seconds
    if skew <= MOST_SKEWED * length:
        return ""
    return (
        f"load workers may have started up to {skew * 1000:.3g} ms apart, which is {_percent(skew / length)} of the"
        f" window, more than {_percent(MOST_SKEWED)}: use a longer window, or workers that are nearer and less busy"
    )


def _dropped(requests: Requests, window: Window) -> str:
    dropped = int(window.holds(requests.dropped).sum())
    due = dropped + int(window.holds(requests.due).sum())
    if dropped <= MOST_DROPPED * due:
        return ""
    return (
        f"{dropped:,} of {due:,} tasks that were due ({_percent(dropped / due)}) were dropped, more than"
        f" {_percent(MOST_DROPPED)}: all users were at work; use a lower rate, or a larger load.outstanding"
    )


def _late(requests: Requests, window: Window) -> str:
    due = _column(requests.due)
    inside = window.holds(due)  # of those that an arrival asked for
    if not inside.any():
        return ""
    lag = float(np.quantile((_column(requests.sent) - due)[inside], P99))
    response = float(np.quantile(_column(requests.response)[inside], P99))
    if lag <= LATEST * response:
        return ""
    return (
        f"requests were sent late: p99 of the send lag, {lag * 1000:.2f} ms, is {_percent(lag / response)} of that of"
        f" the response, {response * 1000:.2f} ms: more than {_percent(LATEST)}; use a lower rate, more load workers or"
        " a machine with cores to spare"
    )


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _column(values: object) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)
