"""PostgreSQL's log as a judge: it names every connection as it comes and goes, so that the peak is exact."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

LOGGED: Final = ("log_connections", "log_disconnections")
_MS: Final = r"=([\d.]+) ms"
SAYS_READY: Final = 18_00_00  # the first version whose log does
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


class SessionLog(_Log):
    """The sessions of `database` in the server's log at `path`: they stay there when the server restarts or crashes.

    PostgreSQL's statistics do not outlive a crash, and count sessions that the client never got to know of. The log of
    PostgreSQL 18 says when a connection is ready, right before the client hears it; earlier ones say when it has been
    let in.
    """

    def __init__(self, cursor: Cursor, database: str, path: Path) -> None:
        super().__init__(path)
        self._says_ready = cursor.connection.server_version >= SAYS_READY
        self._setting = "authorization,setup_durations" if self._says_ready else "on"
        self._let_in = re.compile(
            rf"\[(\d+)\] LOG:  connection authorized: .*\bdatabase={re.escape(database)}(?:\s|$)", re.MULTILINE
        )

    def begin(self, cursor: Cursor) -> None:
        """Have it logged soon: the server reads its configuration in its own time."""
        _configure(cursor, f"SET log_connections = '{self._setting}'")

    def begun(self, cursor: Cursor) -> bool:
        """Whether it is logged, as the cursor of a new connection finds."""
        cursor.execute("SHOW log_connections")
        (setting,) = cursor.fetchone() or ("",)
        return bool(setting == self._setting)

    def end(self, cursor: Cursor) -> None:
        """The same the other way; by another cursor, if the server was restarted."""
        _configure(cursor, "RESET log_connections")

    def opened_since(self, mark: int) -> int:
        """How many sessions there were."""
        text = self._text_since(mark)
        let_in = [(line.start(), line[1]) for line in self._let_in.finditer(text)]
        if not self._says_ready:
            return len(let_in)
        lines = [(at, pid, False) for at, pid in let_in]
        lines += [(line.start(), line[1], True) for line in _READY.finditer(text)]
        return _became_ready(lines)


def _became_ready(lines: list[tuple[int, str, bool]]) -> int:
    """Of the backends that were let in, how many were ready then; of others that say so, none was let in here."""
    expected: set[str] = set()
    count = 0
    for _, pid, ready in sorted(lines):
        if not ready:
            expected.add(pid)
        elif pid in expected:
            expected.discard(pid)
            count += 1
    return count


class SetupLog(_Log):
    """What each connection takes the server at `path` until it is ready; PostgreSQL 18 logs it while it is told to."""

    setting = "setup_durations"

    def __init__(self, cursor: Cursor, path: Path) -> None:
        super().__init__(path)
        self._cursor = cursor

    def begin(self) -> None:
        """Have it logged soon: the server reads its configuration in its own time."""
        _configure(self._cursor, f"SET log_connections = '{self.setting}'")

    def end(self) -> None:
        _configure(self._cursor, "RESET log_connections")

    def since(self, mark: int) -> dict[int, tuple[float, float, float]]:
        """By the pid of each backend: the seconds of all of it, of its fork, and of its authentication."""
        found = _READY.finditer(self._text_since(mark))
        return {int(line[1]): (_seconds(line[2]), _seconds(line[3]), _seconds(line[4])) for line in found}


def _configure(cursor: Cursor, how: str) -> None:
    cursor.execute(f"ALTER SYSTEM {how}")
    cursor.execute("SELECT pg_reload_conf()")


def _seconds(milliseconds: str) -> float:
    return float(milliseconds) / 1000
