"""What a judge is: it counts the target's connections at their other end, independently of the target."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final

POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLimits:
    """How many connections a judge admits, how many of them it reserves, and how many others have open now."""

    connections: int
    reserved: int
    in_use: int

    @property
    def free(self) -> int:
        """How many more an ordinary role can open."""
        return self.connections - self.reserved - self.in_use


class Judge(ABC):
    """Base of the family. A member holds all queries that count sessions, backends and limits of its kind."""

    @abstractmethod
    def open_now(self) -> int:
        """How many connections of the target are open."""

    @abstractmethod
    def opened(self) -> int:
        """How many the target has ever opened."""

    @abstractmethod
    def limits(self) -> ConnectionLimits:
        """How many connections there may be."""

    def await_empty(self, seconds: float) -> int:
        """Wait until none is open, for at most so many seconds; returns how many stay."""
        deadline = time.monotonic() + seconds
        while (staying := self.open_now()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return staying
