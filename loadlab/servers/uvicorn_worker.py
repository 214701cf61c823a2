"""gunicorn with uvicorn's workers, of the package uvicorn-worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import KeepAliveGunicornServer
from loadlab.servers.base import KEPT, AsgiServer


@dataclass(frozen=True, kw_only=True, slots=True)
class UvicornWorker(AsgiServer, KeepAliveGunicornServer):
    """gunicorn starts and replaces the workers; each is a uvicorn. It does not heed `worker_connections`."""

    title: ClassVar[str] = "gunicorn with uvicorn's workers"
    runs_exit_hooks: ClassVar[bool] = False
    packages: ClassVar[tuple[str, ...]] = ("gunicorn", "uvicorn", "uvicorn-worker")
    counted: ClassVar[Mapping[str, Scalar]] = KEPT
    # A worker has served --max-requests: uvicorn says so, in gunicorn's log.
    recycled: ClassVar[str] = r"\[(\d+)\] \[INFO\] Maximum request limit of \d+ exceeded"

    def worker_arguments(self) -> list[str]:
        return ["--worker-class", "uvicorn_worker.UvicornWorker", *self.keep_alive_arguments()]
