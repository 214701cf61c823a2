"""The disk of the metrics folder is full for a while: the site goes on, and new processes are not counted."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import NOTHING, Acts, Fault, FaultEffect, Need
from loadlab.services.small_disk_handle import SmallDiskHandle, mountable, small_disk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.faults.base import FaultContext


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskFull(Fault):
    """The folder of the ledgers is on a file system of its own, which has no room from the instant until the end.

    What is given back meanwhile is taken. Counting goes on in what a process has of its ledger; what would need more,
    and any process that begins meanwhile, is not counted, and the trial's counts do not reconcile then.
    """

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("linux", "same_user")

    @classmethod
    def missing(cls) -> Mapping[str, str]:
        remedy = "run loadlab as root, or allow namespaces of users: sysctl user.max_user_namespaces"
        return {} if mountable() else {"leave to mount a file system": remedy}

    @contextmanager
    def prepared(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: nothing can be mounted here.
        """
        if context.ledgers is None:
            yield NOTHING
            return
        with small_disk(context.ledgers, context.register, context.log.with_suffix(".disk.log")) as disk:
            yield FaultEffect(handle=disk)

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Raises:
        EnvironmentFaultError: the folder has no disk of its own.
        """
        if not isinstance(context.handle, SmallDiskHandle):
            raise EnvironmentFaultError("The ledgers are not on a separate disk that can be filled.")
        with context.handle.full():
            yield FaultEffect()
