"""Puts mixins in front of the DatabaseWrapper of every alias, under any ENGINE."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.utils import ConnectionHandler

MARK: Final = "loadlab_mixins"


class WrapperMixin(BaseDatabaseWrapper):
    """What can go in front of a backend's own DatabaseWrapper.

    `otherwise` says what becomes of the connections of a class that cannot take it, e.g. "are not counted".
    """

    otherwise: ClassVar[str]

    @classmethod
    def often_called(cls, wrapper: type[BaseDatabaseWrapper]) -> dict[str, Callable[..., Any]]:  # noqa: ARG003
        """Methods that are made for one class to be in front of: to ask it by its name takes less than super() does."""
        return {}

    @classmethod
    def before_wrapper(cls) -> None:
        """Called before the handler makes a wrapper for this thread."""

    def adopted(self) -> None:
        """Called once the wrapper has become one of ours; it may have a connection already."""


_classes: dict[tuple[type[WrapperMixin], type[BaseDatabaseWrapper]], type[BaseDatabaseWrapper]] = {}


def mixed(mixin: type[WrapperMixin], wrapper: type[BaseDatabaseWrapper]) -> type[BaseDatabaseWrapper]:
    """The backend's DatabaseWrapper with the mixin in front; the same class for the same two.

    Raises:
        TypeError: the two do not go together.
    """
    if issubclass(wrapper, mixin):
        return wrapper
    known = _classes.get((mixin, wrapper))
    if known is None:
        names = {"__module__": wrapper.__module__, **mixin.often_called(wrapper)}
        made = type(wrapper.__name__, (mixin, wrapper), names)
        known = _classes.setdefault((mixin, wrapper), made)  # another thread may have been faster
    return known


def put_in_front(mixin: type[WrapperMixin], handler: ConnectionHandler = connections) -> None:
    """Of every wrapper that `handler` makes from now on, and of those that this thread has already; once is enough."""
    make = handler.create_connection
    there = getattr(make, MARK, ())
    if mixin in there:
        return

    def create_connection(alias: str) -> BaseDatabaseWrapper:
        mixin.before_wrapper()
        wrapper = make(alias)
        _adopt(wrapper, mixin)
        return wrapper

    setattr(create_connection, MARK, (*there, mixin))
    handler.create_connection = create_connection  # type: ignore[method-assign]
    for wrapper in handler.all(initialized_only=True):
        _adopt(wrapper, mixin)


def _adopt(wrapper: BaseDatabaseWrapper, mixin: type[WrapperMixin]) -> None:
    """Make a wrapper one of the mixin's; a stand-in for one, or a class that does not allow it, is left as it is."""
    kind = type(wrapper)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if not issubclass(kind, BaseDatabaseWrapper):
        _say(name, mixin.otherwise, "it is not Django's BaseDatabaseWrapper")
        return
    try:
        wrapper.__class__ = mixed(mixin, kind)
    except TypeError as error:
        _say(name, mixin.otherwise, str(error))
        return
    mixin.adopted(cast("WrapperMixin", wrapper))


@cache
def _say(name: str, otherwise: str, why: str) -> None:
    """Once for each class: every thread makes its own wrappers."""
    logging.getLogger("loadlab").error("The connections of %s %s: %s", name, otherwise, why)
