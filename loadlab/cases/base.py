"""What a named case is: something that was published, and a way to find out whether it is so here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from loadlab.model.behaviour import Figure
    from loadlab.runner.stand import Machine


class NamedCase(ABC):
    """Base of the family. The first line of a member's module says the claim, `source` who made it, where and when."""

    source: ClassVar[str]

    @abstractmethod
    def run(self, machine: Machine) -> tuple[Figure, ...]:
        """The published figures next to those of servers that it stands up on `machine`; counts only, no times.

        `loadlab.runner.stand.standing` gives a server with its clients, `loadlab.runner.behaviour` what provokes it.
        """
