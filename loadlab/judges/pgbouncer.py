"""PgBouncer's count of both its sides: what its log and its console say together, over all of its processes."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from loadlab.judges._pgbouncer_console import PoolerGoneError
from loadlab.judges._pgbouncer_log import LogCounts, Reader, Refusal
from loadlab.judges.base import ConnectionLimits, Judge
from loadlab.model.counts import PoolerCounts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadlab.judges._pgbouncer_console import Console, PoolNow

CONSOLES: Final = 1
LOOKS: Final = 3  # for an instant in which nothing is logged; asking for all clients by name costs more


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusals:
    """How many clients were turned away, or sent away while they waited, and why.

    `other`: PgBouncer could not get through to PostgreSQL, or did not know the password.
    """

    max_client_conn: int
    query_wait_timeout: int
    other: int


@dataclass(kw_only=True, slots=True)
class OtherClients:
    """Clients of the target's pool that are the lab's: how many were let in, are there, and were sent away."""

    opened: int = 0
    open: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Opened:
    """What had been opened at one look, and the log's counts of then."""

    clients: int = 0
    servers: int = 0
    asked: int = 0
    turned_away: int = 0
    waited_seconds: float = 0.0


class PgBouncer(Judge):
    """Counts of one PgBouncer, begun before its first process has written a line to `log`.

    Its clients are the target's connections; its servers are its own connections to PostgreSQL. The lab's console is in
    no count, nor are `others` of the lab's in the target's pool. Safe to ask from several threads.
    """

    def __init__(self, log: Path, database: str, user: str) -> None:
        self._reader = Reader(log)
        self._pool = (database, user)
        self._lock = threading.Lock()
        self._console: Console | None = None
        self._ended_clients = self._ended_servers = 0  # opened in processes that have ended
        self._ended_waited = 0.0
        self._cut_off_clients = self._cut_off_servers = 0
        self._ended_refusals: Counter[Refusal] = Counter()
        self.others = OtherClients()
        self._begin()

    def open_now(self) -> int:
        return self.counts().clients_open

    def opened(self) -> int:
        return self.counts().clients_opened

    def limits(self) -> ConnectionLimits:
        """Of its clients; one is reserved for the console.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            console = self._running()
            most = console.setting("max_client_conn")
            return ConnectionLimits(connections=most, reserved=CONSOLES, in_use=console.look(*self._pool).clients)

    def pool_size(self) -> int:
        """How many connections to PostgreSQL it opens for the target's pool.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            return self._running().setting("default_pool_size")

    def free(self) -> int:
        """How many more clients of any pool it would let in.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            console = self._running()
            return console.setting("max_client_conn") - console.used_clients()

    def counts(self) -> PoolerCounts:
        """Both sides since the start, over restarts, each as of one instant.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            return self._counts(self._running())

    def waiting(self) -> tuple[int, float]:
        """How many clients wait for a server connection now, and how long the first of them has, in seconds.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            return self._running().waiting(*self._pool)

    def connecting(self) -> int:
        """How many of its connections to PostgreSQL are in the middle of their login, and in no count yet.

        Raises:
            PoolerGoneError: it does not answer.
        """
        with self._lock:
            return self._running().connecting(*self._pool)

    def refusals(self) -> Refusals:
        """How many clients were turned away since the start, over restarts."""
        with self._lock:
            self._advance()
            counted = self._ended_refusals + self._log_counts.refusals
            return Refusals(**{kind.value: counted[kind] for kind in Refusal})

    def process_begins(self, console: Console) -> None:
        """A process answers at `console`."""
        with self._lock:
            self._console = console

    def process_ends(self, kill: Callable[[], None]) -> None:
        """Have a process killed: counted once more before it, where it still answers, and taken over after it."""
        with self._lock:
            console, self._console = self._console, None
            seen = False
            if console is not None:
                with suppress(PoolerGoneError):
                    self._counts(console)
                    seen = True
                console.close()
            kill()
            self._take_over(seen=seen)

    def _running(self) -> Console:
        if self._console is None:
            raise PoolerGoneError("PgBouncer does not run at this moment.")
        return self._console

    def _counts(self, console: Console) -> PoolerCounts:
        now, counts = self._instant(console), self._log_counts
        if counts.ended + now.servers == 0:
            counts.no_client_was_admitted()
            clients_open = 0
        else:
            clients_open = now.clients
        opened = counts.closed + clients_open
        self._last = _Opened(
            clients=opened,
            servers=counts.ended + now.servers,
            asked=counts.asked,
            turned_away=counts.turned_away,
            waited_seconds=now.waited_seconds,
        )
        return PoolerCounts(
            clients_opened=self._ended_clients + opened - self.others.opened,
            clients_open=clients_open - self.others.open,
            servers_opened=self._ended_servers + counts.ended + now.servers,
            servers_open=now.servers,
            waited_seconds=self._ended_waited + now.waited_seconds,
            refused=sum((self._ended_refusals + counts.refusals).values()) - self.others.refused,
            clients_cut_off=self._cut_off_clients,
            servers_cut_off=self._cut_off_servers + counts.cut_off,
        )

    def _take_over(self, *, seen: bool) -> None:
        """Take over what is open no more: from the last look to the end, the log alone tells of it.

        A client that was in the middle of its login at the end counts as opened, if it came after that look. Where the
        end itself was `seen`, these are few, and are counted as cut off.
        """
        self._advance()
        counts, last = self._log_counts, self._last
        sessions = counts.connected - counts.failed
        came = (counts.asked - last.asked) - (counts.turned_away - last.turned_away)
        self._ended_clients += last.clients + came if sessions else 0
        if seen and sessions:
            self._cut_off_clients += counts.asked - counts.turned_away - last.clients
            self._cut_off_servers += sessions - last.servers
        self._cut_off_servers += counts.cut_off
        self._ended_servers += sessions
        self._ended_waited += last.waited_seconds
        self._ended_refusals += counts.refusals
        self._begin()

    def _begin(self) -> None:
        self._log_counts = LogCounts(*self._pool)
        self._last = _Opened()

    def _instant(self, console: Console) -> PoolNow:
        """Log and console of one instant: PgBouncer logs before it answers, so a log that has not grown is up to it."""
        self._advance()
        for _ in range(LOOKS):
            now = console.look(*self._pool)
            if not self._advance():
                return now
        return self._busy_instant(console, now)

    def _busy_instant(self, console: Console, now: PoolNow) -> PoolNow:
        """The open connections by name, less those whose end is logged by now: so none is counted twice."""
        ended = self._log_counts.just_ended
        ended.clear()
        clients, servers = console.present(*self._pool)
        self._advance()
        return replace(now, clients=len(clients - ended), servers=len(servers - ended))

    def _advance(self) -> bool:
        """Read on in the log; whether there was anything."""
        lines = list(self._reader.lines())
        for line in lines:
            self._log_counts.take(line)
        return bool(lines)
