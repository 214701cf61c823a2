"""PostgreSQL's log as a judge: it names every connection as it comes and goes, so that the peak is exact."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

LOGGED: Final = ("log_connections", "log_disconnections")
_MS: Final = r"=([\d.]+) ms"
_READY: Final = re.compile(rf"\[(\d+)\] LOG:  connection ready: setup total{_MS}, fork{_MS}, authentication{_MS}")


class _Log:
    """The log of a server at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def mark(self) -> int:
        """Where the log ends now."""
        return self.path.stat().st_size

    def _text_since(self, mark: int) -> str:
        with self.path.open("rb") as file:
            file.seek(mark)
            return file.read().decode(errors="replace")


class ConnectionLog(_Log):
    """The connections to `database` in the server's log at `path`, from the server's next start on."""

    def __init__(self, cursor: Cursor, database: str, path: Path) -> None:
        super().__init__(path)
        self._lines = re.compile(
            rf"LOG:  (?:(?P<came>connection authorized: )|disconnection: ).*\bdatabase={re.escape(database)}\b"
        )
        for setting in LOGGED:
            cursor.execute(f"ALTER SYSTEM SET {setting} = on")

    def peak_since(self, mark: int, already_open: int) -> int:
        """The most sessions that the database had at one instant since `mark`, when it had `already_open`."""
        peak = now = already_open
        for line in self._lines.finditer(self._text_since(mark)):
            now += 1 if line["came"] else -1
            peak = max(peak, now)
        return peak


class SetupLog(_Log):
    """What each connection takes the server at `path` until it is ready; PostgreSQL 18 logs it while it is told to."""

    setting = "setup_durations"

    def __init__(self, cursor: Cursor, path: Path) -> None:
        super().__init__(path)
        self._cursor = cursor

    def begin(self) -> None:
        """Have it logged soon: the server reads its configuration in its own time."""
        self._set(f"SET log_connections = '{self.setting}'")

    def end(self) -> None:
        self._set("RESET log_connections")

    def _set(self, how: str) -> None:
        self._cursor.execute(f"ALTER SYSTEM {how}")
        self._cursor.execute("SELECT pg_reload_conf()")

    def since(self, mark: int) -> dict[int, tuple[float, float, float]]:
        """By the pid of each backend: the seconds of all of it, of its fork, and of its authentication."""
        found = _READY.finditer(self._text_since(mark))
        return {int(line[1]): (_seconds(line[2]), _seconds(line[3]), _seconds(line[4])) for line in found}


def _seconds(milliseconds: str) -> float:
    return float(milliseconds) / 1000
