"""Connections that last as long as their requests: CONN_MAX_AGE = 0, without an event for each request.

Requests come at random, and no request waits for a thread. So the requests of each span between two instants are a
Poisson number, and each of them ends in one of the next spans with a probability that follows from how long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.counting import AGES_KEPT
from loadlab.fleet.engine.serving import in_steps
from loadlab.fleet.engine.sessions import Instants
from loadlab.stats.erlang import probability_of_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.fleet.engine.sessions import SessionTally
    from loadlab.fleet.engine.uses import Holds
    from loadlab.model.fleet import Counts, Numbers, Rates

_DRAWN: Final = 1 << 16
_AT_ONCE: Final = 1 << 19


def count_short(rates: Rates, free: int, holds: Holds, sessions: SessionTally, random: np.random.Generator) -> int:
    """Counts a session for each request that comes with these rates, and gives how many PostgreSQL refuses.

    Not more than `free` can be open.
    """
    lasting = holds.opening(_DRAWN)
    times, even = _spans(sessions.at, rates.seconds)
    expected = np.interp(times, rates.edges, rates.expected)
    opened = random.poisson(np.diff(expected, prepend=0.0))
    if even:
        closed = _spread(opened, _spans_later(lasting / (times[1] - times[0])), random)
    else:
        closed = _one_by_one(opened, times, lasting, random)
    refused = 0
    if np.cumsum(opened - closed).max() > free:
        under_way = in_steps(rates, np.append(times, times[-1])) * lasting.mean()
        refused_now, closed = _limited(opened, closed, under_way, free, random)
        opened = opened - refused_now
        refused = int(refused_now.sum())
    sessions.add(times, opened, closed, "request_end", lasting[:AGES_KEPT])
    return refused


def _spans(at: Numbers, seconds: float) -> tuple[Numbers, bool]:
    """The ends of spans from the start to the end, with all instants among them; and whether they are all as long."""
    if not Instants(at).even:
        return np.append(at, seconds) if at[-1] < seconds else at, False
    step = at[1] - at[0]
    before = np.ceil(at[0] / step) - 1 if at[0] > 0 else 0
    after = np.ceil((seconds - at[0]) / step - 1e-6)
    return at[0] + step * np.arange(-before, max(after, len(at) - 1) + 1), True


def _limited(
    opened: Counts, closed: Counts, under_way: Numbers, free: int, random: np.random.Generator
) -> tuple[Counts, Counts]:
    """How many of those that would open are refused in each span, and how many close then.

    Erlang's loss system: the share that is refused follows from how many would be under way on average, and what is
    open has the Poisson distribution that is cut off at `free`, for every distribution of the requests' times.
    """
    means, places = np.unique(under_way, return_inverse=True)
    refused = random.binomial(opened, probability_of_refusal(free, means)[places])
    wanted = np.cumsum(opened - closed)
    held = wanted.copy()
    for place, mean in enumerate(means.tolist()):
        here = places == place
        held[here] = _cut_off(wanted[here], mean, free)
    more = np.diff(held, prepend=0)
    refused = np.minimum(refused, opened - np.maximum(more, 0))
    return refused, opened - refused - more


def _cut_off(wanted: Counts, mean: float, free: int) -> Counts:
    """As improbable a number of the distribution that ends at `free`, for each number of the one without an end."""
    most = int(max(wanted.max(), free, mean + 10 * np.sqrt(mean))) + 1
    numbers = np.arange(most + 1)
    logarithms = numbers * np.log(max(mean, 1e-300)) - np.cumsum(np.log(np.maximum(numbers, 1)))
    whole = _cumulative(logarithms)
    middle = (whole[wanted] + np.where(wanted > 0, whole[wanted - 1], 0.0)) / 2
    cut: Counts = np.searchsorted(_cumulative(logarithms[: free + 1]), middle)
    return np.minimum(cut, free)


def _cumulative(logarithms: Numbers) -> Numbers:
    probabilities = np.exp(logarithms - logarithms.max())
    cumulative: Numbers = np.cumsum(probabilities) / probabilities.sum()
    return cumulative


def _spans_later(lasting: Numbers) -> Numbers:
    """The probability that a request ends so many spans after the one in which it came, at any moment of it."""
    whole = lasting.astype(np.int64)
    over = lasting - whole
    spans = np.bincount(whole, weights=1 - over, minlength=int(whole.max()) + 2)
    spans[1:] += np.bincount(whole, weights=over, minlength=len(spans) - 1)[: len(spans) - 1]
    return spans / len(lasting)


def _spread(opened: Counts, probabilities: Numbers, random: np.random.Generator) -> Counts:
    """How many end in each span."""
    closed = np.zeros_like(opened)
    left, tail = opened.copy(), 1.0
    for later, probability in enumerate(probabilities[: len(opened)]):
        ending = random.binomial(left, min(1.0, probability / tail)) if tail > 0 else left
        closed[later:] += ending[: len(opened) - later]
        left, tail = left - ending, tail - probability
    return closed


def _one_by_one(opened: Counts, at: Numbers, lasting: Numbers, random: np.random.Generator) -> Counts:
    """The same where the spans differ."""
    closed = np.zeros(len(at) + 1, dtype=np.int64)
    for start, end, all_of_them in zip([0.0, *at.tolist()], at.tolist(), opened.tolist(), strict=False):
        for count in _portions(all_of_them):
            came = start + (end - start) * random.random(count)
            ended = np.searchsorted(at, came + random.choice(lasting, count))
            closed += np.bincount(ended, minlength=len(closed))
    return closed[:-1]


def _portions(count: int) -> Iterator[int]:
    """So many in all, not too many at once."""
    for done in range(0, count, _AT_ONCE):
        yield min(_AT_ONCE, count - done)
