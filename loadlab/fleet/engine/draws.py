"""Random numbers for a simulation that asks for one at a time, drawn many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.model.fleet import Application, Numbers, Rates

_AT_ONCE: Final = 4096


def arrivals(rates: Rates, random: np.random.Generator) -> Numbers:
    """When requests arrive, sorted: a Poisson process with these rates.

    Given their number, they are independent and as likely in each stretch of time as its expected requests.
    """
    expected = rates.expected
    drawn = np.sort(random.random(random.poisson(expected[-1]))) * expected[-1]
    times: Numbers = np.interp(drawn, expected, rates.edges)
    return times


class Draws:
    """Endless streams of random numbers: `next(draws.holds)` is one more."""

    __slots__ = ("connects", "holds", "random", "uniforms")

    def __init__(self, application: Application, random: np.random.Generator) -> None:
        self.random = random
        self.holds = _stream(lambda count: application.hold_seconds.draw(random, count))
        self.connects = _stream(lambda count: application.connect_seconds.draw(random, count))
        self.uniforms = _stream(random.random)


def _stream(draw: Callable[[int], Numbers]) -> Iterator[float]:
    while True:
        yield from draw(_AT_ONCE).tolist()
