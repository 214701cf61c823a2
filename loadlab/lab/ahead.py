"""The next trial's site, which boots while the present trial comes to rest and is recorded."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, suppress
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from loadlab.lab.served_site import BootingSite
    from loadlab.model.schedule import Step


class Ahead:
    """Holds at most one site."""

    def __init__(self) -> None:
        self._resources = ExitStack()
        self._booting: tuple[int, BootingSite] | None = None

    def begin(self, step: Step, boot: AbstractContextManager[BootingSite]) -> None:
        """Start the server of a later step. If that fails, the step's own trial tries again, and says why."""
        self.close()
        with suppress(EnvironmentFaultError):
            self._booting = step.order, self._resources.enter_context(boot)

    def handed_over(self, step: Step, resources: ExitStack) -> BootingSite | None:
        """The site, if it is this step's; `resources` ends it from now on. Any other site is ended here."""
        booting, self._booting = self._booting, None
        if booting is None or booting[0] != step.order:
            self.close()
            return None
        resources.enter_context(self._resources.pop_all())
        return booting[1]

    def close(self) -> None:
        self._booting = None
        self._resources.close()
