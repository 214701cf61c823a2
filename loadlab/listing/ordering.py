"""Sorts open connections by what hurts: leaked ones, then those idle in a transaction, then the oldest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.holders import Holder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.open_connections import Connections, OpenConnection


def worst_first(connections: Iterable[OpenConnection]) -> Connections:
    return tuple(sorted(connections, key=_rank))


def _rank(one: OpenConnection) -> tuple[bool, bool, float, Holder, float]:
    waits = one.idle_in_transaction
    transaction = (one.session.transaction_seconds or 0.0) if waits and one.session is not None else 0.0
    return one.holder is not Holder.LEAKED, not waits, -transaction, one.holder, -(one.opened_seconds or 0.0)
