"""gunicorn's tornado worker: requests one after the other, in the thread of an event loop."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gunicorn import GunicornServer
from loadlab.servers.base import Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class Tornado(GunicornServer):
    """Django refuses every query in the thread of an event loop, so every request that makes one fails.

    With `async_unsafe` the site is served with DJANGO_ALLOW_ASYNC_UNSAFE, and Django does not look. Each request then
    has a connection that no later one finds: in a thread with an event loop, asgiref's Local keeps Django's connections
    by context and not by thread (`_ThreadCriticalLocal` in asgiref/local.py).
    """

    title: ClassVar[str] = "gunicorn tornado"
    remarks: ClassVar[tuple[str, ...]] = (
        "A HEAD request gets no response: the worker tries to send the body that Django returns (tornado 6.6.1).",
    )
    packages: ClassVar[tuple[str, ...]] = ("gunicorn", "tornado")
    in_event_loop: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = {"async_unsafe": True, "workers": 1}

    async_unsafe: Flag = False

    def worker_arguments(self) -> list[str]:
        return ["--worker-class", "tornado"]

    def environment(self) -> dict[str, str]:
        return {"DJANGO_ALLOW_ASYNC_UNSAFE": "true"} if self.async_unsafe else {}

    def async_views(self) -> bool:
        return False  # tornado's own event loop runs in the thread that serves

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:  # noqa: ARG002
        if self.async_unsafe:
            return None
        what = (
            "is false, so every request that queries fails: Django refuses queries in the thread of tornado's event"
            " loop (SynchronousOnlyOperation)"
        )
        remedy = (
            "use gthread, or gunicorn_asgi for async views; or set async_unsafe = true, which turns Django's check off"
            " with DJANGO_ALLOW_ASYNC_UNSAFE"
        )
        return "async_unsafe", what, remedy

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  a context ends with its request
        return 0
