"""Dramatiq: a pool of threads in each process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from loadlab.model.bounds import Bounds
from loadlab.model.config import Scalar
from loadlab.workers.base import Count, Fix, Queue, Site, Worker, own_process

MIDDLEWARE: Final = """\
# Before your actors, after the broker is set; or name it in DRAMATIQ_BROKER["MIDDLEWARE"].
import dramatiq
from django_dramatiq.middleware import DbConnectionsMiddleware

dramatiq.get_broker().add_middleware(DbConnectionsMiddleware())
"""
CLOSING: Final = Fix(
    name="middleware",
    does="Add django-dramatiq's DbConnectionsMiddleware: then CONN_MAX_AGE and CONN_HEALTH_CHECKS hold, and threads"
    " close their connections when the worker stops.",
    code=MIDDLEWARE,
    ages=(0, 60, None),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dramatiq(Worker):
    """One process with `threads`; the broker `stub` is within it, as in tests, and `redis` between processes."""

    title: ClassVar[str] = "Dramatiq"
    closes: ClassVar[str] = (
        "never by itself (dramatiq 2.2.1); with django-dramatiq's middleware by age, around each task"
    )
    packages: ClassVar[tuple[str, ...]] = ("dramatiq", "django-dramatiq", "redis")
    counted: ClassVar[tuple[Mapping[str, Scalar], ...]] = ({"broker": "stub"}, {"broker": "redis"})

    broker: Annotated[Literal["stub", "redis"], Bounds(description='"stub" or "redis"')] = "redis"
    threads: Count = 4

    def argv(self, site: Site, port: int) -> list[str]:  # noqa: ARG002  its tasks come from the broker
        if self.is_sender():
            return own_process(site, "dramatiq")
        size = ["--processes", "1", "--threads", str(self.threads)]
        return [site.python, "-m", "dramatiq", *size, "loadlab.sample_app.work.dramatiq"]

    def at_once(self) -> int:
        return self.threads

    def is_sender(self) -> bool:
        return self.broker == "stub"

    def needs_redis(self) -> bool:
        return self.broker == "redis"

    def settings(self, queue: Queue) -> dict[str, object]:
        return {"WORK_REDIS": queue.redis, "WORK_THREADS": self.threads}

    def fixes(self) -> tuple[Fix, ...]:
        return (CLOSING,)
