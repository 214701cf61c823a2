"""The connections that a strategy may hold in production, factor by factor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlab.model.case import Case

# Of a worker: the parameter that bounds it, what its server mode can use at once, or what was measured.
FactorKind = Literal["hosts", "workers", "poolers", "bounded", "usable", "measured", "overlap"]


@dataclass(frozen=True, kw_only=True, slots=True)
class NeedFactor:
    """`bound` and `parameter` are what should bound a worker, where more than that was `measured`, too.

    A `measured` factor without a bound is that of the `case`: it depends on the load.
    """

    kind: FactorKind
    count: int
    parameter: str = ""
    bound: int | None = None
    case: Case | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """The product of its `factors`; `fits` is None where the plan names no limit.

    Of `max_connections`, `reserved` ones are not for the project.
    """

    connections: int
    factors: tuple[NeedFactor, ...]
    max_connections: int | None = None
    reserved: int = 0

    @property
    def fits(self) -> bool | None:
        return None if self.max_connections is None else self.connections <= self.max_connections - self.reserved
