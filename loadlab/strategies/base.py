"""What a strategy is: how database connections live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from loadlab.model.bounds import STRICT, After, Before, Bounds
from loadlab.model.config import Scalar
from loadlab.model.strategy import ConnectionLife

if TYPE_CHECKING:
    from loadlab.model.pooling import Pooling
    from loadlab.model.strategy import Changes, ServerTraits

UNLIMITED = ("none", "unlimited")
AGE_MEANING = 'seconds, a number of 0 or more; or "none" for unlimited'


def read_unlimited(value: object) -> object:
    """TOML has no null: unlimited is the word "none" there."""
    return None if isinstance(value, str) and value.lower() in UNLIMITED else value


def _whole(value: float | None) -> float | None:
    """Whole seconds as a whole number, as a user would write them in settings."""
    return int(value) if value is not None and value.is_integer() else value


MaxAge = Annotated[
    Annotated[float, Bounds(ge=0, finite=True)] | None,
    Bounds(description=AGE_MEANING),
    Before(read_unlimited),
    After(_whole),
]
Count = Annotated[int, Bounds(ge=1, le=10_000, description="a whole number, 1 or more")]
Flag = Annotated[bool, Bounds(description="true or false")]
Seconds = Annotated[float, Bounds(gt=0, le=3600, finite=True, description="seconds, more than 0")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """Parameters that behave differently from others, as `loadlab behaviour` counts them; with each driver, or one.

    Those of `usual_servers` only are the same in any other mode with the same threads, and need no rows there.
    """

    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    every_driver: bool = False
    usual_servers: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated.

    `proposed_by` says whose idea it is, `gives_up` what a project loses by it. `packages` are those that it needs in
    the project's Python. `refused` are parameters that a reader may look for here in vain, each with the reason and
    the remedy. `sweeps`: it closes what no thread can find again, so what the garbage collector closes before it is no
    sign of a leak. `service` is the section of libpq's service file that has to have the SCRAM keys of the project's
    role. `variants` are the rows of `loadlab behaviour` that it has under each server mode.
    """

    __pydantic_config__ = STRICT

    proposed_by: ClassVar[str] = ""
    gives_up: ClassVar[tuple[str, ...]] = ()
    packages: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[Mapping[str, str]] = {}
    sweeps: ClassVar[bool] = False
    service: ClassVar[str] = ""
    variants: ClassVar[tuple[Variant, ...]] = (Variant(),)

    @abstractmethod
    def changes(self, where: ServerTraits) -> Changes:
        """What this strategy changes in the project, where it fits."""

    def incompatible(self, where: ServerTraits) -> str | None:  # noqa: ARG002  members look where they must
        """Why it cannot work there, and what to use instead; None where it can."""
        return None

    def most_connections(self, usable: int, where: ServerTraits) -> int:  # noqa: ARG002
        """The most that are open to some use, where the server mode can use `usable` at one instant."""
        return usable

    def pooling(self) -> Pooling | None:
        """The PgBouncer that must run between the project and PostgreSQL, if any."""
        return None

    def life(self, where: ServerTraits) -> ConnectionLife | str:
        """How its connections live, where it fits; or why the fleet model cannot tell, and what to ask it instead.

        As its entry in DATABASES says, unless a member knows better.
        """
        database: Mapping[str, Any] = self.changes(where).database
        return ConnectionLife(
            max_age=database.get("CONN_MAX_AGE", 0), health_checks=database.get("CONN_HEALTH_CHECKS", False)
        )
