"""uWSGI with gevent: a greenlet per request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.config import Scalar
from loadlab.servers._gevent import COOPERATION, blocking, cooperation, needed, uncooperative
from loadlab.servers._uwsgi import UwsgiServer
from loadlab.servers.base import Count, Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class UwsgiGevent(UwsgiServer):
    """`greenlet_limit` requests at once per process, at most. uWSGI patches Python before it loads the site.

    `cooperative` lets psycopg2 yield to other greenlets while it waits.

    Counted with uWSGI 2.0.30 and gevent 26.9.0: 220 requests open 220 connections, because `py_uwsgi_gevent_main` in
    plugins/gevent/gevent.c spawns a greenlet for each. A worker that is asked to end does not run Python's atexit
    (`uwsgi_python_atexit` returns early where there are several async cores), and abandons its connections.
    """

    title: ClassVar[str] = "uWSGI gevent"
    runs_exit_hooks: ClassVar[bool] = False
    remarks: ClassVar[tuple[str, ...]] = (
        *UwsgiServer.remarks,
        (
            "With --gevent-monkey-patch instead of --gevent-early-monkey-patch, 100 to 199 of 200 concurrent requests"
            " failed (uWSGI 2.0.31, gevent 26.9.0)."
        ),
    )
    packages: ClassVar[tuple[str, ...]] = ("pyuwsgi", "uwsgi", "gevent", COOPERATION)
    greenlets: ClassVar[bool] = True
    counted: ClassVar[Mapping[str, Scalar]] = {"workers": 1}

    greenlet_limit: Count = 100
    cooperative: Flag = True

    def threading_arguments(self) -> list[str]:
        return ["--gevent", str(self.greenlet_limit), "--gevent-early-monkey-patch"]

    def needs(self, driver: str) -> tuple[str, ...]:
        return needed(("pyuwsgi", "gevent", COOPERATION), driver, cooperative=self.cooperative)

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:
        return uncooperative(driver, cooperative=self.cooperative)

    def unmodelled(self) -> str | None:
        return blocking(cooperative=self.cooperative)

    def environment(self) -> dict[str, str]:
        return cooperation(wanted=self.cooperative)

    def usable_connections(self, users: int) -> int:
        return min(users, self.workers * self.greenlet_limit)

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  a greenlet ends with its request
        return 0
