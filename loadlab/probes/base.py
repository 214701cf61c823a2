"""What a probe is: it reads named quantities from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  the driver names its class in lower case

    from loadlab.model.counts import PoolerCounts
    from loadlab.model.quantity import Quantity


class PoolerReader(Protocol):
    """A running pooler between the target and PostgreSQL, as far as it can be asked."""

    def counts(self) -> PoolerCounts:
        """Both of its sides since it started."""

    def connecting(self) -> int:
        """How many of its connections to PostgreSQL are in the middle of their login, and in no count yet."""

    def waiting(self) -> tuple[int, float]:
        """How many clients wait for a connection to PostgreSQL now, and how long the first of them has, in seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeContext:
    """What there is to look at while a trial runs.

    `cursor` belongs to the lab's own connection to another database of the same server; `trees` names the roots of the
    process trees (pid) by the part they play: app, database, generator; `aliases` those of DATABASES that lead to the
    target's database; `pooler` is the one in between, if there is one.
    """

    cursor: Cursor
    database: str
    ledgers: Path
    trees: Mapping[str, int]
    aliases: Sequence[str] = ("default",)
    pooler: PoolerReader | None = None


class Probe(ABC):
    """Base of the family: a member reads its `quantities`, and they reach records, reports, live page and metrics.

    A `sampled` probe is cheap enough to be read ten times a second while the load runs. Others are read twice a second
    for the live page, and at both edges of the window.
    """

    quantities: ClassVar[tuple[Quantity, ...]]
    sampled: ClassVar[bool] = True

    @abstractmethod
    def read(self, context: ProbeContext) -> dict[str, float]:
        """Each quantity as it is now, by its name; without those that there is nothing to read of in this context."""
