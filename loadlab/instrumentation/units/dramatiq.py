"""Dramatiq's messages to actors: a task each, on every broker that there is or will be."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import Callable

BEGINS: Final = "process_message"
ENDS: Final = (BEGINS, "skip_message")


class Dramatiq(Library):
    module = "dramatiq.broker"
    workers = ("dramatiq", "dramatiq-gevent", "rundramatiq")

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        # Around all middleware: what that does before and after the actor belongs to the task.
        module.Broker.emit_before = _before(module.Broker.emit_before)
        module.Broker.emit_after = _after(module.Broker.emit_after)


def _before(emit: Callable[..., None]) -> Callable[..., None]:
    @wraps(emit)
    def emit_before(broker: Any, signal: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        if signal == BEGINS and not work.running():
            work.begin(UnitKind.TASK, args[0].message_id, args[0].actor_name)
        emit(broker, signal, *args, **kwargs)

    return emit_before


def _after(emit: Callable[..., None]) -> Callable[..., None]:
    @wraps(emit)
    def emit_after(broker: Any, signal: str, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        try:
            emit(broker, signal, *args, **kwargs)
        finally:
            if signal in ENDS:
                work.end(args[0].message_id)

    return emit_after
