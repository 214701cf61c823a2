"""The site's task for RQ."""

from __future__ import annotations

import django_rq

from loadlab.sample_app.work import perform


def send(number: int, size: int, query: bool) -> None:  # noqa: FBT001
    django_rq.enqueue(perform, number, size, query)
