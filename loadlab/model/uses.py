"""How the requests of a trial used their database connections: a summary that its record keeps."""

from __future__ import annotations

from dataclasses import dataclass

from loadlab.model.fleet import Distribution, Spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """So many (`count`) requests that came while at least two processes, or two threads of one process, were idle.

    `idle` is how many were. `fixed`, `recent` and `longest_idle` are the chances that each rule of `Dispatch` gives to
    the one that got the request.
    """

    idle: int
    fixed: float
    recent: float
    longest_idle: float
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class GarbageCount:
    """So many (`count`) connections whose thread ended with its request.

    They were `collected` when `after` more requests of their process had begun, or waited still after so many.
    """

    after: int
    collected: bool
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class NewProcesses:
    """What the first request of new processes meets: most of them, as they boot alike.

    It takes `cold_seconds` longer than later ones. When it has connected, the garbage collector has counted the share
    `young` of what it waits for, after so many `searches` since the last of the second generation; None where it is
    off.
    """

    cold_seconds: float
    young: float | None = None
    searches: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Uses:
    """What the uses of a trial come to.

    `hold_seconds` and `connect_seconds` are of the measured window, or of the whole trial where the window has none;
    None where there were none at all. `process_choices` and `thread_choices` are what the dispatch of `spread` was
    estimated from, and `garbage` what its `collected_after` was. `lazy_odds` are the logarithm of how much more likely
    it is that threads start when none is idle. `idle_backend_bytes` is the memory of a backend at
    rest (the median of their proportional shares); None where none was open or the lab may not look.
    """

    spread: Spread
    hold_seconds: Distribution | None
    connect_seconds: Distribution | None
    process_choices: tuple[Choices, ...] = ()
    thread_choices: tuple[Choices, ...] = ()
    lazy_odds: float = 0.0
    garbage: tuple[GarbageCount, ...] = ()
    idle_backend_bytes: float | None = None
