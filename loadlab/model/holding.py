"""What a kept connection costs at both ends, beside what an opening costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.case import Case

# Why it is not known: the memory of another's PostgreSQL is not the lab's to read, or the system is not Linux.
UnknownHolding = Literal["", "given", "system"]
# How memory was read: the proportional share, or where only the owner may see that, private memory alone.
MemoryReading = Literal["pss", "private"]
# What a session does while it is idle: nothing at all, or a transaction that has read, has written, or has a snapshot.
IdleKind = Literal["session", "has_read", "has_written", "repeatable_read"]


@dataclass(frozen=True, kw_only=True, slots=True)
class MedianEstimate:
    """A median over `count` values with its 95 % interval; `low` and `high` are None with too few of them."""

    value: float
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleBackends:
    """Backends at rest, in bytes each.

    `resident` is the proportional share: what several processes share is divided among them. `private` is what goes
    when one backend ends. Where `reading` is "private", the lab may read no more, and both are the same. `page_tables`
    are the kernel's, and in neither. `files` are open file descriptors; None where the lab may not see them.
    """

    reading: MemoryReading
    resident: MedianEstimate
    private: MedianEstimate
    page_tables: MedianEstimate
    files: float | None

    @property
    def held(self) -> float:
        """All that one backend holds."""
        return self.resident.value + self.page_tables.value


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientSide:
    """What one more connection takes of the process that opened it: bytes, and file descriptors."""

    resident: MedianEstimate
    files: float

    @property
    def held(self) -> float:
        """A process whose memory has room left does not grow, and may seem to shrink."""
        return max(0.0, self.resident.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpeningCpu:
    """CPU seconds of one opening, and of the end of it, at each end."""

    client: MedianEstimate
    database: MedianEstimate

    @property
    def both(self) -> float:
        return self.client.value + self.database.value


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptRows:
    """Of `rows` that were updated, VACUUM had to keep so many old versions, because of an idle connection."""

    idle: IdleKind
    rows: int
    kept: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Holding:
    """What a run knows of it, or why it is `unknown`.

    `fresh` backends have answered one query, `used` ones the requests of the plan's scenarios, about `requests` each;
    both were open at the same time. `used` is None where the project could not be served for it.
    """

    unknown: UnknownHolding = ""
    driver: str = ""
    fresh: IdleBackends | None = None
    used: IdleBackends | None = None
    requests: float = 0.0
    client: ClientSide | None = None
    opening: OpeningCpu | None = None
    kept_rows: tuple[KeptRows, ...] = ()

    @property
    def backend_bytes(self) -> float | None:
        """What an idle backend holds, one in use if that was measured."""
        backend = self.used or self.fresh
        return backend.held if backend else None

    @property
    def connection_bytes(self) -> float | None:
        """The same with the client's side."""
        backend = self.backend_bytes
        if backend is None:
            return None
        return backend + (self.client.held if self.client else 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pays:
    """From how many requests per hour and thread on a kept connection saves more than it costs.

    `per_hour` is by how many bytes of memory cost as much as a core.
    """

    max_age: float | None
    per_hour: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BesideIdle:
    """PostgreSQL's CPU per request of a case beside idle connections ÷ that without them, paired by block.

    None where it is not known; `low` and `high` are None with too few blocks for an interval.
    """

    case: Case
    cpu_ratio: float | None
    low: float | None
    high: float | None
    blocks: int


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldingCosts:
    """What was measured, and what follows; `break_even` is empty where either cost is not known."""

    measured: Holding
    break_even: tuple[Pays, ...] = ()
