"""The fault added_latency, for tests that reach a database through it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.faults import FaultContext
from loadlab.faults.added_latency import AddedLatency

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.services.database import Database
    from loadlab.system.processes import Register


@dataclass(frozen=True, kw_only=True, slots=True)
class Far:
    """`database` leads through the proxy, whose process is `pid`; faults of the network act through its `handle`."""

    database: Database
    pid: int
    handle: object


@contextmanager
def added_latency(database: Database, round_trip_ms: float, register: Register, log: Path) -> Iterator[Far]:
    context = FaultContext(database=database, register=register, log=log)
    with AddedLatency(round_trip_ms=round_trip_ms).applied(context) as effect:
        assert effect.database is not None
        yield Far(database=effect.database, pid=effect.trees["proxy"], handle=effect.handle)
