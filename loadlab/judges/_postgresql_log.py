"""PostgreSQL's log as a judge: it names every connection as it comes and goes, so that the peak is exact."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

LOGGED: Final = ("log_connections", "log_disconnections")


class ConnectionLog:
    """The connections to `database` in the server's log at `path`, from the server's next start on."""

    def __init__(self, cursor: Cursor, database: str, path: Path) -> None:
        self.path = path
        self._lines = re.compile(
            rf"LOG:  (?:(?P<came>connection authorized: )|disconnection: ).*\bdatabase={re.escape(database)}\b"
        )
        for setting in LOGGED:
            cursor.execute(f"ALTER SYSTEM SET {setting} = on")

    def mark(self) -> int:
        """Where the log ends now."""
        return self.path.stat().st_size

    def peak_since(self, mark: int, already_open: int) -> int:
        """The most sessions that the database had at one instant since `mark`, when it had `already_open`."""
        with self.path.open("rb") as file:
            file.seek(mark)
            text = file.read().decode(errors="replace")
        peak = now = already_open
        for line in self._lines.finditer(text):
            now += 1 if line["came"] else -1
            peak = max(peak, now)
        return peak
