"""Tasks by the signals that Django 6 and the package django-tasks have in common, with any backend."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation import work
from loadlab.model.metrics import UnitKind


def connect(signals: Any) -> None:  # noqa: ANN401  their module
    signals.task_started.connect(_started, weak=False)
    signals.task_finished.connect(_finished, weak=False)


def _started(task_result: Any, **_: Any) -> None:  # noqa: ANN401
    if not work.running():  # enqueued and done on the spot, it belongs to what calls it
        work.begin(UnitKind.TASK, task_result.id, task_result.task.module_path)


def _finished(task_result: Any, **_: Any) -> None:  # noqa: ANN401
    work.end(task_result.id)
