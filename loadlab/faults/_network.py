"""What the faults of the network have in common: the proxy in front of the database does them."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import Acts, Fault, FaultEffect
from loadlab.services.proxy_handle import ProxyHandle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkFault(Fault):
    """Lasts until it is lifted, and acts on what passes between the target, or its pooler, and the database."""

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    through_proxy: ClassVar[bool] = True

    @abstractmethod
    def command(self) -> tuple[object, ...]:
        """What the proxy is told, see `loadlab.services.proxy`."""

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        if not isinstance(context.handle, ProxyHandle):
            raise EnvironmentFaultError("There is no proxy between the target and its database.")
        with context.handle.during(*self.command()):
            yield FaultEffect()
