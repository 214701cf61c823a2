"""What a fault is: something that is done to a database, a pooler, a network or a worker, and undone again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Final, Literal, Protocol

from loadlab.model.bounds import STRICT
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import Bound  # noqa: TC001  all annotations are evaluated where parameters are read

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadlab.services.database import Database, RestartMode
    from loadlab.services.pgbouncer import Bouncer
    from loadlab.system.processes import Program, Register

Acts = Literal["throughout", "before_window", "at_instant"]
# What a fault cannot do without; plan/faults.py has the words for each, and says where it is there.
Need = Literal["own_postgresql", "pooler", "replaced_worker", "reload", "linux", "same_user"]
# What the target and its clients do when something that they need is gone: it is what the fault is about.
BY_A_FAULT: Final = frozenset({Cause.TARGET_STOOD_STILL, Cause.TASKS_DROPPED, Cause.SENT_LATE, Cause.USERS_IDLE})


class FailOverDatabase(Protocol):
    def __call__(self, *, detection_seconds: float = 0.0) -> Database: ...


class RestartDatabase(Protocol):
    def __call__(self, *, mode: RestartMode = "fast") -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultContext:
    """What a fault can act on.

    `database` is as the target reaches it, and `ledgers` the folder of its ledgers; programs that a fault starts are
    noted in `register`, and log to `log`. `restart_database` restarts the PostgreSQL of the lab, and
    `fail_over_database` leads to its standby, if it has one; both are None where it is the user's.

    At an instant there are also the target's `server`, the `reload_signal` that has it replace its workers, the pids of
    its `workers` now, the `bouncer` in between if there is one, and the `handle` of what the fault itself has
    `prepared`.
    """

    database: Database
    register: Register
    log: Path
    restart_database: RestartDatabase | None = None
    fail_over_database: FailOverDatabase | None = None
    server: Program | None = None
    reload_signal: signal.Signals | None = None
    workers: Callable[[], Sequence[int]] = tuple
    bouncer: Bouncer | None = None
    ledgers: Path | None = None
    handle: object = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultEffect:
    """What a fault leaves in place while it lasts.

    `database` is how the target reaches PostgreSQL from now on; None if that has not changed. `trees` are the pids of
    programs that it runs, by the part they play. `environment` is added to that of the target's processes, and `handle`
    comes back in the context in which the fault is applied; both are for `prepared`.
    """

    database: Database | None = None
    trees: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    handle: object = None


NOTHING: Final = FaultEffect()


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    `acts` says when it is applied: "throughout" from before the target starts until it has ended, "before_window" once
    the target is ready and before its load, or "at_instant" within the window.

    Of those at an instant, a `lasting` one has an end: a plan says after how many seconds it is lifted. `needs` are
    what it cannot do without. `expected` are the causes that do not make its trial invalid, for they are what it does.
    `bound` is what is promised about its effect. One `through_proxy` acts in the proxy of `AddedLatency`, which the lab
    puts in front of the database then; its handle is in the context.
    """

    __pydantic_config__ = STRICT

    acts: ClassVar[Acts]
    lasting: ClassVar[bool] = False
    needs: ClassVar[tuple[Need, ...]] = ()
    expected: ClassVar[frozenset[Cause]] = BY_A_FAULT
    bound: ClassVar[Bound | None] = None
    through_proxy: ClassVar[bool] = False

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        """What it needs of this machine and is not there, and how to get each."""
        return {}

    def prepared(self, context: FaultContext) -> AbstractContextManager[FaultEffect]:
        """What has to be there before the target starts so that the fault can be applied later, e.g. a proxy.

        Raises:
            EnvironmentFaultError: it cannot be had here.
        """
        del context
        return nullcontext(NOTHING)

    def ends_of(self, connections: int) -> int:
        """How many of the target's connections it ends, of so many that are open when it begins."""
        return connections

    @abstractmethod
    def applied(self, context: FaultContext) -> AbstractContextManager[FaultEffect]:
        """Apply the fault; the end of the context undoes it.

        Raises:
            EnvironmentFaultError: it cannot be applied here.
        """
