"""The site's task for APScheduler."""

from __future__ import annotations

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler
from django.conf import settings

from loadlab.sample_app.work import fixed, perform

threads: int = settings.WORK_THREADS  # type: ignore[misc]
scheduler = BackgroundScheduler(executors={"default": ThreadPoolExecutor(threads)})
job = fixed("closing", lambda task: task)(perform)


def begin() -> None:
    scheduler.start()


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    scheduler.add_job(job, args=(number, size, query), misfire_grace_time=None)
