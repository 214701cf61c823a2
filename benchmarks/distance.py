"""What connecting and a query take with the database at a distance, and how many round trips that is."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import psycopg2
from psycopg2.extensions import make_dsn
from rich.table import Table
from workbench import interleaved

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.added_latency import AddedLatency
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import embedded
from loadlab.services.encryption import programs_with_tls
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench import Watch

    from loadlab.services.database import Database

BLOCKS: Final = 5
CONNECTIONS: Final = 20  # per block and arm
QUERIES: Final = 50
ROUND_TRIPS_MS: Final = (0.0, 0.5, 2.0, 10.0)  # 0: no proxy
PLANS: Final = {
    "trust": DatabaseOptions(auth="trust"),
    "SCRAM": DatabaseOptions(auth="scram"),
    "TLS, trust": DatabaseOptions(auth="trust", tls=True),
    "TLS, SCRAM": DatabaseOptions(auth="scram", tls=True),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Medians of one block, in seconds."""

    security: str
    round_trip_ms: float
    connect: float
    query: float


def run(watch: Watch, blocks: int | None) -> Table:
    with ExitStack() as stack:
        watch.preparing("PostgreSQL starts, once for each kind of security")
        clusters = {name: stack.enter_context(_cluster(plan)) for name, plan in _possible(watch).items()}
        arms = [(name, round_trip_ms) for name in clusters for round_trip_ms in ROUND_TRIPS_MS]
        steps = interleaved(arms, blocks or BLOCKS)
        return table(
            [
                measure(name, round_trip_ms, *clusters[name])
                for _, (name, round_trip_ms) in watch.over(steps, lambda step: f"{step[1][0]}, {step[1][1]:g} ms")
            ]
        )


def _possible(watch: Watch) -> dict[str, DatabaseOptions]:
    try:
        programs_with_tls()
    except EnvironmentFaultError as error:
        watch.notice(str(error))
        return {name: plan for name, plan in PLANS.items() if not plan.tls}
    return PLANS


@contextmanager
def _cluster(plan: DatabaseOptions) -> Iterator[tuple[Database, Register]]:
    with Register.opened() as register, embedded(plan, register, register.folder / "postgresql.log") as database:
        yield database, register


def measure(security: str, round_trip_ms: float, near: Database, register: Register) -> Measured:
    with ExitStack() as stack:
        database = near
        if round_trip_ms:
            log = register.folder / "proxy.log"
            context = FaultContext(database=near, register=register, log=log)
            effect = stack.enter_context(AddedLatency(round_trip_ms=round_trip_ms).applied(context))
            database = effect.database or near
        dsn = make_dsn(**database.parameters, dbname=near.name, passfile=near.environment["PGPASSFILE"])
        return Measured(
            security=security,
            round_trip_ms=round_trip_ms,
            connect=median(_connect(dsn) for _ in range(CONNECTIONS)),
            query=median(_queries(dsn)),
        )


def _connect(dsn: str) -> float:
    begun = time.perf_counter()
    connection = psycopg2.connect(dsn)
    taken = time.perf_counter() - begun
    connection.close()
    return taken


def _queries(dsn: str) -> list[float]:
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    taken = []
    with connection.cursor() as cursor:
        for _ in range(QUERIES):
            begun = time.perf_counter()
            cursor.execute("SELECT 1")
            taken.append(time.perf_counter() - begun)
    connection.close()
    return taken


def table(measured: Sequence[Measured]) -> Table:
    made = Table(
        title="Connecting and a query on an open connection, in milliseconds, with the database at a distance",
        caption=f"psycopg2, TCP. Medians of {len(measured) // len({(m.security, m.round_trip_ms) for m in measured})}"
        " blocks. Round trips: what the time grows by from the shortest to the longest distance, per round trip of it.",
    )
    made.add_column("")
    for round_trip_ms in ROUND_TRIPS_MS:
        made.add_column(f"{round_trip_ms:g} ms", justify="right")
    made.add_column("round trips", justify="right")
    for security in dict.fromkeys(one.security for one in measured):
        for what in ("connect", "query"):
            medians = [
                median(getattr(one, what) for one in measured if (one.security, one.round_trip_ms) == (security, far))
                for far in ROUND_TRIPS_MS
            ]
            made.add_row(
                f"{security}: {what}",
                *(f"{seconds * 1000:.2f}" for seconds in medians),
                f"{_round_trips(medians):.1f}",
                end_section=what == "query",
            )
    return made


def _round_trips(medians: Sequence[float]) -> float:
    """Between two distances that both have a proxy, so that its own cost is in neither."""
    return (medians[-1] - medians[1]) * 1000 / (ROUND_TRIPS_MS[-1] - ROUND_TRIPS_MS[1])
