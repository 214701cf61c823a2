"""Consumers of Django Channels under daphne: a message on a WebSocket is the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.workers.base import Fix, Site, Worker

CLOSES: Final = """\
from channels.db import database_sync_to_async as run_sync
"""
CLOSING: Final = Fix(
    name="database_sync_to_async",
    does="Query through channels.db.database_sync_to_async and not through sync_to_async: it closes by age after the"
    " query too, and not only before the next message.",
    code=CLOSES,
    ages=(0, 60, None),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Channels(Worker):
    """Consumers query in one thread for all of them, so one message at once; each has its own WebSocket."""

    title: ClassVar[str] = "Channels consumer"
    closes: ClassVar[str] = (
        "by age before each message, not after it (channels 4.3.2, channels/consumer.py); database_sync_to_async does"
        " both (channels/db.py)"
    )
    packages: ClassVar[tuple[str, ...]] = ("channels", "daphne")

    def argv(self, site: Site, port: int) -> list[str]:
        address = ["-b", "127.0.0.1", "-p", str(port)]
        return [site.python, "-m", "daphne", *address, "loadlab.sample_app.work.channels:application"]

    def at_once(self) -> int:
        return 1

    def fixes(self) -> tuple[Fix, ...]:
        return (CLOSING,)
