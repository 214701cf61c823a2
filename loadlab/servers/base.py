"""What a server mode is: how Python serves HTTP, and how many connections it can use at once."""

from __future__ import annotations

import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final

from loadlab.model.bounds import STRICT, Bounds
from loadlab.model.config import Scalar
from loadlab.model.plan import Several
from loadlab.model.strategy import Hooks
from loadlab.system.programs import SystemProgram

Count = Annotated[int, Bounds(ge=1, le=10_000, description="a whole number, 1 or more")]
Seconds = Annotated[int, Bounds(ge=0, le=3600, description="whole seconds, 0 or more")]
Limit = Annotated[int, Bounds(ge=0, le=1_000_000, description="a whole number, 0 (none) or more")]
Flag = Annotated[bool, Bounds(description="true or false")]

# For counting: one process, where several would share out the clients by chance, and clients that stay for longer than
# they wait for a restart of the database.
KEPT: Final[Mapping[str, Scalar]] = {"workers": 1, "keep_alive_seconds": 60}
# The threads of an event loop's executor: what concurrent.futures takes where no number is named, up to 32. From
# Python 3.13 on, it asks for the CPUs that the process may use.
_cpus: Final = getattr(os, "process_cpu_count", os.cpu_count)
EXECUTOR_THREADS: Final = min(32, (_cpus() or 1) + 4)


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """Where the Django project is, in the terms of each kind of server: always with the lab's settings override.

    `scratch` is a folder for the server's own files. The server makes it, and the lab removes it.
    """

    wsgi: str = "loadlab.settings_override.wsgi:application"
    asgi: str = "loadlab.settings_override.asgi:application"
    manage: tuple[str, ...] = ("-m", "loadlab.settings_override")
    python: str = sys.executable
    scratch: str = "."


@dataclass(frozen=True, kw_only=True, slots=True)
class Server(ABC):
    """Base of the family: a member says all that loadlab knows of its server. Its fields are its parameters.

    For people: `title` is the mode's name in reports. `suggested` modes are those that `loadlab init` starts with.
    `remarks` are what else a user should know of the server, Markdown sentences with the version seen.

    For strategies: `asgi` serves Django's ASGI handler. With `greenlets`, threads are gevent's. `hooks` names the
    server whose hooks a strategy may use. A `single_process` server cannot be given more processes.
    With `in_event_loop`, synchronous code runs in the thread of an event loop, and the next request may begin before a
    response is closed. `closes_responses` says that it calls close() of each WSGI response, as PEP 3333 asks.

    For the lab: `packages` are the distributions that it may need beside Django; their versions are recorded. One that
    `instead` names does as well as the one that it stands for. `programs` come from the system, and not from pip.
    `stop_signal` asks it for an orderly end. `keeps_clients` says that a client may keep its connection between
    requests. `quiet_boot` says that it serves a site without a connection to the database until the first request, so
    it may boot while another trial is counted. `runs_exit_hooks` says that a worker which is asked to stop runs
    Python's atexit or gunicorn's worker_exit; many die of SIGTERM, or leave Python's end out. `unprivileged` servers
    refuse to run as root. `counted` are its parameters in the table of `loadlab behaviour`, each with one value or with
    several, as in a plan; a `usual` mode has the rows of every strategy there, another one those that its threads
    decide. `quiet` are the parameters that it has beside them for quiet spells, so that its pauses are short.
    `recycled` is a regular expression for the line of its log that says that it replaces a worker by itself, with the
    worker's pid as its group. `refused` says of parameters that it does not have what to do instead.
    """

    __pydantic_config__ = STRICT

    title: ClassVar[str] = ""
    suggested: ClassVar[bool] = False
    remarks: ClassVar[tuple[str, ...]] = ()
    asgi: ClassVar[bool] = False
    greenlets: ClassVar[bool] = False
    hooks: ClassVar[Hooks] = ""
    single_process: ClassVar[bool] = False
    in_event_loop: ClassVar[bool] = False
    closes_responses: ClassVar[bool] = True
    packages: ClassVar[tuple[str, ...]] = ()
    instead: ClassVar[Mapping[str, str]] = {}
    programs: ClassVar[tuple[SystemProgram, ...]] = ()
    unprivileged: ClassVar[bool] = False
    runs_exit_hooks: ClassVar[bool] = True
    refused: ClassVar[Mapping[str, str]] = {}
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    keeps_clients: ClassVar[bool] = True
    quiet_boot: ClassVar[bool] = False
    counted: ClassVar[Mapping[str, Several]] = {}
    quiet: ClassVar[Mapping[str, Scalar]] = {}
    usual: ClassVar[bool] = False
    recycled: ClassVar[str] = ""

    @abstractmethod
    def argv(self, site: Site, port: int) -> list[str]:
        """The command that serves `site` on 127.0.0.1:`port` in the foreground."""

    @abstractmethod
    def processes(self) -> int:
        """How many processes answer requests: the mode is ready when that many have loaded the site."""

    def loading(self) -> int:
        """How many processes have the site, and are counted: also one that loads it for those that it forks."""
        return self.processes()

    def runs_greenlets(self) -> bool:
        """Whether threads are gevent's with these parameters."""
        return self.greenlets

    @abstractmethod
    def usable_connections(self, users: int) -> int:
        """The most connections that serve a request at one instant, with `users` clients of one request each."""

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  members look where they must
        """The most connections that a later request can find while none is served: one per thread that serves again.

        `keep_alive` says that clients keep their connection to the server, and with it a thread that is theirs.
        """
        return self.usable_connections(users)

    def idle_end_seconds(self) -> float | None:
        """How long all but one thread of each process may be idle until they end; None where threads stay."""
        return None

    def environment(self) -> dict[str, str]:
        """What the mode needs in its environment, beyond the site's own."""
        return {}

    def needs(self, driver: str) -> tuple[str, ...]:  # noqa: ARG002
        """Those of `packages` that have to be installed for this driver ("psycopg2" or "psycopg")."""
        return self.packages

    def recycle_option(self) -> str:
        """The option that takes the number of requests after which a worker is replaced; empty where there is none."""
        return ""

    def async_views(self) -> bool:
        """Whether `async def` views of several requests can run beside each other.

        asyncio has one running loop per thread of the system, so greenlets that share a thread find each other's:
        asgiref refuses to start a second one there.
        """
        return not self.runs_greenlets()

    def recycled_after(self) -> int | None:
        """After how many requests a worker is replaced, by these parameters; None where it is not."""
        return None

    def unmodelled(self) -> str | None:
        """Why the fleet model cannot tell how connections live here, and what to ask it instead; None where it can."""
        return None

    def replaced_workers(self) -> int:
        """How many of its processes it replaces when they are killed; 0 where none: then their work is lost."""
        return 0

    def reload_signal(self) -> signal.Signals | None:
        """What has the parent of its workers replace them, one by one or all, on the same port; None where nothing."""
        return None

    def incompatible(self, driver: str) -> tuple[str, str, str] | None:  # noqa: ARG002
        """A parameter that cannot be so with this driver, why, and what to do; None where all can."""
        return None


@dataclass(frozen=True, kw_only=True, slots=True)
class AsgiServer(Server):
    """A server that hands each request to Django's ASGI handler.

    The handler runs the synchronous code of a request in a thread that ends with the request: it enters asgiref's
    ThreadSensitiveContext in `ASGIHandler.__call__` (django/core/handlers/asgi.py). Only the requests under way bound
    the threads, and no later request finds one of them again.
    """

    asgi: ClassVar[bool] = True
    quiet_boot: ClassVar[bool] = True

    def usable_connections(self, users: int) -> int:
        return users

    def lasting_connections(self, users: int, *, keep_alive: bool) -> int:  # noqa: ARG002  a thread ends with its request
        return 0
