"""Jobs of APScheduler 3, in threads of a web server, or in a process that does nothing else."""

from __future__ import annotations

import sys
from typing import Any, Final

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind

EXECUTORS: Final = "apscheduler.executors."


class APScheduler(Library):
    module = "apscheduler.executors.base"

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        _replace(module, "run_job", work.as_unit)
        _replace(module, "run_coroutine_job", work.as_unit_async)


def _replace(module: Any, name: str, counted: Any) -> None:  # noqa: ANN401
    """In the module itself, and in the executors that have taken it from there already."""
    plain = getattr(module, name, None)
    if plain is None:
        return
    made = counted(UnitKind.TASK, plain, _name)
    executors = [found for path, found in list(sys.modules.items()) if path.startswith(EXECUTORS)]
    for one in executors:
        if getattr(one, name, None) is plain:
            setattr(one, name, made)


def _name(job: Any, *_: Any) -> str:  # noqa: ANN401
    return str(job.func_ref or job.name)
