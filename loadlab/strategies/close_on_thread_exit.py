"""Keep connections, and close each when its thread or greenlet ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import MaxAge, Strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseOnThreadExit(Strategy):
    """CONN_MAX_AGE as `max_age`, and a sentinel in threading.local that closes the connection as it dies."""

    proposed_by: ClassVar[str] = "Shai Berger, 2013: 'close them anyway when the thread exits'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "no reuse where each request has its own thread: it ends the leak, not the connecting",
        "threads that live on keep theirs (thread_sensitive=False under ASGI)",
    )

    max_age: MaxAge = None

    def changes(self, where: ServerTraits) -> Changes:  # noqa: ARG002  right in every mode
        return Changes(
            database={"CONN_MAX_AGE": self.max_age}, apps=("loadlab.fixes.close_on_thread_exit.CloseOnThreadExit",)
        )

    def life(self, where: ServerTraits) -> ConnectionLife:  # noqa: ARG002
        return ConnectionLife(max_age=self.max_age, closed_after=0)
