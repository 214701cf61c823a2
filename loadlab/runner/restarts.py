"""What a restart of the database does to each case of a run: counted once, on a PostgreSQL that may be restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.behaviour import Setting
from loadlab.model.samples import Restart
from loadlab.runner.behaviour import restart
from loadlab.runner.stand import standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.model.case import Case
    from loadlab.runner.stand import Machine


def to_restart(cases: Iterable[Case], known: Iterable[Restart]) -> Iterator[Case]:
    """One case for each server mode, strategy and kind of client that nothing is known of yet: load does not matter."""
    seen = {_alike(restart.case) for restart in known}
    for case in cases:
        if _alike(case) not in seen:
            seen.add(_alike(case))
            yield case


def _alike(case: Case) -> tuple[str, str, bool]:
    return str(case.server), str(case.strategy), case.keep_alive


def restarted(case: Case, driver: str, machine: Machine) -> Restart:
    """Restart the database under a case, as its settings are and once more with health checks.

    Raises:
        EnvironmentFaultError: a server does not start.
    """
    setting = Setting(server=case.server, strategy=case.strategy, driver=driver, keep_alive=case.keep_alive)
    with standing(setting, machine) as stand:
        warm, failed, failed_later = restart(stand)
    with standing(setting, machine, {"CONN_HEALTH_CHECKS": True}) as stand:
        warm_checked, failed_checked, _ = restart(stand)
    return Restart(
        case=case,
        warm=warm,
        failed=failed,
        failed_later=failed_later,
        warm_checked=warm_checked,
        failed_checked=failed_checked,
    )
