"""What a trial looks like now, for readers who follow the run: its connections, its load, its cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadlab.load.generator.request_counts import count_requests
from loadlab.model.holders import by_holder
from loadlab.model.samples import most_at_once
from loadlab.probes.activity import STATES
from loadlab.probes.cpu import Cpu
from loadlab.store.progress import Sampled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from loadlab.load.generator.request_counts import RequestCounts
    from loadlab.model.counts import ConnectionCounts, PoolerCounts
    from loadlab.model.samples import Trial
    from loadlab.store.progress import Event


CPU = frozenset(one.name for one in Cpu.quantities)


@dataclass(frozen=True, kw_only=True, slots=True)
class Follower:
    """Tells of one trial; `sessions` and `max_connections` are PostgreSQL's before it began, None if not asked."""

    tell: Callable[[Event], None]
    order: int
    sessions: int | None
    max_connections: int | None
    _last: dict[str, float] = field(default_factory=dict)  # of each quantity: at the end some cannot be read any more

    def seen(
        self,
        reading: Mapping[str, float],
        highest: Mapping[str, float],
        counts: ConnectionCounts,
        pooler: PoolerCounts | None,
        load: RequestCounts,
    ) -> None:
        """One look at a trial that runs: `reading` is that of all probes, `highest` what was sampled until now."""
        # Sessions are told since the trial began. A process that ends may take its CPU time with it, and a counter that
        # falls would count as one that began anew.
        now = {name: value for name, value in reading.items() if not name.startswith("sessions")}
        for name, value in now.items():
            self._last[name] = max(value, self._last.get(name, 0.0)) if name in CPU else value
        values = {
            **({} if self.sessions is None else {"sessions": reading["sessions"] - self.sessions}),
            **_of_counts(counts),
            "peak": most_at_once(highest, behind_pooler=pooler is not None),
            **_of_pooler(pooler),
        }
        self._tell(values, load)

    def ended(self, trial: Trial) -> None:
        """What the record of the trial says: every process of the target is gone, or goes on at rest."""
        connections = trial.connections
        left = 0 if connections.stopped else connections.left_open
        values = {
            **({} if left is None else _idle(left)),
            **({} if connections.sessions is None else {"sessions": connections.sessions}),
            **_of_counts(connections.after_stop),
            "peak": trial.peak,
            **_of_pooler(connections.pooler.after_stop if connections.pooler else None),
        }
        self._tell(values, count_requests(trial.requests.response, trial.requests.failed))

    def _tell(self, values: Mapping[str, float], load: RequestCounts) -> None:
        of_load = {"requests": load.requests, "failures": load.failures, "response_seconds_sum": load.seconds}
        most = {} if self.max_connections is None else {"max_connections": self.max_connections}
        self.tell(
            Sampled(
                at=time.time(),
                order=self.order,
                values={**self._last, **values, **of_load, **most},
                response_buckets=load.buckets,
            )
        )


def _idle(left: int) -> dict[str, float]:
    """Connections at rest: all of them idle."""
    states = {f"backends_{state}": 0 for state in STATES}
    return {**states, "backends": left, "backends_idle": left}


def _of_counts(counts: ConnectionCounts) -> dict[str, float]:
    return {
        "open": counts.open,
        "opened": counts.opened,
        "reused": counts.reused,
        **by_holder(counts.holders),
        **{f"closed_{reason}": count for reason, count in counts.closed.items()},
        **{f"connect_errors_{kind}": count for kind, count in counts.connect_errors.items()},
    }


def _of_pooler(counts: PoolerCounts | None) -> dict[str, float]:
    if counts is None:
        return {}
    return {
        "pooler_clients": counts.clients_open,
        "pooler_servers": counts.servers_open,
        "pooler_waited_seconds": counts.waited_seconds,
    }
