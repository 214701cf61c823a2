"""What a fault is: something that is done to a database, a pooler, a network or a worker, and undone again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

from loadlab.model.bounds import STRICT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from loadlab.services.database import Database
    from loadlab.system.processes import Register

Acts = Literal["throughout", "before_window", "at_instant"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultContext:
    """What a fault can act on.

    `database` is as the target reaches it; programs that a fault starts are noted in `register`, and log to `log`.
    `restart_database` restarts the PostgreSQL of the lab; None where it is the user's.
    """

    database: Database
    register: Register
    log: Path
    restart_database: Callable[[], None] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultEffect:
    """What a fault leaves in place while it lasts.

    `database` is how the target reaches PostgreSQL from now on; None if that has not changed. `trees` are the pids of
    programs that it runs, by the part they play.
    """

    database: Database | None = None
    trees: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    `acts` says when it is applied: "throughout" from before the target starts until it has ended, "before_window" once
    the target is ready and before its load, or "at_instant" in the middle of the window, until its end.
    """

    __pydantic_config__ = STRICT

    acts: ClassVar[Acts]

    @abstractmethod
    def applied(self, context: FaultContext) -> AbstractContextManager[FaultEffect]:
        """Apply the fault; the end of the context undoes it.

        Raises:
            EnvironmentFaultError: it cannot be applied here.
        """
