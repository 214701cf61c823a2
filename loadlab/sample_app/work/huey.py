"""The site's task for Huey."""

from __future__ import annotations

from huey.contrib import djhuey

from loadlab.sample_app.work import fixed, perform

work = fixed("task", djhuey.task)()(perform)


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    work(number, size, query)
