"""Knows the unit of work that the caller works for, in all of its threads and tasks, so that it counts once.

A unit is a request, a task of a background worker, or a message to a consumer. `sync_to_async` and asyncio's tasks take
it along; a thread that it starts by itself does not.

A request begins when the server calls Django's handler. What its thread does until the next one begins belongs to it:
what listens for its start and its end, and streaming. A task or a message begins and ends when its library says so. A
task that runs at once, before the response is ready or while it streams, is a unit too. Then its thread goes on with
the request.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, cast

from loadlab.instrumentation.layout import PAIR
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Work = dict[str, object]  # one unit: who has counted it, by alias

# Keys that no alias has.
RUNNING: Final = ""  # of a unit that has not ended; of a request, until its response is ready
COMING: Final = "\0coming"  # of a request that is announced and not yet answered: the unit that makes it, if any
_PAIR: Final = "\0pair"
_NAME: Final = "\0name"
_WITHIN: Final = "\0within"  # of a unit that is no request: the request whose thread it takes, if any
_OUTSIDE: Final = PAIR * UnitKind.OTHER

_work: ContextVar[Work | None] = ContextVar("loadlab_work", default=None)
present = _work.get  # the unit that the caller works for; None outside of units
become = _work.set  # from now on it works for this one


def pair_of(work: Work | None) -> int:
    """How far the cells of this kind of unit are from those of requests; a request itself says nothing of it."""
    return _OUTSIDE if work is None else work.get(_PAIR, 0)  # type: ignore[return-value]


def kind_of(work: Work | None) -> UnitKind:
    return UnitKind(pair_of(work) // PAIR)


def running() -> bool:
    """Whether the caller works for a unit that has not ended."""
    work = present()
    return work is not None and RUNNING in work


def begin(kind: UnitKind, name: object) -> None:
    """Begin a unit, which `end` with the same name ends; one that was not ended, after an error, is forgotten."""
    before = present()
    request = before if before is not None and _PAIR not in before else None
    become({RUNNING: None, _PAIR: PAIR * kind, _NAME: name, _WITHIN: request})


def end(name: object) -> None:
    """End the unit of this name, if the caller works for it: what comes now is the request's, or outside of units."""
    work = present()
    if work is not None and work.get(_NAME) == name:
        work.pop(RUNNING, None)
        become(cast("Work | None", work[_WITHIN]))


@contextmanager
def unit(kind: UnitKind) -> Iterator[None]:
    """All within is one unit; within a unit that runs already, it belongs to that one."""
    if running():
        yield
        return
    name = object()
    begin(kind, name)
    try:
        yield
    finally:
        end(name)


def as_unit(kind: UnitKind, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, with each call one unit."""

    @wraps(function)
    def one(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as the function has it
        with unit(kind):
            return function(*args, **kwargs)

    return one


def as_unit_async(kind: UnitKind, function: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """The same, of what is awaited."""

    @wraps(function)
    async def one(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with unit(kind):
            return await function(*args, **kwargs)

    return one
