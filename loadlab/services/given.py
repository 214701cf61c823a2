"""The user's own PostgreSQL, named without its password ever passing through a command line."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil
import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.ports import is_loopback
from loadlab.services.database import Database, refusal
from loadlab.services.secret_files import password_line, write_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812

FORMS: Final = (
    "--dsn env:NAME takes it from the environment variable NAME, --dsn service=NAME from libpq's service file"
)


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
        parameters = _parameters(reference.text)
        if not reference.allow_remote:
            _require_local(parameters.get("host", ""))


@contextmanager
def given(reference: Reference, folder: Path) -> Iterator[Database]:
    """The database that `reference` names.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
        EnvironmentFaultError: the database does not let us in.
    """
    with reached(_parameters(reference.text or ""), folder, allow_remote=reference.allow_remote) as database:
        yield database


@contextmanager
def reached(wanted: Mapping[str, str], folder: Path, *, allow_remote: bool) -> Iterator[Database]:
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


def _parameters(reference: str) -> dict[str, str]:
    kind, _, rest = reference.partition(":")
    if kind == "env" and rest:
        dsn = os.environ.get(rest)
        if not dsn:
            raise UsageError(f"The environment variable {rest} is not set; it should hold the DSN of your database.")
        try:
            return {key: str(value) for key, value in parse_dsn(dsn).items()}
        except psycopg2.ProgrammingError:
            # libpq's own words repeat parts of the text, and what is no DSN may still hold a password.
            raise UsageError(f"The environment variable {rest} holds no DSN that libpq understands.") from None
    if reference.startswith("service="):
        return {"service": reference.removeprefix("service=")}
    raise UsageError(f"A DSN on the command line would show in the process list: {FORMS}.")


def _database(name: str, parameters: dict[str, str], *, allow_remote: bool) -> Database:
    if not allow_remote:
        _require_local(parameters.get("host", ""))
    with _connected(name, parameters) as connection:
        if not allow_remote:  # the host may come from a service file or libpq's own environment
            _require_local(connection.info.host)
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


@contextmanager
def _connected(name: str, parameters: dict[str, str]) -> Iterator[Connection]:
    chosen = {**parameters, "dbname": name} if name else parameters
    try:
        connection = psycopg2.connect(make_dsn(**{"connect_timeout": "5", **chosen}))
    except psycopg2.OperationalError as error:
        raise EnvironmentFaultError(refusal(error, name, service=parameters.get("service", ""))) from error
    try:
        yield connection
    finally:
        connection.close()


def _require_local(host: str) -> None:
    if not is_loopback(host):
        raise UsageError(
            f"The database is on {host}, not on this machine. loadlab puts load on it (and makes the tables of its own"
            " site in it, if that is what it measures); say --allow-remote if that is what you want."
        )


def _local_postmaster(connection: Connection) -> int | None:
    """The server's pid when it runs on this machine: the parent of the backend that serves us."""
    if not is_loopback(connection.info.host):
        return None
    with suppress(psutil.Error):
        backend = psutil.Process(connection.info.backend_pid)
        parent = backend.parent()
        if parent is not None and "postgres" in parent.name():
            return parent.pid
    return None
