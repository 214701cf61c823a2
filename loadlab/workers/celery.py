"""Celery with each of its pools: child processes, threads, greenlets, or the main thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from loadlab.model.bounds import Bounds
from loadlab.model.config import Scalar
from loadlab.workers.base import Count, Fix, Queue, Seconds, Site, Worker

BY_AGE: Final = """\
# In the module of your Celery app:
from celery.fixups.django import DjangoWorkerFixup
from django.db import close_old_connections

DjangoWorkerFixup.close_database = lambda self, **_: close_old_connections()
"""
KEPT_BY_AGE: Final = Fix(
    name="by_age",
    does="Let Celery ask Django whether a connection is too old, and not close it: then CONN_MAX_AGE and"
    " CONN_HEALTH_CHECKS hold in workers too.",
    code=BY_AGE,
    ages=(60, None),
)
REUSED: Final = Fix(
    name="reuse_max",
    does="Let a connection serve some tasks before Celery closes it. Celery checks no connection: after a database"
    " restart, tasks fail until the count is reached, with CONN_HEALTH_CHECKS as well.",
    settings={"CELERY_DB_REUSE_MAX": 10},
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Celery(Worker):
    """`concurrency` tasks at once; solo has one. `broker` is a folder of messages, or Redis."""

    title: ClassVar[str] = "Celery"
    closes: ClassVar[str] = (
        "before and after every task, at any CONN_MAX_AGE; in prefork it closes Django's pool too"
        " (celery 5.7.0, celery/fixups/django.py)"
    )
    packages: ClassVar[tuple[str, ...]] = ("celery",)
    counted: ClassVar[tuple[Mapping[str, Scalar], ...]] = (
        {"pool": "prefork"},
        {"pool": "threads"},
        {"pool": "gevent"},
        {"pool": "solo", "concurrency": 1},
    )

    pool: Annotated[
        Literal["prefork", "threads", "gevent", "solo"], Bounds(description='"prefork", "threads", "gevent" or "solo"')
    ] = "prefork"
    concurrency: Count = 4
    broker: Annotated[Literal["filesystem", "redis"], Bounds(description='"filesystem" or "redis"')] = "filesystem"
    polling_seconds: Seconds = 0.02

    def __post_init__(self) -> None:
        if self.pool == "solo" and self.concurrency != 1:
            raise ValueError(f"the pool solo runs one task at once, not {self.concurrency}: set concurrency = 1")

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its tasks come from the broker
        app = [site.python, "-m", "celery", "--app", "loadlab.sample_app.work.celery", "worker"]
        alone = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        pool = ["--pool", self.pool, "--concurrency", str(self.concurrency)]
        return [*app, *pool, *alone, "--prefetch-multiplier", "1", "--loglevel", "WARNING"]

    def at_once(self) -> int:
        return self.concurrency

    def processes(self) -> int:
        return self.concurrency if self.pool == "prefork" else 1

    def needs_redis(self) -> bool:
        return self.broker == "redis"

    def settings(self, queue: Queue) -> dict[str, object]:
        folders = {f"data_folder_{way}": str(queue.folder / way) for way in ("in", "out")}
        folders["control_folder"] = str(queue.folder / "control")
        options = {"polling_interval": self.polling_seconds, **({} if self.needs_redis() else folders)}
        return {
            "CELERY_BROKER_URL": queue.redis if self.needs_redis() else "filesystem://",
            "CELERY_BROKER_TRANSPORT_OPTIONS": options,
            "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
            "CELERY_TASK_IGNORE_RESULT": True,
        }

    def fixes(self) -> tuple[Fix, ...]:
        return {
            "prefork": (KEPT_BY_AGE, REUSED),
            "threads": (KEPT_BY_AGE,),  # the count of CELERY_DB_REUSE_MAX is one for all threads
            "solo": (KEPT_BY_AGE, REUSED),
            "gevent": (),
        }[self.pool]

    def advice(self) -> str:
        if self.pool == "gevent":
            return (
                "Each task has its own greenlet, so no later task can find a kept connection. Use Django's pool, or"
                " leave it as it is."
            )
        if self.pool == "threads":
            return "Django's pool works here: its connections outlive the tasks."
        if self.pool == "prefork":
            return "Leave Django's pool out of the settings of prefork workers: each task opens min_size sessions."
        return ""
