"""A fault that a plan wants at an instant of the window, and what a trial saw of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from loadlab.model.config import Config, spell

if TYPE_CHECKING:
    from loadlab.model.window import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class PlannedFault:
    """A member of the family of faults, `at` so many seconds after the start of the window.

    It is lifted after so many `seconds`; None for a fault that has no end, such as a restart.

    >>> restart = Config(name="database_restart", parameters={"mode": "fast"})
    >>> str(PlannedFault(config=restart, at=1.0)), PlannedFault(config=restart, at=1.0, seconds=0.5).words
    ('database_restart,mode=fast,at=1s', 'database_restart (mode=fast) at 1 s for 0.5 s')
    """

    config: Config
    at: float
    seconds: float | None = None

    def __str__(self) -> str:
        """As ids spell it."""
        lasting = "" if self.seconds is None else f",for={spell(self.seconds)}s"
        return f"{self.config},at={spell(self.at)}s{lasting}"

    @property
    def name(self) -> str:
        """The member, as plans and files call it."""
        return self.config.name

    @property
    def words(self) -> str:
        """As reports say it."""
        parameters = ", ".join(f"{key}={spell(value)}" for key, value in self.config.parameters.items())
        lasting = "" if self.seconds is None else f" for {spell(self.seconds)} s"
        return f"{self.name}{f' ({parameters})' if parameters else ''} at {spell(self.at)} s{lasting}"

    def begins(self, window: Window) -> float:
        """When it is due, in seconds since the load started."""
        return window.start + self.at


class Bound(StrEnum):
    """What documentation promises about the effect of a fault.

    ONE_PER_CONNECTION: a kept connection that is gone fails at most one request, which is the next to use it; with
    CONN_HEALTH_CHECKS none (Django, "Persistent connections").
    """

    ONE_PER_CONNECTION = "one_per_connection"


@dataclass(frozen=True, kw_only=True, slots=True)
class FaultSeen:
    """When a planned fault came in a trial, in seconds since the load started.

    The lab `began` to apply it, it was in place once it was `applied`, and over once it was `lifted`; both are None for
    what did not come about. `not_applied` says why, and makes the trial invalid; it is empty otherwise. A fault without
    an end is lifted when it has been applied: PostgreSQL serves again, a worker is gone.
    """

    began: float
    applied: float | None = None
    lifted: float | None = None
    not_applied: str = ""
