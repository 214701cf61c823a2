"""The target's server processes: started fresh for a trial, waited for, stopped."""

from __future__ import annotations

import http.client
import secrets
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.project import Project
from loadlab.plan.members import build_server, build_strategy, server_traits
from loadlab.servers import Site
from loadlab.settings_override.configuration import READY_PATH
from loadlab.system.ports import LOOPBACK, free_port, is_lost
from loadlab.system.processes import without_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from loadlab.model.config import Config
    from loadlab.model.strategy import Changes
    from loadlab.services.database import Database
    from loadlab.system.processes import Program, Register

STOP_SECONDS: Final = 5.0
POLL_SECONDS: Final = 0.01
ATTEMPTS: Final = 3
PRELOAD: Final = {"GUNICORN_CMD_ARGS": "--preload"}


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedApplication:
    """A target that answers at 127.0.0.1:`port`; its ledgers are in `ledgers`; `token` is for control requests."""

    program: Program
    port: int
    ledgers: Path
    token: str = field(repr=False)

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """What the site is served with that is not its own, e.g. another instrumentation to compare ours with.

    `middleware` is the whole list, in its order; None leaves the site's. `database` goes over the database's settings.
    With `preload` gunicorn loads the site before it forks its workers.
    """

    apps: Sequence[str] = ()
    middleware: Sequence[str] | None = None
    database: Mapping[str, object] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    preload: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerSetup:
    """What is to be served: the project, with its database and its connections' strategy."""

    server: Config
    strategy: Config
    database: Database
    ledgers: Path
    project: Project = field(default_factory=Project)
    site: Site | None = None  # where it is: behind the override, in the project's own Python
    instrumented: bool = True
    extras: Extras = field(default_factory=Extras)

    def environment(self, token: str) -> dict[str, str]:
        changes = self._changes()
        override = replace(
            self.project.override(self.database),
            database=merged(changes.database, self._address(), self.extras.database),
            aliases=self.project.tuned,
            instrumented=self.instrumented,
            token=token,
            middleware=self.extras.middleware,
            apps=(*changes.apps, *self.extras.apps),
            values=changes.values,
            gunicorn=changes.gunicorn,
            asgi_wrapper=changes.asgi_wrapper,
        )
        return {
            **self.project.inherited(),
            **self.database.environment,
            **build_server(self.server).environment(),
            **self.project.environment,
            **self.extras.environment,
            **(PRELOAD if self.extras.preload else {}),
            **override.to_environment(),
            "LOADLAB_LEDGER_DIR": str(self.ledgers),
        }

    def _address(self) -> dict[str, object]:
        """The address that a project connects to, if a pooler or proxy is in front of its own database."""
        return self.database.address() if self.project.brings_database and self.database.rerouted else {}

    def argv(self, port: int) -> list[str]:
        site = self.site or Site(python=self.project.python)
        server = build_server(self.server)
        argv = [*server.argv(replace(site, scratch=str(self.scratch)), port), *self._changes().arguments]
        return without_root(argv) if server.unprivileged else argv

    def _changes(self) -> Changes:
        return build_strategy(self.strategy).changes(server_traits(self.server, self.project.driver))

    @property
    def scratch(self) -> Path:
        """Where the server may put files. They go when the ledgers go, which are found by the ends of their names."""
        return self.ledgers / "server"

    def loading(self) -> int:
        """How many processes load the site, and are counted from then on; workers forked later once they count."""
        if not self.instrumented:
            return 0
        return 1 if self.extras.preload else build_server(self.server).loading()


def merged(*settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of one database laid over each other; their OPTIONS too."""
    whole = {key: value for each in settings for key, value in each.items()}
    options = {key: value for each in settings for key, value in each.get("OPTIONS", {}).items()}
    return {**whole, "OPTIONS": options} if options else whole


class Boot:
    """A server that has been started; `ready` waits until it can serve."""

    def __init__(self, setup: ServerSetup, register: Register, log: Path, port: int | None = None) -> None:
        self._setup = setup
        self._server = build_server(setup.server)
        self._register = register
        self._log = log
        self._port = port
        self._application = self._started()

    def ready(self) -> ServedApplication:
        """The target, once it is ready to serve.

        Raises:
            EnvironmentFaultError: the server ends or hangs before it is ready; with the tail of its log.
        """
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _await_ready(self._application, self._setup)
            except EnvironmentFaultError:
                self.stop()
                if attempt == ATTEMPTS or not self._lost_race():
                    raise
                self._application = self._started()
            else:
                return self._application
        raise AssertionError("the last attempt returns or raises")

    def stop(self) -> None:
        self._application.program.stop(self._server.stop_signal, STOP_SECONDS)

    def _started(self) -> ServedApplication:
        token, port = secrets.token_hex(8), self._port or free_port()
        self._setup.ledgers.mkdir(parents=True, exist_ok=True)
        program = self._register.start(
            self._setup.server.name,
            self._setup.argv(port),
            log=self._log,
            environment=self._setup.environment(token),
            folder=self._setup.project.folder,
        )
        return ServedApplication(program=program, port=port, ledgers=self._setup.ledgers, token=token)

    def _lost_race(self) -> bool:
        """Whether another program took the port between our look at it and the server's bind."""
        return self._port is None and is_lost(self._application.port, self._application.program.log_tail())


@contextmanager
def booting(setup: ServerSetup, register: Register, log: Path, port: int | None = None) -> Iterator[Boot]:
    """A server that boots, stopped at the end; on `port`, or on any that is free."""
    boot = Boot(setup, register, log, port)
    try:
        yield boot
    finally:
        boot.stop()


@contextmanager
def serving(setup: ServerSetup, register: Register, log: Path, port: int | None = None) -> Iterator[ServedApplication]:
    """A target that is ready to serve, stopped at the end; on `port`, or on any that is free.

    Raises:
        EnvironmentFaultError: the server ends or hangs before it is ready; with the tail of its log.
    """
    with booting(setup, register, log, port) as boot:
        yield boot.ready()


def _await_ready(application: ServedApplication, setup: ServerSetup) -> None:
    project = setup.project
    deadline = time.monotonic() + project.boot_seconds
    while time.monotonic() < deadline:
        if not application.program.running():
            raise EnvironmentFaultError(_boot_fault(application.program, "ended before it was ready"))
        if _is_ready(application, setup):
            return
        time.sleep(POLL_SECONDS)
    remedy = "" if project.info is None else " (boot_seconds in [project] of the plan gives it longer)"
    late = f"was not ready within {project.boot_seconds:g} s{remedy}"
    raise EnvironmentFaultError(_boot_fault(application.program, late))


def _is_ready(application: ServedApplication, setup: ServerSetup) -> bool:
    answers = _answers(application.port, application.token)
    return answers and CounterSet(application.ledgers).read().processes >= setup.loading()


def _boot_fault(program: Program, what: str) -> str:
    return f"The server {program.name} {what}. Its log, {program.log}, ends:\n{program.log_tail()}"


def _answers(port: int, token: str) -> bool:
    """Whether our own process answers on the port: a stranger does not know the token."""
    refusals = (OSError, http.client.HTTPException)
    with suppress(*refusals), closing(http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)) as connection:
        connection.request("GET", READY_PATH, headers={"Connection": "close"})
        return connection.getresponse().read() == token.encode()
    return False
