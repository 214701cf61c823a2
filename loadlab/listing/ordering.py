"""Sorts open connections by what hurts: leaked ones, then those idle in a transaction, then the oldest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.open_connections import OpenConnection

IN_TRANSACTION: Final = "idle in transaction"  # and "idle in transaction (aborted)"


def worst_first(connections: Iterable[OpenConnection]) -> tuple[OpenConnection, ...]:
    return tuple(sorted(connections, key=_rank))


def idle_in_transaction(one: OpenConnection) -> bool:
    """Whether it keeps a transaction open, with all that this holds back, and does nothing in it."""
    return one.session is not None and one.session.state.startswith(IN_TRANSACTION)


def _rank(one: OpenConnection) -> tuple[bool, bool, float, Holder, float]:
    waits = idle_in_transaction(one)
    transaction = (one.session.transaction_seconds or 0.0) if waits and one.session is not None else 0.0
    return one.holder is not Holder.LEAKED, not waits, -transaction, one.holder, -(one.opened_seconds or 0.0)
