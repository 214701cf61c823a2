"""The lab's own connection to the database under test, which comes back when the database does."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

import psycopg2

from loadlab.errors import EnvironmentFaultError, IncompleteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Self

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.services.database import Database

AWAY_SECONDS: Final = 60.0  # a crash recovery takes seconds; after this long the run stops
RESTART_SECONDS: Final = (
    20.0  # after this long, one that the lab started itself is started again even if it seems to run
)
ANSWER_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2


class Observer:
    """A context: a connection to another database of the server, so that it is in none of the target's counts."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._resources = ExitStack()
        self.cursor: Cursor

    def __enter__(self) -> Self:
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def alive(self) -> bool:
        return answers(self.cursor)

    def restore(self, *, anew: bool = False) -> None:
        """Connect again, as soon as the database answers; one that the lab started itself is started again.

        `anew` starts it again even if it runs: what others have left in it does not go away.

        Raises:
            IncompleteError: it stays away.
        """
        overdue = time.monotonic() + RESTART_SECONDS

        def attempt() -> None:
            nonlocal anew, overdue
            self._close()
            if self.database.revive is not None:
                if time.monotonic() > overdue:  # it is stopped, or hangs
                    anew, overdue = True, float("inf")
                self.database = self.database.revive(anew=anew)
                anew = False
            self._connect()

        persevere(attempt)

    def _connect(self) -> None:
        self.cursor = self._resources.enter_context(self.database.observed()).cursor()

    def _close(self) -> None:
        with suppress(psycopg2.Error):
            self._resources.close()


def answers(cursor: Cursor) -> bool:
    """Whether the connection still leads to a database that answers."""
    try:
        with cut_off(lambda: cursor.connection, ANSWER_SECONDS):
            cursor.execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


def persevere(attempt: Callable[[], None]) -> None:
    """Try to connect, until it succeeds or the database has stayed away for too long.

    Raises:
        IncompleteError: it has.
    """
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            attempt()
        except EnvironmentFaultError as error:
            if time.monotonic() > deadline:
                raise IncompleteError(f"PostgreSQL was not available for {AWAY_SECONDS:g} s. {error}") from error
            time.sleep(POLL_SECONDS)
        else:
            return


@contextmanager
def cut_off(connected: Callable[[], Connection], seconds: float) -> Iterator[None]:
    """Break a connection that is still in use after so many seconds: a database that is stopped never answers.

    It is the one that is `connected` then: it may have been made anew.

    The caller that waits for the result gets a psycopg2.OperationalError.
    """
    timer = threading.Timer(seconds, _shut, [connected])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _shut(connected: Callable[[], Connection]) -> None:
    with suppress(psycopg2.Error, OSError), socket.socket(fileno=os.dup(connected().fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
