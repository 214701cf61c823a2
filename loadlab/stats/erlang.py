"""Erlang's formulas: how many requests find all servers busy, where they come at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Numbers = NDArray[np.float64]


def probability_of_refusal(servers: int, offered: ArrayLike) -> Numbers:
    """Erlang's B: the share of requests that find all busy, where those are lost. `offered` are under way on average.

    >>> probability_of_refusal(2, [1.0, 2.0]).round(3).tolist()
    [0.2, 0.4]
    """
    wanted = np.asarray(offered, dtype=np.float64)
    refused = np.ones_like(wanted)
    for busy in range(1, servers + 1):
        refused = wanted * refused / (busy + wanted * refused)
    return refused


def probability_of_waiting(servers: int, offered: float) -> float:
    """Erlang's C: the share of requests that find all busy, where those wait; 1 where they are more than can be served.

    >>> round(probability_of_waiting(2, 1.0), 3)
    0.333
    """
    if offered >= servers:
        return 1.0
    refused = float(probability_of_refusal(servers, offered))
    return refused / (1 - offered / servers * (1 - refused))
