"""What PgBouncer's log tells of connections that have come and gone: its console knows only those that are there.

A client is logged when it asks to be let in, not when it is; one that leaves in the middle of its password exchange
is never mentioned again. So arrivals are not counted here, and ends are: those who were let in are those
who have ended since, and those whom the console shows. It is the same with connections to PostgreSQL.
"""

from __future__ import annotations

import re
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LINE: Final = re.compile(r" \[\d+\] [A-Z]+ (?P<side>[CS])-(?P<pointer>0x[0-9a-f]+): (?P<rest>.*)$")
_CLOSING: Final = re.compile(r"closing because: (?P<reason>.*) \(age=(?P<age>\d+)s?\)$")
_SERVER_ERROR: Final = re.compile(r" server login failed: \S+ (?P<words>.*)$")

_LIMIT: Final = "no more connections allowed"
_WAIT: Final = "query_wait_timeout"
# What a client is told that was let in long ago, when PostgreSQL is not to be reached any more, ...
_NO_SERVER: Final = ("server login has been failing", "pgbouncer cannot connect to server")
# ... what ends one that was not let in, in any kind of pool, ...
_NOT_LET_IN: Final = (
    "SASL authentication failed",
    "password authentication failed",
    '"trust" authentication failed',
    "client_login_timeout",
    "empty password returned by client",
    "no such database",
    "no such user",
    "login rejected",
)
# ... and what ends a connection that reached PostgreSQL and became no session there.
_NO_SESSION: Final = (
    "login failed",
    "connect timeout",
    "failed to answer authreq",
    "startup pkt failed",
    "server refused SSL",
    "bad sslreq answer",
    "sslreq processing failed",
    "partial pkt in login phase",
    "connect string changed",
    "successfully sent cancel request",
    "sent cancel req",
    "failed to send cancel req",
    "client gave up on cancel request",
)
# ... and what ends one that is dropped without a word, of which only PostgreSQL can tell if it came in the login.
_DROPPED: Final = "server conn crashed?"
_NOT_IN_LOGIN: Final = "from server when not linked"
_LOGIN_SECONDS: Final = 1  # a login may take so long, as PgBouncer rounds it


class Refusal(Enum):
    """Why a client was turned away, or was sent away later."""

    MAX_CLIENT_CONN = "max_client_conn"
    QUERY_WAIT_TIMEOUT = "query_wait_timeout"
    OTHER = "other"


class Reader:
    """Reads from a log what has been added to it since the last time."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._at = log.stat().st_size if log.exists() else 0

    def lines(self) -> Iterator[str]:
        """Whole lines alone: the rest of one that is being written comes next time."""
        with self._log.open("rb") as file:
            file.seek(self._at)
            added = file.read()
        whole = added[: added.rfind(b"\n") + 1]
        self._at += len(whole)
        return iter(whole.decode(errors="replace").splitlines())


class LogCounts:
    """The counts of one PgBouncer process for the pool of one user of one database.

    Clients: `asked` to be let in, `turned_away` before they were, `closed` later. Connections to PostgreSQL:
    `connected` to it, `failed` to become a session, `ended` having been one. Of those, `cut_off` may have been none:
    PostgreSQL dropped them without a word, so soon that it may have been in the middle of their login. A pool never has
    more than one in its login, and that is its latest.

    `just_ended` names the clients (by address) and servers (by pointer) of which an end was read since it was cleared.
    """

    def __init__(self, database: str, user: str) -> None:
        self._ours = f"{database}/{user}@"
        self._reached: set[str] = set()
        self._server_error = ""
        self.asked = self.turned_away = self.closed = 0
        self.connected = self.failed = self.ended = self.cut_off = 0
        self._latest = ""
        self.refusals: Counter[Refusal] = Counter()
        self.just_ended: set[str] = set()

    def take(self, line: str) -> None:
        match = _LINE.search(line)
        if match is None:
            error = _SERVER_ERROR.search(line)
            self._server_error = error["words"] if error else self._server_error
            return
        closing = _CLOSING.search(match["rest"])
        reason = closing["reason"] if closing else ""
        if reason.startswith(_LIMIT):  # before it could say which database it wants
            self.refusals[Refusal.MAX_CLIENT_CONN] += 1
        elif match["rest"].startswith(self._ours):
            address, _, said = match["rest"].removeprefix(self._ours).partition(" ")
            if match["side"] == "C":
                self._client(said, reason, address)
            else:
                young = closing is not None and int(closing["age"]) <= _LOGIN_SECONDS
                self._server(said, reason, match["pointer"], young=young)

    def no_client_was_admitted(self) -> None:
        """Say that no connection to PostgreSQL has ever been a session: without one PgBouncer lets no client in."""
        self.turned_away += self.closed
        self.closed = 0

    def _client(self, said: str, reason: str, address: str) -> None:
        if said.startswith("login attempt:"):
            self.asked += 1
        elif reason:
            self.just_ended.add(address)
            refusal = self._refusal(reason)
            self.refusals.update([refusal] if refusal else [])
            if reason.startswith(_NOT_LET_IN) or reason == self._server_error:
                self.turned_away += 1
            else:
                self.closed += 1

    def _refusal(self, reason: str) -> Refusal | None:
        if reason == _WAIT:
            return Refusal.QUERY_WAIT_TIMEOUT
        refused = reason.startswith((*_NOT_LET_IN, *_NO_SERVER)) or reason == self._server_error
        return Refusal.OTHER if refused else None

    def _server(self, said: str, reason: str, pointer: str, *, young: bool) -> None:
        if said.startswith("new connection to server"):
            self.connected += 1
            self._reached.add(pointer)
            self._latest = pointer
            self.just_ended.discard(pointer)
        elif pointer == self._latest and said.endswith(_NOT_IN_LOGIN):
            self._latest = ""
        elif reason and pointer in self._reached:
            self._reached.remove(pointer)
            self.just_ended.add(pointer)
            if reason.startswith(_NO_SESSION):
                self.failed += 1
            else:
                self.ended += 1
                self.cut_off += young and reason == _DROPPED and pointer == self._latest
