"""Tasks run in greenlets, each of which has its own connection, and something keeps it open at the task's end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from loadlab.leak_causes.base import LeakCause, abandoned, closes_at_end, kept_for, more_than_spare, opened_by, share
from loadlab.model.holders import GREENLET

if TYPE_CHECKING:
    from loadlab.model.open_connections import Connections, Listing


class CeleryGeventPool(LeakCause):
    """Celery closes connections around every task: before 5.6 by their age, and always unless it is told not to."""

    title: ClassVar[str] = "Celery's gevent pool"
    rank: ClassVar[int] = 30

    def found(self, listing: Listing) -> Connections:
        return more_than_spare(
            one for one in abandoned(listing) if one.thread_name == GREENLET and opened_by(one, "task")
        )

    def sentence(self, listing: Listing, found: Connections) -> str:
        one, more = "belongs to the greenlet of a task that has ended", "belong to greenlets of tasks that have ended"
        return share(listing, found, one=one, more=more)

    def fix(self, listing: Listing, found: Connections) -> str:
        if all(closes_at_end(listing, one) for one in found):
            return (
                "no later task finds them: remove CELERY_DB_REUSE_MAX, or the code that keeps Celery from closing them"
            )
        age = kept_for(listing, found) or "CONN_MAX_AGE above 0"
        return (
            f"no later task finds them. {age}: set it to 0 for the worker, for Celery before 5.6 keeps to it; remove"
            " CELERY_DB_REUSE_MAX; or use Django's pool"
        )
