"""PostgreSQL from a wheel: a cluster of the run's own, gone with it."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import time
from contextlib import closing, contextmanager, suppress
from copy import copy as copy_of
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import psutil
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.services.cluster_template import SUPERUSER, copy_running, make_cluster
from loadlab.services.database import Database
from loadlab.services.encryption import make_certificate
from loadlab.services.postgresql_programs import programs
from loadlab.services.secret_files import password_line, write_secret
from loadlab.system.ports import LOOPBACK, free_port, is_lost
from loadlab.system.processes import UNPRIVILEGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from loadlab.model.plan import DatabaseOptions
    from loadlab.services.database import RestartMode
    from loadlab.system.processes import Program, Register

TARGET: Final = "loadlab"  # the target's role and database; an ordinary role, so reserved slots are reserved from it
EXEMPT: Final = {"options": "-c idle_session_timeout=0"}  # of what a fault may limit in the configuration
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
ATTEMPTS: Final = 3  # another program may take the port between our look and PostgreSQL's bind


@contextmanager
def embedded(plan: DatabaseOptions, register: Register, log: Path, others: Sequence[str] = ()) -> Iterator[Database]:
    """A fresh cluster on loopback for as long as the context lasts; with empty databases for `others` too.

    Raises:
        EnvironmentFaultError: PostgreSQL is not installed, or does not start; with the tail of its log.
    """
    with restartable(plan, register, log, others) as running:
        yield running.database


@contextmanager
def restartable(plan: DatabaseOptions, register: Register, log: Path, others: Sequence[str] = ()) -> Iterator[Running]:
    """As `embedded`, for a caller that restarts it.

    Raises:
        EnvironmentFaultError: as `embedded`.
    """
    cluster = _Cluster(programs(plan), register.folder, plan, log, (TARGET, *others))
    cluster.initialise()
    running = Running(cluster, register)
    try:
        yield running
    finally:
        running.abandon()


class Running:
    """A cluster that serves."""

    def __init__(self, cluster: _Cluster, register: Register) -> None:
        self._cluster = cluster
        self._register = register
        self._program, self._port = cluster.start(register)
        self._database = cluster.database(self._port)
        self._standby: _Standby | None = None

    @property
    def database(self) -> Database:
        return replace(
            self._database,
            postmaster=self._program.pid,
            revive=self.revive,
            restart=self.restart,
            followed=self.followed,
            fail_over=self.fail_over,
        )

    def revive(self, *, anew: bool = False) -> Database:
        """The cluster as it serves: started again if its server has ended, or if it is to be `anew`.

        Raises:
            EnvironmentFaultError: it does not come up; what is left of the old one may need a moment to go.
        """
        if anew or not self._program.running():
            self._program.kill()
            self._cluster.end_backends()
            self._program = self._cluster.start_again(self._register, self._port)
        return self.database

    def restart(self, *, max_connections: int | None = None, mode: RestartMode = "fast") -> None:
        """What `pg_ctl restart -m fast` does, or another `mode`: end all sessions, and start again on the same port.

        Raises:
            EnvironmentFaultError: it does not come up again; with the tail of its log.
        """
        if mode == "immediate":
            self.abandon()
        else:
            self.stop()
        if max_connections is not None:
            self._cluster.max_connections = max_connections
        self._program = self._cluster.start_again(self._register, self._port)

    @contextmanager
    def followed(self) -> Iterator[None]:
        """Have a standby that follows, until the context ends or it has taken over.

        Raises:
            EnvironmentFaultError: it cannot be copied, or does not start.
        """
        cluster = self._cluster.copied(self._port)
        program, port = cluster.serve(self._register)
        self._standby = _Standby(cluster, program, port)
        try:
            yield
        finally:
            left, self._standby = self._standby, None
            if left is not None:
                left.program.stop(signal.SIGQUIT, STOP_SECONDS)
                left.cluster.remove()

    def fail_over(self, *, detection_seconds: float = 0.0) -> Database:
        """End it at once, and have the standby take over after so many seconds; its port is another.

        What the standby has not received is lost.

        Raises:
            EnvironmentFaultError: there is no standby, or it does not become the primary.
        """
        standby, self._standby = self._standby, None
        if standby is None:
            raise EnvironmentFaultError("PostgreSQL has no standby that could take over.")
        self.abandon()
        time.sleep(detection_seconds)
        lost, self._cluster = self._cluster, standby.cluster
        self._program, self._port = standby.program, standby.port
        self._database = moved(self._database, self._port)
        self._cluster.promote(self._port)
        lost.remove()
        return self.database

    def stop(self) -> None:
        self._program.stop(signal.SIGINT, STOP_SECONDS)

    def abandon(self) -> None:
        """End it as `pg_ctl stop -m immediate` does: no one reads again what it would write to disk first."""
        self._program.stop(signal.SIGQUIT, STOP_SECONDS)
        self._cluster.end_backends()


@dataclass(frozen=True, slots=True)
class _Standby:
    cluster: _Cluster
    program: Program
    port: int


class _Cluster:
    def __init__(
        self, binaries: Path, folder: Path, plan: DatabaseOptions, log: Path, databases: Sequence[str] = (TARGET,)
    ) -> None:
        self._binaries = binaries
        self.max_connections = plan.max_connections
        self._plan = plan
        self._log = log
        self._databases = databases
        self._passwords = {SUPERUSER: secrets.token_urlsafe(24), TARGET: secrets.token_urlsafe(24)}
        self._home = folder / "postgresql"
        self._home.mkdir(mode=0o700)
        self.data = self._home / "data"
        # Said in full: libpq would spend a round trip on asking, or take what the user's own environment says.
        self._security = {"sslmode": "disable"}
        self._folder = folder
        if os.getuid() == 0:
            owner = pwd.getpwnam(UNPRIVILEGED)
            os.chown(self._home, owner.pw_uid, owner.pw_gid)

    def initialise(self) -> None:
        """Initialise the cluster with a superuser whose password only the lab knows."""
        method = {"scram": "scram-sha-256", "trust": "trust"}[self._plan.auth]
        make_cluster(self._binaries, self.data, method, self._passwords[SUPERUSER])
        if self._plan.tls:
            self._security = {"sslmode": "verify-full", "sslrootcert": str(make_certificate(self.data))}

    def start(self, register: Register) -> tuple[Program, int]:
        """Start it for the first time, and make the target's role and databases."""
        program, port = self.serve(register)
        self._admit_target(port)
        return program, port

    def serve(self, register: Register) -> tuple[Program, int]:
        """Start it on a port that is free."""
        for attempt in range(1, ATTEMPTS + 1):
            port = free_port()
            program = self._launch(register, port)
            if self._comes_up(program, port):
                return program, port
            program.stop(signal.SIGQUIT, STOP_SECONDS)
            if attempt == ATTEMPTS or not is_lost(port, program.log_tail()):
                break
        raise _not_started(program)

    def start_again(self, register: Register, port: int) -> Program:
        program = self._launch(register, port)
        if not self._comes_up(program, port):
            raise _not_started(program)
        return program

    def copied(self, port: int) -> _Cluster:
        """A standby's folder, copied from the server on `port`."""
        copy = copy_of(self)
        copy.data = self._home / f"data-{secrets.token_hex(4)}"
        passfile = self._home / "replication.pgpass"
        write_secret(passfile, password_line(self._passwords[SUPERUSER], host=LOOPBACK), for_program=True)
        access = {"host": LOOPBACK, "port": str(port), "user": SUPERUSER, "passfile": str(passfile)}
        copy_running(self._binaries, copy.data, make_dsn(**access, **self._security))
        return copy

    def promote(self, port: int) -> None:
        """Have a standby become a primary.

        Raises:
            EnvironmentFaultError: it does not.
        """
        with closing(self._connect(port)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_promote(true, %s)", [int(START_SECONDS)])
            if cursor.fetchone() != (True,):
                raise EnvironmentFaultError(f"The standby did not become the primary in {START_SECONDS:g} s.")

    def remove(self) -> None:
        """Remove the folder of one that has ended."""
        shutil.rmtree(self.data, ignore_errors=True)

    def end_backends(self) -> None:
        """End what has outlived its server: each backend has its own process group, and one that is stopped stays.

        They are known by the folder that they work in.
        """
        left = [process for process in psutil.process_iter() if _works_in(process, self.data)]
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, STOP_SECONDS)

    def _launch(self, register: Register, port: int) -> Program:
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": "",
            "max_connections": str(self.max_connections),
            # Any other spelling of UTC makes Django set it anew on each connection it opens.
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        if self._plan.tls:
            settings["ssl"] = "on"
        argv = [str(self._binaries / "postgres"), "-D", str(self.data), "-p", str(port)]
        for name, value in settings.items():
            argv += ["-c", f"{name}={value}"]
        environment = {"LC_ALL": "C", "PATH": os.environ.get("PATH", "")}
        return register.start("PostgreSQL", argv, log=self._log, environment=environment, privileged=False)

    def _comes_up(self, program: Program, port: int) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while program.running() and time.monotonic() < deadline:
            try:
                self._connect(port).close()
            except psycopg2.OperationalError:
                time.sleep(0.02)
            else:
                return True
        return False

    def _connect(self, port: int) -> psycopg2.extensions.connection:
        access = {"user": SUPERUSER, "password": self._passwords[SUPERUSER], "dbname": "postgres", **self._security}
        return psycopg2.connect(make_dsn(host=LOOPBACK, port=str(port), connect_timeout=5, **access))

    def _admit_target(self, port: int) -> None:
        connection = self._connect(port)
        connection.autocommit = True
        role = sql.Identifier(TARGET)
        with connection.cursor() as cursor:
            # The server logs no statement here, so the password stays out of its log.
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(role), [self._passwords[TARGET]])
            for name in self._databases:
                cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), role))
        connection.close()

    def database(self, port: int) -> Database:
        """How to reach it; the target's password file holds the target's password alone."""
        # For any port: the target may come through a proxy or a pooler on its own port.
        for role, name in ((SUPERUSER, "observer.pgpass"), (TARGET, "target.pgpass")):
            write_secret(self._folder / name, password_line(self._passwords[role], host=LOOPBACK, user=role))
        address = {"host": LOOPBACK, "port": str(port), **self._security}
        return Database(
            name=TARGET,
            parameters={**address, "user": TARGET},
            observer={**address, **EXEMPT, "user": SUPERUSER, "passfile": str(self._folder / "observer.pgpass")},
            observer_name="postgres",
            embedded=True,
            environment={"PGPASSFILE": str(self._folder / "target.pgpass")},
            log=self._log,
        )


def moved(database: Database, port: int) -> Database:
    """The same at another port."""
    parameters, observer = ({**one, "port": str(port)} for one in (database.parameters, database.observer))
    return replace(database, parameters=parameters, observer=observer)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    with suppress(psutil.Error):
        return process.cwd() == str(folder)
    return False


def _not_started(program: Program) -> EnvironmentFaultError:
    return EnvironmentFaultError(f"The embedded PostgreSQL did not start; its log ends:\n{program.log_tail()}")
