"""The database that a command reads counts of, through another database of the same server."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.listing.sessions import DatabaseSessions


class NotAskedError(EnvironmentFaultError):
    """The database does not answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedDatabase:
    """The database `name`, and a cursor to ask of it; `folder` is empty, and goes with the command."""

    name: str
    cursor: Cursor
    folder: Path


@contextmanager
def observed_database(reference: str, *, allow_remote: bool) -> Iterator[ObservedDatabase]:
    """The one that --dsn names.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
        EnvironmentFaultError: the database does not let us in.
    """
    from loadlab.services.external_database import Reference, external_database

    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="loadlab-")))
        database = resources.enter_context(external_database(Reference(reference, allow_remote=allow_remote), folder))
        connection = resources.enter_context(database.observed())
        yield ObservedDatabase(name=database.name, cursor=connection.cursor(), folder=folder)


class AskedDatabase:
    """The one that --dsn names, if it names any: connected to when it is first asked, and anew after a fault.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
    """

    def __init__(self, reference: str | None, resources: ExitStack, *, allow_remote: bool) -> None:
        if reference is not None:
            from loadlab.services.external_database import Reference, require_reference

            require_reference(Reference(reference, allow_remote=allow_remote))
        self.is_named = reference is not None
        self._open = partial(observed_database, reference or "", allow_remote=allow_remote)
        self._resources = resources.enter_context(ExitStack())
        self._observed: ObservedDatabase | None = None

    def sessions(self) -> DatabaseSessions:
        """Its sessions now.

        Raises:
            UsageError: a service file or a name server leads to another machine, without leave.
            NotAskedError: it does not answer.
        """
        import psycopg2

        from loadlab.listing.sessions import database_sessions
        from loadlab.services.database import refusal

        try:
            self._observed = seen = self._observed or self._resources.enter_context(self._open())
            return database_sessions(seen.cursor, seen.name)
        except EnvironmentFaultError as error:
            raise NotAskedError(str(error)) from error
        except psycopg2.Error as error:
            self._observed = None
            self._resources.close()
            raise NotAskedError(refusal(error, seen.name)) from error
