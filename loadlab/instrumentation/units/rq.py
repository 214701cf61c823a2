"""RQ's jobs, with their callbacks, in forked work horses and in the worker's own process."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import Callable

METHOD: Final = "perform_job"
UNDER_WAY: Final = "rq: under way when Django was loaded"


class RQ(Library):
    module = "rq.worker"
    workers = ("rq", "rqworker", "rqworker-pool")

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        named = [found for found in vars(module).values() if isinstance(found, type)]
        owners = {base for found in named for base in found.__mro__ if METHOD in vars(base)}
        codes = {getattr(owner, METHOD).__code__ for owner in owners}
        for owner in owners:
            setattr(owner, METHOD, _counted(getattr(owner, METHOD)))
        if _runs(codes):  # a job whose own module is what loads Django
            work.begin(UnitKind.TASK, UNDER_WAY)


def _counted(perform_job: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(perform_job)
    def counted(worker: Any, job: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        work.end(UNDER_WAY)
        with work.unit(UnitKind.TASK, _name(job)):
            return perform_job(worker, job, *args, **kwargs)

    return counted


def _name(job: Any) -> str:  # noqa: ANN401
    with suppress(Exception):  # what the job calls may not be there any more, as the worker is about to find
        return str(job.func_name)
    return ""


def _runs(codes: set[Any]) -> bool:
    frame = sys._getframe()  # noqa: SLF001  inspect's own way
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False
