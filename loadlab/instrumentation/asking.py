"""Asks a project's own databases for their sessions, and joins them with its listing."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from loadlab.instrumentation.listing import listing
from loadlab.listing.joining import POSTGRESQL, DatabaseReading, joined
from loadlab.listing.sessions import DatabaseSessions, database_sessions
from loadlab.model.text import one_line, redacted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.open_connections import Listing

CONNECT_SECONDS: Final = 5  # unless the settings say something else
OF_POOLS: Final = ("MAX_CONNS", "REUSE_CONNS")  # options of django-db-geventpool, which drivers do not know


class NotAskedError(Exception):
    """A database that does not let us in, or cannot be asked; says why."""


def asked_listing() -> Listing:
    """The listing, with what each of the project's PostgreSQL databases says of its sessions.

    Each is asked by a connection that is opened for this with the alias's settings, is in no count, and is closed.

    Raises:
        OSError: the ledgers cannot be read.
    """
    begun, before = time.monotonic(), listing()
    answers, notes = _answers(alias for alias, one in before.aliases.items() if one.vendor == POSTGRESQL)
    after = listing()
    ended = time.monotonic()
    asked = [
        DatabaseReading(
            sessions=one.sessions,
            aliases=tuple(one.aliases),
            before=one.at - begun,
            after=ended - one.at,
            pooled=one.pooled,
        )
        for one in answers
    ]
    return joined(before, replace(after, notes=(*after.notes, *notes)), asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """What one database has said `at` a monotonic time in seconds, when the first of its `aliases` was asked."""

    at: float
    sessions: DatabaseSessions
    pooled: bool
    aliases: list[str] = field(default_factory=list)


def _answers(aliases: Iterable[str]) -> tuple[Iterable[_Answer], list[str]]:
    """One for each database, and a sentence for each alias that gave none."""
    answers: dict[tuple[float, str], _Answer] = {}
    notes = []
    for alias in aliases:
        try:
            found, pooled = _asked(alias)
        except NotAskedError as error:
            notes.append(f"{alias}: the database was not asked: {error}")
            continue
        answer = _Answer(at=time.monotonic(), sessions=found, pooled=pooled)
        answers.setdefault((found.server, found.database), answer).aliases.append(alias)
    return answers.values(), notes


def _asked(alias: str) -> tuple[DatabaseSessions, bool]:
    """What the database says, and whether a pooler is in between: then the driver has been told another number.

    Raises:
        NotAskedError: it does not answer.
    """
    wrapper = connections[alias]
    driver: Any = wrapper.Database  # type: ignore[attr-defined]  # of PostgreSQL's backends
    try:
        parameters = {"connect_timeout": CONNECT_SECONDS, **wrapper.get_connection_params()}
        with closing(driver.connect(**{key: said for key, said in parameters.items() if key not in OF_POOLS})) as own:
            own.autocommit = True
            found = database_sessions(own.cursor())
            return found, own.info.backend_pid != found.asked_by
    except (driver.Error, ImproperlyConfigured, TypeError) as error:
        said = one_line(redacted(str(error))) or type(error).__name__
        raise NotAskedError(f"{said.rstrip('.')}.") from error
