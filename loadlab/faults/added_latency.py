"""Added latency: a proxy adds to each round trip of the target to the database; the lab itself goes straight."""

from __future__ import annotations

import os
import signal
import socket
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.faults.base import Acts, Fault, FaultEffect
from loadlab.model.bounds import Bounds
from loadlab.services.proxy_handle import ProxyHandle
from loadlab.services.secret_files import password_line, write_secret
from loadlab.system.ports import LOOPBACK
from loadlab.system.processes import inherited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.faults.base import FaultContext
    from loadlab.services.database import Database
    from loadlab.system.processes import Program, Register

BOOT_SECONDS: Final = 60.0
STOP_SECONDS: Final = 1.0
CHECKED_BY_NAME: Final = "verify-full"


@dataclass(frozen=True, kw_only=True, slots=True)
class AddedLatency(Fault):
    """`round_trip_ms` is added to each round trip between the target and the database.

    At 0 ms there is a proxy too, so that its own cost can be measured. What its handle is told happens to the network.
    """

    acts: ClassVar[Acts] = "throughout"

    round_trip_ms: Annotated[float, Bounds(ge=0, le=1000, finite=True, description="milliseconds, 0 to 1000")]

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Lead the target through the proxy, and the observer straight.

        Raises:
            UsageError: the database is reached through a socket of the file system.
            EnvironmentFaultError: the proxy does not start, or the database does not let us in.
        """
        log = context.log.with_suffix(".proxy.log")
        with _proxied(context.database, self.round_trip_ms, context.register, log) as (database, proxy):
            yield FaultEffect(database=database, trees={"proxy": proxy.program.pid}, handle=proxy)


@contextmanager
def _proxied(
    database: Database, round_trip_ms: float, register: Register, log: Path
) -> Iterator[tuple[Database, ProxyHandle]]:
    way = _way_to(database)
    program, port = _start(way, round_trip_ms, register, log)
    passfile = register.folder / f"added-latency-{port}.pgpass"
    try:
        parameters = {**database.parameters, **way.through(port)}
        if way.password is not None:
            write_secret(passfile, password_line(way.password, port=str(port)))
            parameters["passfile"] = str(passfile)
        yield replace(database, parameters=parameters, rerouted=True), ProxyHandle(program)
    finally:
        program.stop(signal.SIGTERM, STOP_SECONDS)
        program.close_pipes()
        passfile.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """Where the server is: its address, and the `name` that the target has to call it by.

    A `password` is one that libpq may have found under the server's port, and would not find under the proxy's.
    """

    address: str
    port: int
    name: str = LOOPBACK
    password: str | None = None

    def through(self, port: int) -> dict[str, str]:
        """The target's parameters of libpq that lead to the proxy on `port`."""
        return {"host": self.name, "hostaddr": LOOPBACK, "port": str(port)}


def _way_to(database: Database) -> _Way:
    if database.embedded:
        return _Way(address=database.parameters["host"], port=int(database.parameters["port"]))
    with database.observed() as connection:
        return _known_by(connection)


def _known_by(connection: Connection) -> _Way:
    """What a connection of libpq's has found out: it alone knows all the places where an address may come from."""
    info = connection.info
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        if ours.family == socket.AF_UNIX:
            raise UsageError(
                f"The database is reached through the socket in {info.host}, where loadlab cannot put"
                " its proxy. Set host and port (host=127.0.0.1) in the DSN, or remove round_trip_ms and the faults of"
                " the network from the plan."
            )
        address, port = ours.getpeername()[:2]
    return _Way(
        address=address,
        port=port,
        name=info.host if info.dsn_parameters.get("sslmode") == CHECKED_BY_NAME else LOOPBACK,
        password=info.password if info.used_password else None,
    )


def _start(way: _Way, round_trip_ms: float, register: Register, log: Path) -> tuple[Program, int]:
    argv = [sys.executable, "-m", "loadlab.services.proxy", f"--to={way.address}:{way.port}"]
    argv.append(f"--round-trip-ms={round_trip_ms}")
    program = register.start("The proxy", argv, log=log, environment=inherited(), pipes=True)
    port = program.hear(BOOT_SECONDS)
    if not port:
        program.stop(signal.SIGTERM, STOP_SECONDS)
        program.close_pipes()
        raise EnvironmentFaultError(f"The proxy that adds latency did not start; its log ends:\n{program.log_tail()}")
    return program, int(port)
