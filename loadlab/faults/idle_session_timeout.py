"""A limit for idle sessions that comes into force: PostgreSQL ends those that idle for longer."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults.base import Acts, Fault, FaultEffect, Need
from loadlab.model.bounds import Bounds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults.base import FaultContext
    from loadlab.services.database import Database

PATIENCE_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.01


@dataclass(frozen=True, kw_only=True, slots=True)
class IdleSessionTimeout(Fault):
    """`idle_session_timeout` of PostgreSQL's configuration is `after_ms`, until the fault is lifted.

    A session takes it over when it next answers, also one that was open before. One that idles already goes on to idle:
    PostgreSQL sets the timer when a session begins to, and reads its configuration after the next command. The lab's
    own connections are exempt. New sessions end as well, so more may fail than what was kept before.
    """

    acts: ClassVar[Acts] = "at_instant"
    lasting: ClassVar[bool] = True
    needs: ClassVar[tuple[Need, ...]] = ("own_postgresql",)

    after_ms: Annotated[int, Bounds(ge=1, le=86_400_000, description="milliseconds, a whole number, 1 or more")]

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        """Change the configuration, and have PostgreSQL read it; so again at the end.

        Raises:
            EnvironmentFaultError: the database does not let us in, or does not read its configuration.
        """
        _configure(context.database, f"SET idle_session_timeout = {self.after_ms}")
        try:
            yield FaultEffect()
        finally:
            _configure(context.database, "RESET idle_session_timeout")


def _configure(database: Database, how: str) -> None:
    before = _read_at(database)
    with database.observed() as connection, connection.cursor() as cursor:
        cursor.execute(f"ALTER SYSTEM {how}")
        cursor.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _read_at(database) == before:
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(
                f"PostgreSQL has not read its configuration {PATIENCE_SECONDS:g} s after it was told to."
            )
        time.sleep(POLL_SECONDS)


def _read_at(database: Database) -> object:
    """When the server last read its configuration, as a new connection inherits it."""
    with database.observed() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_conf_load_time()")
        return cursor.fetchone()
