"""What every report format is: findings in, one text out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.findings import Findings


class Report(ABC):
    """A format. `filename` is its name in the run folder, None for one that is shown and not kept.

    `media_type` is what the live page serves that file as.
    """

    filename: ClassVar[str | None]
    media_type: ClassVar[str] = "text/plain; charset=utf-8"

    def parts(self, findings: Findings) -> Iterable[str]:
        """The same in parts, for who writes it to a file: a format that may be large overrides it."""
        yield self.render(findings)

    @abstractmethod
    def render(self, findings: Findings) -> str:
        """The whole report as text; any findings render, an empty run's too."""
