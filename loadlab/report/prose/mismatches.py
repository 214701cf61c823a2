"""Says how two counts of the same connections differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.counts import Identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from loadlab.model.counts import Mismatch

_TEXTS: Final[Mapping[Identity, str]] = {
    Identity.SESSIONS: "opened {} but PostgreSQL counted {} sessions",
    Identity.BACKENDS: "{} open at rest but pg_stat_activity shows {} rows",
    Identity.POOLER_CLIENTS_OPENED: "opened {} but the pooler counted {} clients",
    Identity.POOLER_CLIENTS_OPEN: "{} open at rest but the pooler shows {} clients",
    Identity.POOLER_SESSIONS: "the pooler opened {} but PostgreSQL counted {} sessions",
    Identity.POOLER_BACKENDS: "the pooler has {} open but pg_stat_activity shows {} rows",
    Identity.BALANCE_SINCE: "open before + opened {} is not closed + open = {}",
    Identity.BALANCE_AT_REST: "at rest, opened {} is not closed + open = {}",
    Identity.BALANCE_AFTER_STOP: "after the stop, opened {} is not closed + open = {}",
    Identity.NONE_AFTER_STOP: "{} open after the stop instead of {}",
}


def mismatch(one: Mismatch) -> str:
    return _TEXTS[one.kind].format(one.ours, one.theirs)


def mismatches(several: Iterable[Mismatch]) -> str:
    return "; ".join(map(mismatch, several))
