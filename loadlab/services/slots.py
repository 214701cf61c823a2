"""Takes PostgreSQL's free connections, so that the target finds few of them or none."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.judges.postgresql import PostgreSQL

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from loadlab.services.database import Database

OWN: Final = 1  # the connection that counts
POLL_SECONDS: Final = 0.02


class Slots:
    """A context that holds connections to the observer's database, until its end.

    They are those of a superuser, who may not take the slots that are reserved from ordinary roles, but need not.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._dsn = make_dsn(**database.observer, dbname=database.observer_name)
        self._resources = ExitStack()
        self._judge: PostgreSQL

    def __enter__(self) -> Self:
        """Raises:
        EnvironmentFaultError: the database does not let us in.
        """
        cursor = self._resources.enter_context(self._database.observed()).cursor()
        self._judge = PostgreSQL(cursor, self._database.name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def take_all_but(self, left: int) -> int:
        """Take what is free now; returns how many that was. It may be less than nothing.

        Raises:
            psycopg2.Error: the connection that counts is gone.
        """
        spare = self._judge.limits().free - OWN - left
        with suppress(psycopg2.OperationalError):  # others were faster
            for _ in range(spare):
                self._resources.callback(psycopg2.connect(self._dsn).close)
        return spare

    def hold_all_but(self, left: int, seconds: float, *, exactly: bool = True) -> None:
        """Take them until so many are free, or with `exactly` False, so many or less.

        Raises:
            EnvironmentFaultError: there are others, for so many seconds.
            psycopg2.Error: the connection that counts is gone.
        """
        deadline = time.monotonic() + seconds
        while (spare := self.take_all_but(left)) > 0 or (exactly and spare):
            if time.monotonic() > deadline:
                raise EnvironmentFaultError(
                    f"PostgreSQL has {left + spare} free connections instead of {left}: something else uses it."
                )
            time.sleep(POLL_SECONDS)  # backends of earlier clients may be about to leave
