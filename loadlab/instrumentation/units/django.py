"""Tasks of Django 6 itself, with any backend that sends Django's signals."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation.units import _django_signals
from loadlab.instrumentation.units.base import Library


class DjangoTasks(Library):
    module = "django.tasks.signals"
    workers = ("db_worker",)  # of django-tasks-db

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        _django_signals.connect(module)
