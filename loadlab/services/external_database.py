"""The user's own PostgreSQL, named without its password ever passing through a command line."""

from __future__ import annotations

import os
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.services.database import Database, refusal
from loadlab.services.dsn import parameters_of, require_local, require_local_peer
from loadlab.services.secret_files import password_line, write_secret
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812


@dataclass(frozen=True, slots=True)
class Reference:
    """How the user named a database, if at all, and whether it may be on another machine."""

    text: str | None
    allow_remote: bool = False


def require_reference(reference: Reference) -> None:
    """Make sure that a database is named as it should be; nothing is connected to.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
    """
    if reference.text is not None:
        parameters = parameters_of(reference.text)
        if not reference.allow_remote:
            require_local(parameters)


@contextmanager
def external_database(reference: Reference, folder: Path) -> Iterator[Database]:
    """The database that `reference` names.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
        EnvironmentFaultError: the database does not let us in.
    """
    with connect_to(parameters_of(reference.text or ""), folder, allow_remote=reference.allow_remote) as database:
        yield database


@contextmanager
def connect_to(wanted: Mapping[str, str], folder: Path, *, allow_remote: bool) -> Iterator[Database]:
    """The database that libpq's parameters lead to; a password goes into a file in `folder` for this user alone.

    Raises:
        UsageError: it is on another machine, without leave.
        EnvironmentFaultError: the database does not let us in.
    """
    parameters = dict(wanted)
    name = parameters.pop("dbname", "")
    password = parameters.pop("password", None)
    secret = folder / "given.pgpass" if password else None
    if secret is not None:
        parameters["passfile"] = str(secret)
        write_secret(secret, password_line(str(password)))
    try:
        yield _database(name, parameters, allow_remote=allow_remote)
    finally:
        if secret is not None:
            secret.unlink(missing_ok=True)


def _database(name: str, parameters: dict[str, str], *, allow_remote: bool) -> Database:
    if not allow_remote:
        require_local(_resolved(name, parameters))
    with _connected(name, parameters) as connection:
        if not allow_remote:
            require_local_peer(connection)
        name = connection.info.dbname
        postmaster = _local_postmaster(connection)
    observer_name = _observer_name(name, parameters)
    return Database(
        name=name,
        parameters=parameters,
        observer=parameters,
        observer_name=observer_name,
        embedded=False,
        postmaster=postmaster,
    )


def _observer_name(name: str, parameters: dict[str, str]) -> str:
    """Another database of the same server, so that the lab's own sessions are not counted as the target's."""
    for candidate in ("postgres", "template1"):
        if candidate != name:
            with suppress(EnvironmentFaultError), _connected(candidate, parameters):
                return candidate
    return name


def _resolved(name: str, parameters: dict[str, str]) -> Mapping[str, str]:
    """The parameters, and what a service file adds to them: libpq reads it, and nothing is sent to the server.

    Raises:
        EnvironmentFaultError: the service does not exist, or its server refuses at once.
    """
    if "service" not in parameters and "PGSERVICE" not in os.environ:
        return parameters
    try:
        begun = psycopg2.connect(_dsn(name, parameters), async_=True)
    except psycopg2.OperationalError as error:
        raise EnvironmentFaultError(refusal(error, name, service=parameters.get("service", ""))) from error
    with closing(begun):
        return begun.info.dsn_parameters


def _dsn(name: str, parameters: dict[str, str]) -> str:
    chosen = {**parameters, "dbname": name} if name else parameters
    return make_dsn(**{"connect_timeout": "5", **chosen})


@contextmanager
def _connected(name: str, parameters: dict[str, str]) -> Iterator[Connection]:
    try:
        connection = psycopg2.connect(_dsn(name, parameters))
    except psycopg2.OperationalError as error:
        raise EnvironmentFaultError(refusal(error, name, service=parameters.get("service", ""))) from error
    try:
        yield connection
    finally:
        connection.close()


def _local_postmaster(connection: Connection) -> int | None:
    """The server's pid when it runs on this machine: the parent of the backend that serves us.

    The backend itself says its number: a pooler in between gives connections other ones, which may be negative.
    """
    if not is_loopback(connection.info.host):
        return None
    with suppress(psutil.Error, psycopg2.Error), connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((pid,),) = cursor.fetchall()
        parent = psutil.Process(pid).parent()
        if parent is not None and "postgres" in parent.name():
            return parent.pid
    return None
