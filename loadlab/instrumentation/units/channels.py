"""Messages to consumers of Channels: what a browser sends over a websocket, and what groups and workers send."""

from __future__ import annotations

from typing import Any

from loadlab.instrumentation import work
from loadlab.instrumentation.units.base import Library
from loadlab.model.metrics import UnitKind


class Channels(Library):
    module = "channels.consumer"
    workers = ("runworker",)

    @staticmethod
    def hook(module: Any) -> None:  # noqa: ANN401
        for consumer in (module.AsyncConsumer, module.SyncConsumer):
            # As it is in the class: the sync one is an object of asgiref's, which binds itself when it is looked up.
            consumer.dispatch = work.as_unit_async(UnitKind.MESSAGE, vars(consumer)["dispatch"], _name)


def _name(consumer: Any, *_: Any) -> str:  # noqa: ANN401
    kind = type(consumer)
    return f"{kind.__module__}.{kind.__qualname__}"
