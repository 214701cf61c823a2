"""PgBouncer between the target and PostgreSQL: a fresh one for each trial, and exact counts of both its sides."""

from __future__ import annotations

import os
import resource
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.judges._pgbouncer_console import CONSOLE, Console, PoolerGoneError
from loadlab.judges.pgbouncer import PgBouncer
from loadlab.model.text import redacted
from loadlab.services.pgbouncer_configuration import write_configuration, write_users
from loadlab.services.secret_files import password_line, write_secret
from loadlab.services.way import way_to
from loadlab.system.ports import LOOPBACK, free_port, is_lost
from loadlab.system.processes import UNPRIVILEGED
from loadlab.system.programs import PGBOUNCER
from loadlab.system.state_folder import let_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.pooling import Pooling
    from loadlab.services.database import Database
    from loadlab.services.way import Way
    from loadlab.system.processes import Program, Register

__all__ = ["Bouncer", "PoolerGoneError", "pgbouncer", "pgbouncer_version", "require_pgbouncer"]

START_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 2.0  # a stranger on its port may never answer
POLL_SECONDS: Final = 0.01
ATTEMPTS: Final = 3  # another program may take the port between our look and PgBouncer's bind
SPARE_DESCRIPTORS: Final = 32  # its own, beside those of clients and servers


def require_pgbouncer() -> Path:
    """The program; nothing is started.

    Raises:
        EnvironmentFaultError: it is not installed.
    """
    found = PGBOUNCER.find()
    if found is None:
        raise EnvironmentFaultError(
            f"PgBouncer is not installed. Install it ({PGBOUNCER.install}), or remove the strategy pgbouncer from the"
            " plan."
        )
    return found


def pgbouncer_version() -> str:
    """What the program says of itself, e.g. "1.18.0".

    Raises:
        EnvironmentFaultError: it is not installed, or says nothing of the kind.
    """
    program = require_pgbouncer()
    version = PGBOUNCER.version()
    if not version:
        raise EnvironmentFaultError(
            f"{program} --version does not print a PgBouncer version. Check that it is PgBouncer."
        )
    return version


@contextmanager
def pgbouncer(wanted: Pooling, database: Database, register: Register, folder: Path, log: Path) -> Iterator[Bouncer]:
    """A fresh PgBouncer in front of `database` for as long as the context lasts; its secrets lie below `folder`.

    It asks the target's role for its password as PostgreSQL does, by SCRAM or otherwise, or not at all.

    Raises:
        EnvironmentFaultError: it is not installed or does not start, or PostgreSQL lets the target in but not it.
    """
    program = require_pgbouncer()
    _require_descriptors(wanted)
    _require_distinct(database.name)
    way = way_to(database)
    with _home(folder) as home:
        bouncer = Bouncer(_Setting(program=program, wanted=wanted, way=way, home=home, log=log), database, register)
        try:
            bouncer.start()
            yield bouncer
        finally:
            bouncer.stop()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Setting:
    """What stays the same over all processes of one PgBouncer."""

    program: Path
    wanted: Pooling
    way: Way
    home: Path
    log: Path


class Bouncer:
    """A running PgBouncer: `database` is the target's as it is reached through it, its observers' way goes past it.

    `judge` counts both its sides.
    """

    def __init__(self, setting: _Setting, database: Database, register: Register) -> None:
        self._setting = setting
        self._direct = database
        self._register = register
        self._admin = f"loadlab-{secrets.token_hex(4)}"
        self._password = secrets.token_urlsafe(24)
        self.judge = PgBouncer(setting.log, database.name, setting.way.user)
        self._program: Program | None = None
        self.database = database

    @property
    def pid(self) -> int:
        """Of its present process."""
        if self._program is None:
            raise PoolerGoneError("PgBouncer does not run at this moment.")
        return self._program.pid

    def start(self) -> None:
        """Start it on a free port.

        Raises:
            EnvironmentFaultError: it does not come up, or PostgreSQL does not let it in.
        """
        for attempt in range(1, ATTEMPTS + 1):
            port = free_port()
            fault = self._attempt(port)
            if fault is None:
                break
            if attempt == ATTEMPTS or not is_lost(port, str(fault)):
                raise fault
        self.database = self._through(port)
        self._require_passage()

    def restart(self) -> None:
        """End it as a crash would, all its connections with it, and start it again on the same port.

        Raises:
            EnvironmentFaultError: it does not come up again.
        """
        self.stop()
        fault = self._attempt(int(self.database.parameters["port"]))
        if fault is not None:
            raise fault

    def stop(self) -> None:
        """End it at once: PgBouncer's own immediate shutdown says goodbye to no client either."""
        program, self._program = self._program, None
        if program is not None:
            self.judge.process_ends(program.kill)

    def _attempt(self, port: int) -> EnvironmentFaultError | None:
        """Start a process, and wait until its console lets us in: only we know the name and the password."""
        program = self._launch(port)
        console = Console(port, self._admin, self._password)
        deadline = time.monotonic() + START_SECONDS
        try:
            while program.running() and time.monotonic() < deadline:
                with suppress(PoolerGoneError):
                    console.ask("SHOW VERSION", ANSWER_SECONDS)
                    self._program, self._console = program, console
                    self.judge.process_begins(console)
                    return None
                time.sleep(POLL_SECONDS)
        except BaseException:
            program.kill()
            raise
        program.kill()
        return EnvironmentFaultError(f"PgBouncer did not start; its log, {program.log}, ends:\n{program.log_tail()}")

    def _launch(self, port: int) -> Program:
        setting = self._setting
        write_users(setting.home, setting.way, self._admin, self._password)
        configuration = write_configuration(setting.home, setting.wanted, setting.way, port=port, admin=self._admin)
        argv = [str(setting.program), str(configuration)]
        environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
        return self._register.start("PgBouncer", argv, log=setting.log, environment=environment, privileged=False)

    def _require_passage(self) -> None:
        """Make sure that PostgreSQL lets PgBouncer in: to the observer's database, where nothing is counted.

        The pool of the target's database stays empty.
        """
        name = self._direct.observer_name
        if name == self._direct.name:
            return
        try:
            psycopg2.connect(make_dsn(**{"connect_timeout": "10", **self.database.parameters, "dbname": name})).close()
        except psycopg2.OperationalError as error:
            raise EnvironmentFaultError(_no_passage(error, self._setting.way)) from error
        self._console.ask(f"KILL {name}")
        self._console.ask(f"RESUME {name}")  # otherwise later clients would wait for that

    def _through(self, port: int) -> Database:
        setting = self._setting
        address = {"host": LOOPBACK, "hostaddr": LOOPBACK, "port": str(port), "user": setting.way.user}
        # No TLS on the way to PgBouncer, and no round trip spent on asking for it.
        parameters = {**setting.way.others, **address, "sslmode": "disable"}
        if setting.way.demand.method != "trust":
            passfile = setting.home / "target.pgpass"
            write_secret(passfile, password_line(setting.way.password, host=LOOPBACK))
            parameters["passfile"] = str(passfile)
        return replace(self._direct, parameters=parameters, rerouted=True)


@contextmanager
def _home(folder: Path) -> Iterator[Path]:
    """A folder that PgBouncer can read in, gone at the end."""
    home = Path(tempfile.mkdtemp(prefix="pgbouncer-", dir=folder))
    try:
        let_in(home)
        yield home
    finally:
        shutil.rmtree(home)


def _require_descriptors(wanted: Pooling) -> None:
    """Make sure that PgBouncer can have a descriptor for each of its connections.

    Raises:
        EnvironmentFaultError: with the number that it needs.
    """
    needed = wanted.max_client_conn + wanted.pool_size + SPARE_DESCRIPTORS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and needed > limit:
        raise EnvironmentFaultError(
            f"PgBouncer needs {needed} file descriptors for max_client_conn = {wanted.max_client_conn}, but the"
            f" limit is {limit}. Raise it (ulimit -n {needed}), or lower max_client_conn."
        )


def _require_distinct(name: str) -> None:
    if name == CONSOLE:
        raise EnvironmentFaultError(
            f"PgBouncer keeps the name {CONSOLE} for its console, so no database of that name can be reached through"
            " it. Rename yours, or remove the strategy pgbouncer from the plan."
        )


def _no_passage(error: psycopg2.Error, way: Way) -> str:
    said = redacted(str(error)).strip()
    remedy = "PgBouncer knows no startup parameters of a user's own: leave them out of the database's options."
    if "startup parameter" not in said:
        remedy = "It goes the same way as the target, with the same password."
        if way.demand.method == "trust" and os.getuid() == 0:
            remedy += f" But it runs as {UNPRIVILEGED}: peer authentication does not let it in, a password would."
    return f"PostgreSQL is not to be reached through PgBouncer: {said}\n{remedy}"
