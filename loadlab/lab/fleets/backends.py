"""Counts PostgreSQL's backends of the target through a connection that comes back after a restart."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import psycopg2

from loadlab.errors import EnvironmentFaultError
from loadlab.judges.postgresql import PostgreSQL

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from loadlab.services.database import Database


class Backends:
    """A context; `read` counts the backends, of which there are none while PostgreSQL accepts none."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._connection = ExitStack()
        self._judge: PostgreSQL | None = None

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def read(self) -> dict[str, float]:
        """How many there are, and whether PostgreSQL was "away"."""
        for _ in range(2):  # of a connection that a restart has ended, the first attempt tells no more than that
            try:
                judge = self._judge or self._connect()
                return {"backends": float(judge.open_now()), "away": 0.0}
            except psycopg2.Error:
                self._close()
            except EnvironmentFaultError:
                break
        return {"backends": 0.0, "away": 1.0}

    def _connect(self) -> PostgreSQL:
        cursor = self._connection.enter_context(self._database.observed()).cursor()
        self._judge = PostgreSQL(cursor, self._database.name)
        return self._judge

    def _close(self) -> None:
        self._judge = None
        with suppress(psycopg2.Error):
            self._connection.close()
