"""What a restart of the database does to each case of a run: counted once, on a PostgreSQL that may be restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.lab.behaviour import restart
from loadlab.lab.fixture import without_and_with_checks
from loadlab.model.behaviour import Setting
from loadlab.model.samples import Recovery, Restart

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.lab.fixture import PostgresFixture
    from loadlab.model.case import Case


def next_to_restart(cases: Iterable[Case], known: Sequence[Restart]) -> Case | None:
    """The first case of which nothing is known yet."""
    return next((case for case in cases if not any(one.concerns(case) for one in known)), None)


def restarted(case: Case, driver: str, postgres: PostgresFixture) -> Restart:
    """Restart the database under a case, as its settings are and once more with health checks.

    Raises:
        EnvironmentFaultError: a server does not start.
    """
    setting = Setting(server=case.server, strategy=case.strategy, driver=driver, keep_alive=case.keep_alive)
    with without_and_with_checks(setting, postgres) as (server, checked):
        warm, failed, failed_later = restart(server)
        warm_checked, failed_checked, _ = restart(checked())
    recovery = Recovery(
        warm=warm,
        failed=failed,
        failed_later=failed_later,
        warm_checked=warm_checked,
        failed_checked=failed_checked,
    )
    return Restart(case=case, recovery=recovery)
