"""Finds out where the time of opening a connection goes: in a short step after the trials, so that none is disturbed.

PostgreSQL 18 writes into its log what each connection took it, if it is asked to: a line for each, which a trial should
not have to wait for. So it is asked only while nothing is measured.
"""

from __future__ import annotations

import json
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.judges._postgresql_log import SetupLog
from loadlab.lab.application import ServerSetup
from loadlab.lab.inspection import run_python
from loadlab.lab.route import routed
from loadlab.model.opens import Opening, Opens, summed_up
from loadlab.plan.members import build_strategy, config_of
from loadlab.store.layout import POSTGRESQL_LOG
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.lab.lab import Lab
    from loadlab.model.case import Case
    from loadlab.model.config import Config
    from loadlab.services.database import Database

OPENS: Final = 28
TELLS: Final = 180_000  # the first version that does
PATIENCE_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.01


def open_times(lab: Lab, cases: Sequence[Case]) -> Opens:
    """For each way in which the cases log in.

    Raises:
        EnvironmentFaultError: the project does not connect.
    """
    if not lab.database.embedded:
        return Opens(unknown="given")
    if lab.cursor.connection.server_version < TELLS:
        return Opens(unknown="older")
    with _told(lab) as log:
        found = [summed_up(name, _openings(lab, log, case, how)) for name, case, how in _ways(cases)]
    times = tuple(one for one in found if one is not None)
    return Opens(times=times, unknown="" if times else "too_few")


def _ways(cases: Sequence[Case]) -> Iterator[tuple[str, Case, Config]]:
    """By password, as nearly all strategies do; and each other one once."""
    yield "", cases[0], config_of(STRATEGIES, "max_age", {}, "strategy")
    others = {case.strategy.name: case for case in cases if build_strategy(case.strategy).service}
    yield from ((name, case, case.strategy) for name, case in others.items())


def _openings(lab: Lab, log: SetupLog, case: Case, strategy: Config) -> list[Opening]:
    mark = log.mark()
    context = FaultContext(database=lab.database, register=lab.register, log=lab.logs / "opens.log")
    with routed(strategy, [], context) as route:
        setup = ServerSetup(
            server=case.server,
            strategy=strategy,
            database=route.database,
            ledgers=lab.scratch / "ledgers-opens",
            project=lab.project,
            instrumented=False,
        )
        arguments = ["-m", "loadlab.settings_override.opening", str(OPENS)]
        done = run_python(lab.project, arguments, setup.environment(""), PATIENCE_SECONDS)
    if done.returncode:
        raise EnvironmentFaultError(f"{lab.project.settings} did not connect: {done.stderr.strip()[-500:]}")
    told = log.since(mark)
    taken: list[tuple[int, float, float]] = json.loads(done.stdout.strip().rpartition("\n")[2])
    return [_opening(total, cpu, told[pid]) for pid, total, cpu in taken if pid in told]


def _opening(total: float, client_cpu: float, told: tuple[float, float, float]) -> Opening:
    setup, fork, authentication = told
    return Opening(total=total, client_cpu=client_cpu, setup=setup, fork=fork, authentication=authentication)


@contextmanager
def _told(lab: Lab) -> Iterator[SetupLog]:
    """PostgreSQL logs what each connection takes, until the context ends."""
    log = SetupLog(lab.cursor, lab.logs / POSTGRESQL_LOG)
    log.begin()
    try:
        _await(lab.database, log.setting)
        yield log
    finally:
        log.end()


def _await(database: Database, setting: str) -> None:
    """Wait until new connections are logged like this: PostgreSQL reads its configuration in its own time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    dsn = make_dsn(**database.observer, dbname=database.observer_name)
    while time.monotonic() < deadline:
        with closing(psycopg2.connect(dsn)) as connection, connection.cursor() as cursor:
            cursor.execute("SHOW log_connections")
            if cursor.fetchone() == (setting,):
                return
        time.sleep(POLL_SECONDS)
    raise EnvironmentFaultError("PostgreSQL does not take log_connections into use.")
