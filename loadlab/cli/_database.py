"""The database that a command reads counts of, through another database of the same server."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.listing.sessions import Activity


@dataclass(frozen=True, kw_only=True, slots=True)
class Observed:
    """The database `name`, and a cursor to ask of it; `folder` is empty, and goes with the command."""

    name: str
    cursor: Cursor
    folder: Path

    def activity(self) -> Activity:
        """Its sessions now.

        Raises:
            EnvironmentFaultError: it does not answer any more.
        """
        import psycopg2

        from loadlab.errors import EnvironmentFaultError
        from loadlab.listing.sessions import activity
        from loadlab.services.database import refusal

        try:
            return activity(self.cursor, self.name)
        except psycopg2.Error as error:
            raise EnvironmentFaultError(refusal(error, self.name)) from error


@contextmanager
def observed_database(reference: str | None, *, allow_remote: bool) -> Iterator[Observed | None]:
    """The one that --dsn names; None if it names none.

    Raises:
        UsageError: the reference is none, or a DSN itself, or names another machine without leave.
        EnvironmentFaultError: the database does not let us in.
    """
    if reference is None:
        yield None
        return
    from loadlab.services.external_database import Reference, external_database

    with ExitStack() as resources:
        folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="loadlab-")))
        database = resources.enter_context(external_database(Reference(reference, allow_remote=allow_remote), folder))
        connection = resources.enter_context(database.observed())
        yield Observed(name=database.name, cursor=connection.cursor(), folder=folder)
