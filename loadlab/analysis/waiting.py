"""How long requests waited for a connection that others held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.extract import extract_of
from loadlab.model.findings import Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.samples import Trial

LONGEST, CLIENTS = "pooler_longest_wait_seconds", "pooler_clients_waiting"


def waiting(trials: Sequence[Trial], requests: int) -> Waiting | None:
    """Of a pooler outside if there is one, else of the project's own pool; None where there is neither.

    `requests` are those of all windows, over which a pool's waits are counted.
    """
    if any(trial.connections.pooler for trial in trials):
        return _at_pooler(trials)
    return _at_pool(trials, requests)


def _at_pool(trials: Sequence[Trial], requests: int) -> Waiting | None:
    windows = [(trial.connections.window_start, trial.connections.window_end) for trial in trials]
    waits = sum(end.waits - start.waits for start, end in windows)
    seconds = sum(end.wait_seconds_sum - start.wait_seconds_sum for start, end in windows)
    if not waits:
        return None
    return Waiting(
        at="pool",
        waits=waits,
        mean_seconds=seconds / waits,
        seconds_per_request=seconds / requests if requests else 0,
    )


def _at_pooler(trials: Sequence[Trial]) -> Waiting:
    """A pooler counts since it started, so the whole trial's requests are what its waits are shared by."""
    waited = sum(trial.connections.pooler.at_rest.waited_seconds for trial in trials if trial.connections.pooler)
    requests = sum(extract_of(trial).sent for trial in trials)
    longest = [most for trial in trials if (most := trial.highest(LONGEST)) is not None]
    clients = [int(most) for trial in trials if (most := trial.highest(CLIENTS)) is not None]
    return Waiting(
        at="pooler",
        seconds_per_request=waited / requests if requests else 0.0,
        longest_seconds=max(longest, default=None),
        waiting_at_once=max(clients, default=None),
    )
