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
UNIT: Final = "\0unit"  # the name of the unit; while a request is answered, the request, whose route may not be known
UNNAMED: Final = "\0unnamed"  # of a request without a name yet: the rows of connections that it has used
_PAIR: Final = "\0pair"
_KEY: Final = "\0key"
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


def begin(kind: UnitKind, key: object, name: str = "") -> None:
    """Begin a unit, which `end` with the same key ends; one that was not ended, after an error, is forgotten.

    `name` says what it does: of all tasks of one function it is the same.
    """
    before = present()
    request = before if before is not None and _PAIR not in before else None
    become({RUNNING: None, _PAIR: PAIR * kind, UNIT: name, _KEY: key, _WITHIN: request})


def end(key: object) -> None:
    """End the unit of this key, if the caller works for it: what comes now is the request's, or outside of units."""
    work = present()
    if work is not None and work.get(_KEY) == key:
        work.pop(RUNNING, None)
        become(cast("Work | None", work[_WITHIN]))


def nameless(*_: object) -> str:
    """Of a unit of which only the kind is known."""
    return ""


@contextmanager
def unit(kind: UnitKind, name: str = "") -> Iterator[None]:
    """All within is one unit; within a unit that runs already, it belongs to that one."""
    if running():
        yield
        return
    key = object()
    begin(kind, key, name)
    try:
        yield
    finally:
        end(key)


def as_unit(kind: UnitKind, function: Callable[..., Any], name: Callable[..., str] = nameless) -> Callable[..., Any]:
    """The function, with each call one unit; its arguments tell its name."""

    @wraps(function)
    def one(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  as the function has it
        with unit(kind, name(*args)):
            return function(*args, **kwargs)

    return one


def as_unit_async(
    kind: UnitKind, function: Callable[..., Awaitable[Any]], name: Callable[..., str] = nameless
) -> Callable[..., Awaitable[Any]]:
    """The same, of what is awaited."""

    @wraps(function)
    async def one(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        with unit(kind, name(*args)):
            return await function(*args, **kwargs)

    return one
