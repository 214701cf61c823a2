"""A database as the lab and the target see it: how to reach it, and who may."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.model.text import redacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case


class Revive(Protocol):
    def __call__(self, *, anew: bool = False) -> Database: ...


# As `pg_ctl` calls them: sessions are ended in order, or all processes at once, and a recovery follows.
RestartMode = Literal["fast", "immediate"]


class RestartCall(Protocol):
    def __call__(self, *, max_connections: int | None = None, mode: RestartMode = "fast") -> None: ...


class FailOver(Protocol):
    def __call__(self, *, detection_seconds: float = 0.0) -> Database: ...


ENGINE = "django.db.backends.postgresql"
_TLS = re.compile(r"\b(SSL|TLS|certificate)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """The target's database `name`. No password is in here: libpq takes it from a password file (or its own places).

    `parameters` are libpq's for the target, without dbname; `observer` are those of the lab's own connections, which go
    to the database `observer_name` so that they are in none of the target's counts. `postmaster` is the pid of the
    server when it runs on this machine, and `log` is its log if the lab may have it say more. `rerouted` says that
    `parameters` lead to something in between. `revive` is for a server of the lab's own: it starts one that has ended,
    or any if it is to be `anew`, and says what it is then. So is `restart`: it ends it, and starts it again at the same
    address, with other `max_connections` if told. In the context of `followed` it has a standby, to which `fail_over`
    leads: the server ends at once, and the standby takes its place after `detection_seconds`, at another port.
    """

    name: str
    parameters: dict[str, str]
    observer: dict[str, str]
    observer_name: str
    embedded: bool
    environment: dict[str, str] = field(default_factory=dict)
    postmaster: int | None = None
    log: Path | None = None
    rerouted: bool = False
    revive: Revive | None = field(default=None, compare=False, repr=False)
    restart: RestartCall | None = field(default=None, compare=False, repr=False)
    followed: Callable[[], AbstractContextManager[None]] | None = field(default=None, compare=False, repr=False)
    fail_over: FailOver | None = field(default=None, compare=False, repr=False)

    def django(self) -> dict[str, object]:
        """The entry for Django's DATABASES."""
        known = {"host": "HOST", "port": "PORT", "user": "USER"}
        settings: dict[str, object] = {known[k]: v for k, v in self.parameters.items() if k in known}
        options = {k: v for k, v in self.parameters.items() if k not in known}
        return {"ENGINE": ENGINE, "NAME": self.name, "OPTIONS": options, **settings}

    def address(self) -> dict[str, object]:
        """Where it is, as entries of Django's DATABASES say it."""
        way = {key: self.parameters[key] for key in ("hostaddr", "sslmode", "passfile") if key in self.parameters}
        return {"HOST": self.parameters["host"], "PORT": self.parameters["port"], "OPTIONS": way}

    @contextmanager
    def observed(self) -> Iterator[Connection]:
        """A connection of the lab's own, in autocommit, to the observer's database.

        Raises:
            EnvironmentFaultError: the database does not let us in.
        """
        try:
            connection = psycopg2.connect(make_dsn(**self.observer, dbname=self.observer_name, connect_timeout=5))
        except psycopg2.OperationalError as error:
            raise EnvironmentFaultError(refusal(error, self.observer_name)) from error
        connection.autocommit = True
        try:
            yield connection
        finally:
            connection.close()


def refusal(error: psycopg2.Error, name: str, *, service: str = "") -> str:
    """What to tell a user whose database refused the lab; never with a password in it."""
    lines = redacted(str(error)).strip().splitlines()
    # libpq names the file that its password came from: one that the lab has written, and the user has never seen.
    said = "\n".join(line for line in lines if not line.startswith("password retrieved from file"))
    which = f"database of the service {service!r}" if service and not name else f"database {name!r}"
    return (
        f"PostgreSQL refused the connection to the {which}: {said}\n"
        f"Check host, port, database, user and password{', and sslmode' if _TLS.search(said) else ''}."
    )
