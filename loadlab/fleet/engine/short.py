"""Connections that last as long as their requests: CONN_MAX_AGE = 0, without an event for each request.

Requests come at random, and no request waits for a thread. So the requests of each span between two instants are a
Poisson number, and each of them ends in one of the next spans with a probability that follows from how long it takes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.sessions import Instants

if TYPE_CHECKING:
    from loadlab.fleet.engine.sessions import Sessions
    from loadlab.fleet.engine.uses import Holds
    from loadlab.model.fleet import Counts, Numbers, Rates

_DRAWN: Final = 1 << 16
_AGES: Final = 20_000


def count_short(rates: Rates, holds: Holds, sessions: Sessions, random: np.random.Generator) -> int:
    """Counts a session for each request that comes with these rates, and gives how many there are."""
    lasting = holds.opening(_DRAWN)
    expected = np.interp(sessions.at, rates.edges, rates.expected)
    opened = random.poisson(np.diff(expected, prepend=0.0))
    if Instants(sessions.at).even:
        closed = _spread(opened, _spans_later(lasting / (sessions.at[1] - sessions.at[0])), random)
    else:
        closed = _one_by_one(opened, sessions.at, lasting, random)
    sessions.add(opened, closed, "request_end", lasting[:_AGES])
    return int(opened.sum())


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
    starts = np.concatenate((at[:1], at[:-1]))
    for place, count in enumerate(opened.tolist()):
        came = starts[place] + (at[place] - starts[place]) * random.random(count)
        ended = np.searchsorted(at, came + random.choice(lasting, count))
        closed += np.bincount(ended, minlength=len(closed))
    return closed[:-1]
