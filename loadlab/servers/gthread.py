"""gunicorn's gthread worker: a fixed pool of threads per process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import KeepAliveGunicornServer
from loadlab.servers.base import KEPT, Count


@dataclass(frozen=True, kw_only=True, slots=True)
class GThread(KeepAliveGunicornServer):
    """The pool's threads live as long as the process and hold a connection each, used at this moment or not."""

    title: ClassVar[str] = "gunicorn gthread"
    suggested: ClassVar[bool] = True
    usual: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = {"threads": 4, **KEPT}

    threads: Count = 4

    def worker_arguments(self) -> list[str]:
        return ["--worker-class", "gthread", "--threads", str(self.threads), *self.keep_alive_arguments()]

    def usable_connections(self, users: int) -> int:  # noqa: ARG002  idle threads keep theirs for the next request
        return self.workers * self.threads
