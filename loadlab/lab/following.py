"""What a trial looks like now, for whoever follows the run: its connections, its load, its cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadlab.load.generator import tally
from loadlab.model.samples import most_at_once
from loadlab.store.progress import Sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.load.generator.tally import Counts
    from loadlab.model.counts import ConnectionCounts, PoolerCounts
    from loadlab.model.samples import Trial

STATES = ("active", "idle", "idle_in_transaction")


@dataclass(frozen=True, kw_only=True, slots=True)
class Follower:
    """Tells of one trial; `sessions` and `max_connections` are PostgreSQL's before it began, None if not asked."""

    tell: Callable[[Sampled], None]
    order: int
    sessions: int | None
    max_connections: int | None
    _cpu: dict[str, float] = field(default_factory=dict)  # as last seen: a tree that is gone has no account

    def seen(
        self,
        reading: Mapping[str, float],
        highest: Mapping[str, float],
        counts: ConnectionCounts,
        pooler: PoolerCounts | None,
        load: Counts,
    ) -> None:
        """One look at a trial that runs: `reading` is that of all probes, `highest` what was sampled until now."""
        # A process that ends may take its account with it, and a counter that falls would count as one that began anew.
        cpu = {name: value for name, value in reading.items() if name.startswith("cpu_")}
        self._cpu.update({name: max(value, self._cpu.get(name, 0.0)) for name, value in cpu.items()})
        values = {
            **_of_backends(reading),
            **({} if self.sessions is None else {"sessions": reading["sessions"] - self.sessions}),
            **_of_counts(counts),
            "peak": most_at_once(highest, behind_pooler=pooler is not None),
            **_of_pooler(pooler, reading),
        }
        self._tell(values, load)

    def ended(self, trial: Trial) -> None:
        """What the record of the trial says: every process of the target is gone, or goes on at rest."""
        connections = trial.connections
        left = 0 if connections.stopped else connections.left_open
        values = {
            **({} if left is None else _of_backends({"backends": left, **dict.fromkeys(STATES, 0), "idle": left})),
            **({} if connections.sessions is None else {"sessions": connections.sessions}),
            **_of_counts(connections.after_stop),
            "peak": trial.peak,
            **_of_pooler(connections.pooler.after_stop if connections.pooler else None, {}),
        }
        self._tell(values, tally.counted(trial.requests.response, trial.requests.failed))

    def _tell(self, values: Mapping[str, float], load: Counts) -> None:
        of_load = {"requests": load.requests, "failures": load.failures, "response_seconds_sum": load.seconds}
        most = {} if self.max_connections is None else {"max_connections": self.max_connections}
        self.tell(
            Sampled(
                at=time.time(),
                order=self.order,
                values={**values, **self._cpu, **of_load, **most},
                response_buckets=load.buckets,
            )
        )


def _of_backends(reading: Mapping[str, float]) -> dict[str, float]:
    if "backends" not in reading:  # PostgreSQL was not asked
        return {}
    known = {f"backends_{state}": reading[state] for state in STATES}
    return {"backends": reading["backends"], **known, "backends_other": reading["backends"] - sum(known.values())}


def _of_counts(counts: ConnectionCounts) -> dict[str, float]:
    return {
        "open": counts.open,
        "opened": counts.opened,
        "reused": counts.reused,
        **{f"closed_{reason}": count for reason, count in counts.closed.items()},
        **{f"connect_errors_{kind}": count for kind, count in counts.connect_errors.items()},
    }


def _of_pooler(counts: PoolerCounts | None, reading: Mapping[str, float]) -> dict[str, float]:
    if counts is None:
        return {}
    return {
        "pooler_clients": counts.clients_open,
        "pooler_servers": counts.servers_open,
        "pooler_clients_waiting": reading.get("clients_waiting", 0),
        "pooler_waited_seconds": counts.waited_seconds,
    }
