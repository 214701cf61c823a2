"""Erlang's formulas: how many requests find all servers busy, where they come at random."""

from __future__ import annotations


def probability_of_refusal(servers: int, offered: float) -> float:
    """Erlang's B: the share of requests that find all busy, where those are lost. `offered` are under way on average.

    >>> round(probability_of_refusal(2, 1.0), 3)
    0.2
    """
    refused = 1.0
    for busy in range(1, servers + 1):
        refused = offered * refused / (busy + offered * refused)
    return refused


def probability_of_waiting(servers: int, offered: float) -> float:
    """Erlang's C: the share of requests that find all busy, where those wait; 1 where they are more than can be served.

    >>> round(probability_of_waiting(2, 1.0), 3)
    0.333
    """
    if offered >= servers:
        return 1.0
    refused = probability_of_refusal(servers, offered)
    return refused / (1 - offered / servers * (1 - refused))
