"""Tasks of the package django-tasks, which has them for Django before 6."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation.units import _django_signals
from loadlab.instrumentation.units.base import Library


class DjangoTasksPackage(Library):
    module = "django_tasks.signals"

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        _django_signals.connect(module)
