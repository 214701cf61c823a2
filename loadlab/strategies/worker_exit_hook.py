"""Keep connections, and have a worker that ends close what it has open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Changes, ServerTraits
from loadlab.strategies.base import MaxAge, Strategy, Variant


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerExitHook(Strategy):
    """CONN_MAX_AGE as `max_age`; gunicorn's worker_exit, and atexit elsewhere, close all connections of the process."""

    proposed_by: ClassVar[str] = "Jeremy Dunck, 2013: 'tell the worker ... so that the worker can do cleanup'"
    gives_up: ClassVar[tuple[str, ...]] = (
        "cleans up only when a worker ends: it stops no leak before that",
        "no help against SIGKILL",
    )

    variants: ClassVar[tuple[Variant, ...]] = (Variant(usual_servers=True),)

    max_age: MaxAge = None

    def incompatible(self, where: ServerTraits) -> str | None:
        if where.runs_exit_hooks:
            return None
        return (
            "its workers run neither Python's atexit nor a hook when they are asked to stop; use max_age = 0, or"
            " close_on_thread_exit where threads end"
        )

    def changes(self, where: ServerTraits) -> Changes:
        hooks = {"worker_exit": "loadlab.fixes.worker_exit_hook:worker_exit"} if where.hooks == "gunicorn" else {}
        return Changes(
            database={"CONN_MAX_AGE": self.max_age},
            apps=("loadlab.fixes.worker_exit_hook.WorkerExitHook",),
            gunicorn=hooks,
        )
