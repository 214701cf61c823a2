"""Asks PostgreSQL for its sessions of a database: never for the text of a query."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loadlab.model.open_connections import Session
from loadlab.model.text import one_line, redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

# A row of pg_stat_activity is a client's. Of others' rows an ordinary role, without pg_monitor, sees database and user,
# and neither backend_type nor state; processes of PostgreSQL's own lack one of the two.
CLIENT: Final = (
    "datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'"
)
RESERVED: Final = """current_setting('superuser_reserved_connections')::int
         + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int"""
SESSIONS: Final = f"""
SELECT pid, extract(epoch FROM clock_timestamp() - backend_start)::float8, state,
    extract(epoch FROM clock_timestamp() - state_change)::float8, wait_event_type || ':' || wait_event,
    extract(epoch FROM clock_timestamp() - xact_start)::float8,
    CASE WHEN client_port = -1 THEN 'socket' ELSE host(client_addr) END, usename::text, application_name
FROM pg_stat_activity WHERE datname = coalesce(%s, current_database()) AND {CLIENT} AND pid <> pg_backend_pid()
ORDER BY backend_start, pid
"""  # noqa: S608  a text of ours
SERVER: Final = f"""
SELECT coalesce(%s, current_database())::text, current_user::text, pg_backend_pid(),
    extract(epoch FROM pg_postmaster_start_time())::float8, current_setting('max_connections')::int - ({RESERVED})
"""  # noqa: S608  as above
LONGEST: Final = 40  # characters of a name that a session has given itself
_LONG_WORD: Final = re.compile(r"[A-Za-z0-9_+/=]{20,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Backend:
    """A session as the database knows it, for so many seconds; None where the role may not see it."""

    pid: int
    seconds: float | None
    session: Session


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSessions:
    """All sessions of `database` but the one that asked, as `role` sees them; `limit` is that of the whole server.

    `server` is the same for two databases of one server. `asked_by` is the asking session's own number.
    """

    database: str
    role: str
    server: float
    limit: int
    asked_by: int
    backends: tuple[Backend, ...]

    @property
    def hidden(self) -> int:
        """How many of them the role may not see in full."""
        return sum(backend.seconds is None for backend in self.backends)


def database_sessions(cursor: Any, database: str | None = None) -> DatabaseSessions:  # noqa: ANN401  any driver's
    """The sessions of a database, by default of the cursor's own."""
    cursor.execute(SERVER, [database])
    name, role, asked_by, server, limit = cursor.fetchone()
    cursor.execute(SESSIONS, [database])
    backends = tuple(_backend(row) for row in cursor.fetchall())
    return DatabaseSessions(
        database=name, role=role, server=float(server), limit=limit, asked_by=asked_by, backends=backends
    )


def _backend(row: Sequence[Any]) -> Backend:
    pid, seconds, state, state_seconds, wait, transaction_seconds, client, user, application = row
    session = Session(
        state=one_line(state or ""),
        state_seconds=state_seconds,
        wait=one_line(wait or ""),
        transaction_seconds=transaction_seconds,
        client=one_line(client or ""),
        user=one_line(user or ""),
        application=harmless(application or ""),
    )
    return Backend(pid=pid, seconds=seconds, session=session)


def harmless(application: str) -> str:
    """The name that a session or a thread has been given, cut; or nothing where it may be a secret: anybody can set it.

    >>> harmless("celery@worker-7f9c6d5b4"), harmless("sk_live_51H8abcdefghijklmno"), harmless("password=tiger")
    ('celery@worker-7f9c6d5b4', '', '')
    """
    text = one_line(application)
    long = any(any(map(str.isdigit, word)) for word in _LONG_WORD.findall(text))
    if long or "://" in text or redacted(text) != text:
        return ""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
