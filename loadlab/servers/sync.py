"""gunicorn's sync worker: one request at a time per process; closes the client connection after each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import GunicornServer


@dataclass(frozen=True, kw_only=True, slots=True)
class Sync(GunicornServer):
    """One thread per process serves all requests, so one connection per worker is all it can use."""

    title: ClassVar[str] = "gunicorn sync"
    suggested: ClassVar[bool] = True
    keeps_clients: ClassVar[bool] = False
    usual: ClassVar[bool] = True
    # One request at a time: two workers share the clients evenly.
    counted: ClassVar[Mapping[str, Scalar]] = {"workers": 2}

    def worker_arguments(self) -> list[str]:
        return ["--worker-class", "sync"]

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  one user meets each worker
        return self.workers
