"""What a traffic is: requests per second over the simulated time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Self

from loadlab.model.bounds import STRICT, Bounds

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.fleet import Rates

Rate = Annotated[float, Bounds(gt=0, le=10_000_000, finite=True, description="requests per second, more than 0")]

LowRate = Annotated[float, Bounds(ge=0, le=10_000_000, finite=True, description="requests per second, 0 or more")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated."""

    __pydantic_config__ = STRICT

    def beside(self, folder: Path) -> Self:  # noqa: ARG002  members with files look there
        """The same traffic, with the files that it reads found from this folder."""
        return self

    @abstractmethod
    def rates(self, seconds: float | None) -> Rates:
        """The requests of the whole fleet over so many simulated seconds; None for the traffic's own length.

        Raises:
            UsageError: it cannot be read.
        """
