"""Why a case left the schedule before its last block."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Why(StrEnum):
    """It leaks or has connections refused, by exact counts; its group is decided; or nothing is left to compare."""

    LEAKS = "leaks"
    REFUSED = "refused"
    DECIDED = "decided"
    ALONE = "alone"

    @property
    def counted(self) -> bool:
        """Whether exact counts decided, and no measured speed had a part in it."""
        return self in (Why.LEAKS, Why.REFUSED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Departure:
    """A case, by its index in the schedule, that left after `blocks` blocks; `spared` trials of it were not made."""

    case: int
    blocks: int
    spared: int
    why: Why
