"""Listings of open connections, made by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadlab.model.holders import Holder
from loadlab.model.open_connections import AliasSettings, Listing, OpenConnection, Unit

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOP = Unit(kind="request", name="shop/<int:pk>/")
CART = Unit(kind="request", name="cart/")
OUTSIDE = Unit(kind="other", name="")


def connections(count: int, holder: Holder = Holder.LEAKED, **facts: Any) -> tuple[OpenConnection, ...]:
    """So many, of one process, opened and used by one route."""
    usual: dict[str, Any] = {
        "alias": "default",
        "process": 100,
        "thread": 101,
        "thread_name": "greenlet",
        "opened_by": SHOP,
        "used_by": facts.get("opened_by", SHOP),
        "opened_seconds": 40.0,
        "used_seconds": 30.0,
        "served": 1,
    }
    made = {**usual, **facts}
    return tuple(OpenConnection(holder=holder, backend=1000 + number, **made) for number in range(count))


def listing(*some: Iterable[OpenConnection], max_age: float | None = 60, pool: bool = False, **facts: Any) -> Listing:
    """With these connections to PostgreSQL, and the database asked."""
    settings = {"default": AliasSettings(vendor="postgresql", max_age=max_age, pool=pool)}
    every = tuple(one for group in some for one in group)
    return Listing(**{"at": 1.8e9, "connections": every, "aliases": settings, "asked": True, **facts})
