"""What a trial measures: a target that the lab serves, or an external one that others serve."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.faults import FaultContext
    from loadlab.lab.sampler import Sampler
    from loadlab.lab.settling import Patience
    from loadlab.lab.validity import Disturbance
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.counts import ConnectionCounts, PoolerCounts
    from loadlab.model.schedule import Step
    from loadlab.model.uses import Uses
    from loadlab.model.window import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What a target has counted, and what its judges count, at one instant.

    `values` are the probes' quantities, by name. `pooler` is the pooler's count, if there is one. `answered`
    is how many requests the target has counted; None if it counts none. `left_behind` of the connections that it holds
    have no other end any more, and PostgreSQL has `abandoned` sessions, of clients that are gone or have given up.
    """

    counts: ConnectionCounts
    values: Mapping[str, float] = field(default_factory=dict)
    pooler: PoolerCounts | None = None
    answered: int | None = None
    left_behind: int = 0
    abandoned: int = 0

    @property
    def backends(self) -> int | None:
        """The target's connections that PostgreSQL has open; None where it was not asked."""
        return int(self.values["backends"]) if "backends" in self.values else None

    @property
    def sessions(self) -> int | None:
        """How many sessions PostgreSQL has counted; None where it was not asked."""
        return int(self.values["sessions"]) if "sessions" in self.values else None


class Sampling(Protocol):
    """Reads a running target from the sampler's thread, over its own connection."""

    def levels(self) -> dict[str, float]:
        """The quantities that are kept as a series."""

    def latest(self) -> Sample:
        """Everything, for a reader who follows the trial."""


class RunningTarget(Protocol):
    """A target during one trial.

    `before` is what was counted before the load. `rate` is how often a second the sampler may read, and `patience` how
    long to wait until both sides agree. `stops` says that the lab ends the target with the trial.
    """

    before: Sample
    rate: float
    patience: Patience
    stops: bool

    @property
    def url(self) -> str: ...

    @property
    def fault_context(self) -> FaultContext | None:
        """What faults can act on; None if the lab does not serve the target."""

    @property
    def max_connections(self) -> int | None:
        """PostgreSQL's limit; None if it was not asked."""

    def observing(self, generator: int, seconds: float) -> AbstractContextManager[Sampling]:
        """Observe the target and the process `generator`, for at most so many seconds."""

    def reconnect(self) -> None:
        """After a fault: observe a database again that may have been away.

        Raises:
            IncompleteError: it stays away.
        """

    def sample(self, when: str, /) -> Sample:
        """Everything, at an edge of the window; `when` says which, for messages.

        Raises:
            psycopg2.Error: the database is gone.
        """

    def sides(self) -> Sample:
        """The counts that have to agree at rest."""

    def agrees(self, now: Sample) -> bool: ...

    def by_alias(self) -> dict[str, ConnectionCounts]: ...

    def lost(self) -> Sequence[Disturbance]:
        """Which of its processes are gone or stopped now, at the end of the window."""

    def unseen(self, sampler: Sampler, window: Window) -> Sequence[Disturbance]:
        """What kept the lab from seeing the target, after the load."""

    def explanation(self, result: LoadResult) -> str:
        """Why no request succeeded, as far as can be seen while the target is served; empty if that is not known."""

    def stop(self, at_rest: Sample) -> Sample:
        """End the target, and count once more; one that goes on is still `at_rest`."""

    def uses(self, since: float) -> Uses | None:
        """How requests used their connections, once it has stopped; measured `since` then, in monotonic seconds."""


class Target(Protocol):
    """What all trials of a run measure."""

    @property
    def cursor(self) -> Cursor | None:
        """The lab's connection as it is now; None where PostgreSQL is not asked."""

    def ledgers(self, step: Step) -> Path:
        """Where the processes of a trial keep their counters."""

    def alive(self) -> bool:
        """Whether the database answers, where it is asked."""

    def restore(self) -> None:
        """Before a trial: have a database that answers.

        Raises:
            IncompleteError: it stays away.
        """

    def prepare(self, case: Case, step: Step) -> None:
        """Begin to have the target ready for a later trial, as far as that leaves the present one as it is."""

    def serve(self, case: Case, step: Step) -> AbstractContextManager[RunningTarget]:
        """Have the target ready for a load, until the context ends.

        Raises:
            EnvironmentFaultError: it does not start, or does not answer.
        """
