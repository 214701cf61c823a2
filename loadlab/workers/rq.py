"""RQ, as django-rq runs it: a child process for each job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.workers.base import FIX_MODULE, Fix, Queue, Site, Worker

CLOSES: Final = """\
from django.db import connections
from rq import Worker


class ClosingWorker(Worker):
    def perform_job(self, *args, **kwargs):
        try:
            return super().perform_job(*args, **kwargs)
        finally:
            connections.close_all()
"""
KEEPS: Final = """\
from django.db import close_old_connections
from rq import SimpleWorker


class KeepingWorker(SimpleWorker):
    def perform_job(self, *args, **kwargs):
        close_old_connections()
        try:
            return super().perform_job(*args, **kwargs)
        finally:
            close_old_connections()
"""


def _worker_class(name: str) -> dict[str, object]:
    return {"RQ": {"WORKER_CLASS": f"{FIX_MODULE}.{name}"}}


KEEPING: Final = Fix(
    name="keeping",
    does="Run jobs in the worker's own process, with close_old_connections() around each: then CONN_MAX_AGE and"
    " CONN_HEALTH_CHECKS hold. A job that crashes ends the worker.",
    settings=_worker_class("KeepingWorker"),
    code=KEEPS,
    ages=(0, 60, None),
)
CLOSING: Final = Fix(
    name="closing",
    does="Close each job's connections before its child process ends: PostgreSQL loses no session without notice.",
    settings=_worker_class("ClosingWorker"),
    code=CLOSES,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rq(Worker):
    """One job at once; its child process ends with it, and so do the child's connections."""

    title: ClassVar[str] = "RQ"
    closes: ClassVar[str] = (
        "never. Each job has a forked process, which ends by os._exit: each job opens a session, and PostgreSQL loses"
        " it without notice (rq 3.0.0, rq/worker/worker_classes.py)"
    )
    packages: ClassVar[tuple[str, ...]] = ("rq", "django-rq", "redis")
    apps: ClassVar[tuple[str, ...]] = ("django_rq",)

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its jobs come from Redis
        return [site.python, *site.manage, "rqworker", "default"]

    def at_once(self) -> int:
        return 1

    def needs_redis(self) -> bool:
        return True

    def settings(self, queue: Queue) -> dict[str, object]:
        return {"RQ_QUEUES": {"default": {"URL": queue.redis}}}

    def fixes(self) -> tuple[Fix, ...]:
        return (KEEPING, CLOSING)
