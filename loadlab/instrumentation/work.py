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
from typing import TYPE_CHECKING, Any, Final

from loadlab.instrumentation.layout import PAIR
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from weakref import ref

    from loadlab.instrumentation.row import Row
# Values of a unit's `state`. A request is coming until Django answers it, and runs until its response is ready.
COMING, RUNNING, ENDED = range(3)
_OUTSIDE: Final = PAIR * UnitKind.OTHER


class Work(dict[str, object]):
    """One unit, which holds who has counted it, by alias.

    The rest are attributes: each request reads and sets a dozen of them, and a key would take three times as long.
    """

    __slots__ = ("key", "maker", "name", "pair", "request", "state", "unnamed", "users", "within")

    state: int
    pair: int  # how far the cells of its kind are from those of requests
    maker: Work | None  # of a request: the unit that makes it, if any
    request: Any  # while a request is answered and not left out: Django's, whose route may not be known
    name: str | None
    unnamed: list[Row] | None  # of a request without a name yet: the rows of connections that it has used
    key: object  # of a unit that `begin` has begun, and of no other
    within: Work | None  # of such a one: the request whose thread it takes, if any
    users: list[ref[Any]]  # of such a one: the wrappers whose connections it has used, each an Accounting


_work: ContextVar[Work | None] = ContextVar("loadlab_work", default=None)
present = _work.get  # the unit that the caller works for; None outside of units
become = _work.set  # from now on it works for this one


def pair_of(work: Work | None) -> int:
    """How far the cells of this kind of unit are from those of requests."""
    return _OUTSIDE if work is None else work.pair


def kind_of(work: Work | None) -> UnitKind:
    return UnitKind(pair_of(work) // PAIR)


def running() -> bool:
    """Whether the caller works for a unit that has not ended."""
    work = present()
    return work is not None and work.state == RUNNING


def coming(maker: Work | None) -> Work:
    """A request that is announced and not yet answered; `maker`: the unit that its caller works for."""
    work = Work()
    work.state = COMING
    work.pair = 0
    work.maker = maker if maker is not None and maker.state == RUNNING else None
    work.request = work.name = work.unnamed = None
    return work


def begin(kind: UnitKind, key: object, name: str = "") -> None:
    """Begin a unit, which `end` with the same key ends; one that was not ended, after an error, is forgotten.

    `name` says what it does: of all tasks of one function it is the same.
    """
    before = present()
    work = coming(None)
    work.state = RUNNING
    work.pair = PAIR * kind
    work.name = name
    work.key = key
    work.within = before if before is not None and not hasattr(before, "key") else None
    work.users = []
    become(work)


def end(key: object) -> None:
    """End the unit of this key, if the caller works for it: what comes now is the request's, or outside of units.

    Of a request, Django is told that it has ended. Not every library tells it so of a task.
    """
    work = present()
    if work is not None and getattr(work, "key", None) == key:
        work.state = ENDED
        become(work.within)
        if not running():
            for user in work.users:
                if (wrapper := user()) is not None:
                    wrapper.unit_ended(work)


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
