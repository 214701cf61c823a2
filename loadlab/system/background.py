"""Work in threads: beside other work, from the start of a context to its end, or several calls at once."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType
    from typing import Self

T = TypeVar("T")


class Background(ABC):
    """A context whose `_run` goes on in a thread until `_stop` is set; its end waits for the thread."""

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    @abstractmethod
    def _run(self) -> None:
        """What the thread does."""


def together(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all calls at once, each in its own thread; what they return, in their order.

    A stop during the wait leaves the threads alone: they end with what they wait for, or with this process.

    Raises:
        BaseException: what the first of the calls to fail has raised.
    """
    outcomes: list[Future[T]] = [Future() for _ in calls]
    for call, outcome in zip(calls, outcomes, strict=True):
        threading.Thread(target=_settle, args=(call, outcome), daemon=True).start()
    return [outcome.result() for outcome in outcomes]


def _settle(call: Callable[[], T], outcome: Future[T]) -> None:
    try:
        outcome.set_result(call())
    except BaseException as error:  # noqa: BLE001  the caller raises it
        outcome.set_exception(error)
