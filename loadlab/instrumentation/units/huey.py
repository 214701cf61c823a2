"""Huey's tasks, in threads, greenlets and processes."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind


class Huey(Library):
    module = "huey.api"
    workers = ("run_huey", "huey_consumer")

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        module.Huey.execute = work.as_unit(UnitKind.TASK, module.Huey.execute, _name)


def _name(_huey: Any, task: Any, *_: Any) -> str:  # noqa: ANN401
    return str(task.name)
