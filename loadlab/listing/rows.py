"""The rows of a listing's table: one for each connection, or one for all that are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from loadlab.listing.options import BY
from loadlab.listing.ordering import worst_first
from loadlab.model.holders import UNHELD, Holder
from loadlab.model.metrics import UnitKind

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from loadlab.model.open_connections import Connections, OpenConnection, Unit

UNTOLD: Final = "not known"
MOST_SINGLE: Final = 20  # connections that have a row each; of more, those that are alike share one


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """Connections that have one thing in common, which `title` names, in rows of connections that are alike."""

    title: str
    rows: tuple[Connections, ...]

    @property
    def count(self) -> int:
        return sum(map(len, self.rows))


def sections(connections: Iterable[OpenConnection], by: str = "holder", *, each: bool = False) -> tuple[Section, ...]:
    """Those with what hurts most first, and likewise their rows; `by` is a key of GROUPINGS.

    `each` gives every connection its own row, however many there are.
    """
    ordered = worst_first(connections)
    single = each or len(ordered) <= MOST_SINGLE
    groups = sorted(_together(ordered, GROUPINGS[by]).values(), key=_rank)
    return tuple(Section(title=GROUPINGS[by](group[0]), rows=_rows(group, single=single)) for group in groups)


def _rows(group: Connections, *, single: bool) -> tuple[Connections, ...]:
    return tuple((one,) for one in group) if single else tuple(sorted(_together(group, _alike).values(), key=_rank))


def _rank(group: Connections) -> tuple[bool, bool, int]:
    """Leaked ones first, then those idle in a transaction, and where several of them are, the most."""
    leaked = sum(one.holder is Holder.LEAKED for one in group)
    waiting = sum(one.idle_in_transaction for one in group)
    return not leaked, not waiting, -(leaked or waiting)


def _together(ordered: Iterable[OpenConnection], key: Callable[[OpenConnection], Hashable]) -> dict[Any, Connections]:
    """Grouped by a key, each group where its first member was."""
    groups: dict[Hashable, list[OpenConnection]] = {}
    for one in ordered:
        groups.setdefault(key(one), []).append(one)
    return {found: tuple(group) for found, group in groups.items()}


def _alike(one: OpenConnection) -> Hashable:
    session = one.session
    seen = session and (session.state, session.wait, session.client, session.user, session.application)
    marks = one.kept, one.apart, one.answered, one.unended, bool(one.shared_with)
    return one.holder, one.alias, one.thread_name, one.opened_by, one.used_by, marks, seen


def unit_title(unit: Unit | None) -> str:
    """What a unit of work is called in a table: a request by its route, all else with its kind."""
    if unit is None:
        return UNTOLD
    if unit.kind == UnitKind.OTHER.label:
        return unit.name or "outside any"
    if unit.kind == UnitKind.REQUEST.label:
        return unit.name or "a request"
    return f"{unit.kind} {unit.name}".rstrip()


def process_title(one: OpenConnection) -> str:
    return f"{one.host}:{one.process}" if one.host else str(one.process)


def _holder_title(one: OpenConnection) -> str:
    return one.holder.title


def _opener_title(one: OpenConnection) -> str:
    return one.holder.title if one.holder in UNHELD else f"opened by {unit_title(one.opened_by)}"


def _process_title(one: OpenConnection) -> str:
    return one.holder.title if one.holder in UNHELD else f"process {process_title(one)}"


# By what connections can be grouped.
GROUPINGS: Final = dict(zip(BY, (_holder_title, _opener_title, _process_title), strict=True))
