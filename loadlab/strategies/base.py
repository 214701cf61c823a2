"""What a strategy is: how database connections live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy(ABC):
    """Base of the family; the fields of a member are its parameters, validated as annotated."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    @abstractmethod
    def database_settings(self) -> dict[str, object]:
        """What this strategy adds to the entry of each alias in Django's DATABASES."""
