"""Says in the log what an error of the database has to do with how its connections are kept.

Each is said once per process and alias, under the id of a system check, and SILENCED_SYSTEM_CHECKS silences it. Nothing
of the error is repeated, for an application's data may be in it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from django.core.checks import Warning as Advice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from django.db.backends.base.base import BaseDatabaseWrapper

_said: set[tuple[str, str | None]] = set()


def advise(wrapper: BaseDatabaseWrapper, error: BaseException | None) -> None:
    """Log what is known of `error`, the driver's own, if anything is."""
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    told = _TOLD.get(state) if isinstance(state, str) else None
    if told is None and error is not None and "query_wait_timeout" in str(error):  # PgBouncer gives no code for it
        told = _waited_twice
    advice = told(wrapper) if told else None
    if advice is None or (wrapper.alias, advice.id) in _said or advice.is_silenced():
        return
    _said.add((wrapper.alias, advice.id))
    logging.getLogger("loadlab").warning("%s (%s) %s", advice.msg, advice.id, advice.hint)


def _stale_primary(wrapper: BaseDatabaseWrapper) -> Advice | None:
    """25006, read_only_sql_transaction: of a kept connection, for only that one outlives a failover."""
    age = wrapper.settings_dict.get("CONN_MAX_AGE", 0)
    if age == 0:
        return None
    return Advice(
        f"DATABASES[{wrapper.alias!r}] has refused to write on a connection that is kept (CONN_MAX_AGE = {age}). After"
        " a failover that is a stale primary: the connection still leads to the old server, which is read-only now.",
        hint="Set target_session_attrs = 'read-write' in OPTIONS and a finite CONN_MAX_AGE, and restart the workers."
        " CONN_HEALTH_CHECKS does not help: SELECT 1 succeeds there.",
        id="loadlab.W006",
    )


def _cursor_elsewhere(wrapper: BaseDatabaseWrapper) -> Advice | None:
    """34000, invalid_cursor_name."""
    if wrapper.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS"):
        return None
    return Advice(
        f"DATABASES[{wrapper.alias!r}] does not know a cursor that was opened before: a pooler seems to pool"
        " transactions, and has given this client another session since.",
        hint="Set DISABLE_SERVER_SIDE_CURSORS = True, or put QuerySet.iterator() into transaction.atomic().",
        id="loadlab.W007",
    )


def _waited_twice(wrapper: BaseDatabaseWrapper) -> Advice | None:
    if not wrapper.settings_dict.get("CONN_HEALTH_CHECKS") or wrapper.settings_dict.get("CONN_MAX_AGE", 0) == 0:
        return None
    return Advice(
        f"DATABASES[{wrapper.alias!r}]: PgBouncer had no connection to PostgreSQL to give within query_wait_timeout."
        " With CONN_HEALTH_CHECKS such a request waits for it twice: once to check its kept connection, and once more"
        " on the new one.",
        hint="Set CONN_HEALTH_CHECKS = False or CONN_MAX_AGE = 0 behind PgBouncer, or raise its pool size.",
        id="loadlab.W008",
    )


_TOLD: Final[Mapping[str, Callable[[BaseDatabaseWrapper], Advice | None]]] = {
    "25006": _stale_primary,
    "34000": _cursor_elsewhere,
}
