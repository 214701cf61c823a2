"""Values that are worked out when they are first asked for, without a lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Once(Generic[T]):
    """A property that keeps its value; two threads at once may both work it out.

    functools.cached_property does so under a lock up to Python 3.11. A process that is forked while another thread
    holds it would wait for that lock for ever.
    """

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self.__doc__ = read.__doc__

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, owner: Any, _: type | None = None) -> T:  # noqa: ANN401  of any class
        value = owner.__dict__[self._name] = self._read(owner)
        return value
