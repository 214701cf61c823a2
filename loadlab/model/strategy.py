"""What a strategy is told of the place it is to work in, and what it says that must be changed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from loadlab.model.pooling import ProcessPool

USUAL_SERVER: Final = "sync"  # the server mode of commands and plans that name none
Hooks = Literal["gunicorn", "runserver", ""]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerTraits:
    """Where a strategy is to work: a server mode with `processes` of it, and a driver.

    `hooks` names the server whose hooks a strategy may use; empty where there are none. `asgi` says that requests come
    to Django's ASGI handler, `greenlets` that threads are gevent's, `single_process` that `processes` is always 1,
    `in_event_loop` that synchronous code runs in the thread of an event loop, among other requests. A server that does
    not close responses (`closes_responses`) lets Django send no request_finished. With `runs_exit_hooks`, a worker that
    is asked to stop runs atexit, or its server's own hook. `recycle_option` is the server's option that replaces a
    worker after so many requests; empty where there is none.
    """

    server: str
    driver: str
    processes: int
    hooks: Hooks = ""
    asgi: bool = False
    greenlets: bool = False
    single_process: bool = False
    in_event_loop: bool = False
    closes_responses: bool = True
    runs_exit_hooks: bool = True
    recycle_option: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ConnectionLife:
    """How connections live under a strategy, in the terms of the fleet model.

    `max_age` is the CONN_MAX_AGE that takes effect, None for unlimited. With a `pool`, connections belong to it.
    `threads` of each process serve instead of the server's own, the last one back first, and live on. A connection
    whose thread has ended is closed when its process has begun `closed_after` more requests; None leaves it to Python's
    garbage collector. `max_requests` is after how many requests a worker is replaced.
    """

    max_age: float | None
    health_checks: bool = False
    pool: ProcessPool | None = None
    threads: int | None = None
    closed_after: int | None = None
    max_requests: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Changes:
    """What a strategy changes in a project, all of it in settings and in the configuration of its server.

    `database` goes over entries of DATABASES, `values` over other settings, `apps` in front of INSTALLED_APPS.
    `gunicorn` are server hooks by their names, `asgi_wrapper` takes the ASGI application and gives another; each is
    written "module:function". `arguments` are added to the server's command line. All of it can be written as JSON.
    """

    database: Mapping[str, object] = field(default_factory=dict)
    values: Mapping[str, object] = field(default_factory=dict)
    apps: tuple[str, ...] = ()
    gunicorn: Mapping[str, str] = field(default_factory=dict)
    asgi_wrapper: str = ""
    arguments: tuple[str, ...] = ()
