"""The site's task for Dramatiq."""

from __future__ import annotations

import django
import dramatiq
from django.apps import apps
from django.conf import settings
from dramatiq.brokers.redis import RedisBroker
from dramatiq.brokers.stub import StubBroker

from loadlab.sample_app.work import fix, perform

if not apps.ready:  # dramatiq's own command imports this module first
    django.setup()
url: str = settings.WORK_REDIS  # type: ignore[misc]
threads: int = settings.WORK_THREADS  # type: ignore[misc]
broker = RedisBroker(url=url) if url else StubBroker()
dramatiq.set_broker(broker)
fix()
actor = dramatiq.actor(perform, max_retries=0)


def begin() -> None:
    dramatiq.Worker(broker, worker_threads=threads, worker_timeout=50).start()


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    actor.send(number, size, query)
