"""What every report format is: findings in, one text out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from loadlab.model.findings import Findings


class Report(ABC):
    """A format. `filename` is its name in the run folder; None for one that is shown and not kept."""

    filename: ClassVar[str | None]

    @abstractmethod
    def render(self, findings: Findings) -> str:
        """The whole report as text; any findings render, an empty run's too."""
