"""Celery's tasks, in every pool: prefork, threads, gevent, solo."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind


class Celery(Library):
    module = "celery.signals"
    workers = ("celery",)

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        module.task_prerun.connect(_begun, weak=False)
        module.task_postrun.connect(_ended, weak=False)


def _begun(task_id: str, task: Any, **_: Any) -> None:  # noqa: ANN401
    if not (task.request.is_eager and work.running()):  # called on the spot, it belongs to what calls it
        work.begin(UnitKind.TASK, task_id, task.name)


def _ended(task_id: str, **_: Any) -> None:  # noqa: ANN401
    work.end(task_id)
