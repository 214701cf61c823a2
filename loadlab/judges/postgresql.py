"""PostgreSQL's own count of the target's connections: pg_stat_database and pg_stat_activity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadlab.judges.base import ConnectionLimits, Judge
from loadlab.listing.sessions import CLIENT, RESERVED

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor  # noqa: N812

STATES: Final = f"""
SELECT count(*), count(*) FILTER (WHERE state = 'active'), count(*) FILTER (WHERE state = 'idle'),
    count(*) FILTER (WHERE state LIKE 'idle in transaction%%')
FROM pg_stat_activity WHERE datname = %s AND {CLIENT}
"""  # noqa: S608  a text of ours
BACKENDS: Final = f"SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND {CLIENT}"  # noqa: S608  as above
OTHERS: Final = f"""
SELECT pid, coalesce(nullif(application_name, ''), 'unnamed') FROM pg_stat_activity
WHERE datname = %s AND {CLIENT} ORDER BY pid LIMIT 5
"""  # noqa: S608  as above
PIDS: Final = f"SELECT pid FROM pg_stat_activity WHERE datname = %s AND {CLIENT} ORDER BY backend_start, pid"  # noqa: S608
SESSIONS: Final = "SELECT sessions, extract(epoch FROM stats_reset) FROM pg_stat_database WHERE datname = %s"
TRANSACTIONS: Final = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = %s"
ABANDONED: Final = "SELECT sessions_abandoned FROM pg_stat_database WHERE datname = %s"
LIMITS: Final = f"""
SELECT current_setting('max_connections')::int,
       {RESERVED},
       (SELECT count(*) FROM pg_stat_activity WHERE {CLIENT} AND pid <> pg_backend_pid())
"""  # noqa: S608  as above


class PostgreSQL(Judge):
    """Counts the clients of `database`, through a cursor that is connected to another database of the same server."""

    def __init__(self, cursor: Cursor, database: str) -> None:
        self.cursor = cursor
        self._name = database

    def open_now(self) -> int:
        return int(self._of_target(BACKENDS)[0])

    def opened(self) -> int:
        return self.sessions()[0]

    def version(self) -> str:
        self.cursor.execute("SHOW server_version")
        (version,) = self.cursor.fetchone() or ("unknown",)
        return str(version)

    def limits(self) -> ConnectionLimits:
        """Of all databases together; the judge's own connection is not in use."""
        self.cursor.execute(LIMITS)
        connections, reserved, in_use = self.cursor.fetchone() or (0, 0, 0)
        return ConnectionLimits(connections=connections, reserved=reserved, in_use=in_use)

    def states(self) -> tuple[int, int, int, int]:
        """Backends: all, and of them those active, idle, and idle in a transaction.

        Those whose state the observer may not see are in none of the three.
        """
        total, active, idle, in_transaction = self._of_target(STATES, 4)
        return total, active, idle, in_transaction

    def sessions(self) -> tuple[int, float]:
        """How many sessions there were since the statistics were reset, and when that was, in seconds of Unix time.

        A backend reports itself when it is first idle, or ends. Counts before and after a reset cannot be compared.
        """
        sessions, reset = self._of_target(SESSIONS, 2)
        return int(sessions), float(reset or 0)

    def abandoned(self) -> int:
        """How many sessions have ended without a word from the client."""
        return int(self._of_target(ABANDONED)[0])

    def transactions(self) -> int:
        """How many have ended; a session reports them when it is idle, or ends."""
        return int(self._of_target(TRANSACTIONS)[0])

    def clients(self) -> list[tuple[int, str]]:
        """Pid and application name of the first few who are connected."""
        self.cursor.execute(OTHERS, [self._name])
        return self.cursor.fetchall()

    def pids(self) -> list[int]:
        """The backends of the target, the oldest first."""
        self.cursor.execute(PIDS, [self._name])
        return [pid for (pid,) in self.cursor.fetchall()]

    def _of_target(self, query: str, columns: int = 1) -> tuple[Any, ...]:
        self.cursor.execute(query, [self._name])
        return self.cursor.fetchone() or (0,) * columns
