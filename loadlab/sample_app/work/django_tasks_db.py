"""The site's task for django.tasks, or its backport."""

from __future__ import annotations

from django.db import close_old_connections
from django_tasks import task

from loadlab.sample_app.work import perform


@task()  # type: ignore[untyped-decorator]
def work(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    perform(number, size, query)


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    close_old_connections()  # its own, which checks them: the database may have been away
    work.enqueue(number, size, query)
