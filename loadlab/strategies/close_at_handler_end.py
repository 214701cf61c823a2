"""Keep connections, and close them when the server's handler of a client has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ConnectionLife, ServerTraits
from loadlab.strategies.base import MaxAge, Strategy


@dataclass(frozen=True, kw_only=True, slots=True)
class CloseAtHandlerEnd(Strategy):
    """CONN_MAX_AGE as `max_age`; runserver's close_request and gunicorn's post_request close what is open."""

    proposed_by: ClassVar[str] = "Aymeric Augustin, 2013: 2a), 'close connections at the end of the dev server handler'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "under gunicorn nothing is kept from one request to the next; CONN_MAX_AGE has no effect",
        "ties the server to the ORM",
    )

    max_age: MaxAge = None

    def incompatible(self, where: ServerTraits) -> str | None:
        if where.asgi:
            return "an ASGI server has no hook in the thread of a request; use close_on_thread_exit"
        if not where.hooks:
            return "the server has no hook at the end of a request; use pgbouncer, or pool"
        return None

    def changes(self, where: ServerTraits) -> Changes:
        database = {"CONN_MAX_AGE": self.max_age}
        if where.hooks == "gunicorn":
            return Changes(
                database=database, gunicorn={"post_request": "loadlab.fixes.close_at_handler_end:post_request"}
            )
        return Changes(database=database, apps=("loadlab.fixes.close_at_handler_end.CloseAtHandlerEnd",))

    def life(self, where: ServerTraits) -> ConnectionLife:
        # The hook of an event loop's worker runs outside of the request's context, and finds no connection.
        return ConnectionLife(max_age=self.max_age if where.in_event_loop else 0)
