"""Looks before the run whether the database has room for the plan, and says the arithmetic when it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.planning import build_strategy, connections_wanted
from loadlab.services.pgbouncer import require_pgbouncer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.model.case import Case

OWN: Final = 2  # the lab's observers: the judge's connection and the sampler's

QUERY: Final = """
SELECT current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int
         + coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int,
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid())
"""


def require_programs(cases: Sequence[Case]) -> None:
    """Make sure that the programs are there which the cases' strategies put between.

    Raises:
        EnvironmentFaultError: naming the one that is missing.
    """
    if any(build_strategy(case.strategy).pooling() for case in cases):
        require_pgbouncer()


def require_room(cursor: Cursor, cases: Sequence[Case]) -> None:
    """Make sure that every case can have the connections that it can use.

    A case that leaks will reach the limit all the same: that is what it is there to show.

    Raises:
        EnvironmentFaultError: with the arithmetic.
    """
    cursor.execute(QUERY)
    limit, reserved, others = cursor.fetchone() or (0, 0, 0)
    free = limit - reserved - others - OWN
    hungriest = max(cases, key=connections_wanted)
    if connections_wanted(hungriest) > free:
        raise EnvironmentFaultError(
            f"The database has too few connections for this plan: max_connections {limit} − {reserved} reserved"
            f" − {others} in use by others − {OWN} for loadlab itself = {free} free, but {hungriest.id} can use"
            f" {connections_wanted(hungriest)} at once. Raise max_connections (database.max_connections in the plan for"
            " the embedded server), or lower users, load.outstanding, workers or threads."
        )
