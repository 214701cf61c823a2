"""PostgreSQL's own account of the target's connections, exact to the last one: its statistics and its log."""

from __future__ import annotations

import re
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.probes.activity import CLIENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.services.database import Database

PATIENCE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02
LOGGED: Final = ("log_connections", "log_disconnections")
BACKENDS: Final = f"SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND {CLIENT}"  # noqa: S608  a text of ours
STATISTICS: Final = "SELECT sessions, sessions_abandoned FROM pg_stat_database WHERE datname = %s"
FREE: Final = f"""
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
       - current_setting('reserved_connections')::int - count(*)
FROM pg_stat_activity WHERE {CLIENT}
"""  # noqa: S608  as above


class Judge:
    """Looks at `database` through a connection of its own to another database of the same server.

    `log` is the server's, which is told to name every connection as it comes and goes: from its next start on.
    """

    def __init__(self, database: Database, log: Path) -> None:
        self._database = database
        self._log = log
        self._resources = ExitStack()
        self._lines = re.compile(
            rf"LOG:  (?:(?P<came>connection authorized: )|disconnection: ).*\bdatabase={re.escape(database.name)}\b"
        )
        self.cursor = self._connected()
        for setting in LOGGED:
            self.cursor.execute(f"ALTER SYSTEM SET {setting} = on")

    def _connected(self) -> Cursor:
        return self._resources.enter_context(self._database.observed()).cursor()

    def close(self) -> None:
        self._resources.close()

    def reconnect(self) -> None:
        """After a restart of the database, which has ended our connection with all others."""
        self.close()
        self.cursor = self._connected()

    def version(self) -> str:
        self.cursor.execute("SHOW server_version")
        (version,) = self.cursor.fetchone() or ("unknown",)
        return str(version)

    def backends(self) -> int:
        return self._of_target(BACKENDS)[0]

    def sessions(self) -> int:
        """How many sessions the database has ever had."""
        return self._of_target(STATISTICS)[0]

    def abandoned(self) -> int:
        """How many of them have ended without the client's saying so."""
        return self._of_target(STATISTICS)[1]

    def await_empty(self) -> None:
        """Wait until the target has no backend left, so that all of them have reported how they ended.

        Raises:
            EnvironmentFaultError: some stay.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (staying := self.backends()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS / 2)
        if staying:
            raise EnvironmentFaultError(
                f"{staying} backends of the database {self._database.name} have outlived the target by"
                f" {PATIENCE_SECONDS:g} s. PostgreSQL's log is {self._log}."
            )

    @contextmanager
    def only(self, free: int) -> Iterator[None]:
        """Hold so many connections that the target can have `free` and no more, for as long as the context lasts.

        Raises:
            EnvironmentFaultError: fewer are free from the start.
        """
        with ExitStack() as held:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while spare := self._free() - free:
                for _ in range(spare):
                    # As a superuser, who may not take the slots that are kept from ordinary roles, but need not.
                    dsn = make_dsn(**self._database.observer, dbname=self._database.observer_name)
                    held.callback(psycopg2.connect(dsn).close)
                if time.monotonic() > deadline:
                    raise EnvironmentFaultError(
                        f"{free + spare} connections are free in PostgreSQL, and {free} should be: somebody uses it."
                    )
                time.sleep(POLL_SECONDS)  # backends of earlier clients may be about to leave
            yield

    def _free(self) -> int:
        """The connections that an ordinary role can have."""
        self.cursor.execute(FREE)
        (free,) = self.cursor.fetchone() or (0,)
        return int(free)

    def mark(self) -> int:
        """Where the log ends now."""
        return self._log.stat().st_size

    def peak_since(self, mark: int, already_open: int) -> int:
        """The most sessions that the database had at one instant since `mark`, when it had `already_open`."""
        with self._log.open("rb") as file:
            file.seek(mark)
            text = file.read().decode(errors="replace")
        peak = now = already_open
        for line in self._lines.finditer(text):
            now += 1 if line["came"] else -1
            peak = max(peak, now)
        return peak

    def _of_target(self, query: str) -> tuple[int, ...]:
        self.cursor.execute(query, [self._database.name])
        return self.cursor.fetchone() or (0, 0)
