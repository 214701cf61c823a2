"""Finds out what a kept connection costs, beside what an opening costs: in a step after the trials.

Backends that the project's own requests have used, and fresh ones, are looked at while both are open, because what
they share is divided among all of them.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.instrumentation.counters import counts_of
from loadlab.lab.application import ServerSetup
from loadlab.lab.memory import idle_backends, measured
from loadlab.lab.record import load_request
from loadlab.lab.route import routed
from loadlab.lab.served_site import boot_site
from loadlab.lab.settling import Patience, settled
from loadlab.model.case import Case
from loadlab.model.holding import ClientSide, Holding, KeptRows, OpeningCpu
from loadlab.model.schedule import Step
from loadlab.plan.members import config_of
from loadlab.plan.scenarios import has_async_views
from loadlab.probes import ProbeContext
from loadlab.probes.cpu import Cpu
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from psycopg2.extensions import cursor as Cursor  # noqa: N812  the driver names its class in lower case

    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config
    from loadlab.model.holding import IdleKind
    from loadlab.services.database import Database
    from loadlab.system.processes import Program

ROUNDS: Final = 8  # enough for an interval
OPENS: Final = 40  # of a round: the kernel tells a whole tree's CPU to a hundredth of a second
HELD: Final = 8  # of a round, at most
THREADS: Final = 8  # that serve the project's requests
LOAD_SECONDS: Final = 1.0  # per scenario
SPARE: Final = 4  # connections for the lab
ANSWER_SECONDS: Final = 60.0
REST: Final = Patience(seconds=10.0, poll_seconds=0.02)
ROWS: Final = 1_000
IDLE: Final[dict[IdleKind, tuple[str, ...]]] = {
    "session": ("SELECT count(*) FROM loadlab_rows",),
    "has_read": ("BEGIN", "SELECT count(*) FROM loadlab_rows"),
    "has_written": ("BEGIN", "INSERT INTO loadlab_others VALUES (1)"),
    "repeatable_read": ("BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT count(*) FROM loadlab_rows"),
}
MADE: Final = (
    "CREATE TABLE loadlab_rows (n int) WITH (autovacuum_enabled = off)",
    "INSERT INTO loadlab_rows SELECT generate_series(1, %s)",
    "CREATE TABLE loadlab_others (n int)",
)
GONE: Final = "DROP TABLE IF EXISTS loadlab_rows, loadlab_others"


def measured_holding(lab: Lab, cases: Sequence[Case], notice: Callable[[str], None]) -> Holding:
    """What keeping and opening cost with the project's driver and login; `notice` hears what could not be measured.

    Raises:
        EnvironmentFaultError: the project does not connect, or PostgreSQL has too few connections for it.
        psycopg2.Error: the database is gone.
    """
    if not lab.database.embedded:
        return Holding(unknown="given")
    if sys.platform != "linux":
        return Holding(unknown="system")
    with _client(lab, cases[0]) as client:
        opening = _opening(lab, client)
        first = client.hold(1)  # what a first connection alone takes
        with _in_use(lab, cases, notice) as requests:
            used = [pid for pid in lab.judge.pids() if pid not in first.pids]
            held = [client.hold(_room(lab)) for _ in range(ROUNDS)]
            fresh = [pid for one in held for pid in one.pids]
            return Holding(
                driver=lab.project.driver,
                opening=opening,
                fresh=idle_backends(fresh),
                used=idle_backends(used),
                requests=requests / len(used) if used else 0.0,
                client=_client_side(held),
                kept_rows=kept_rows(lab.database),
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """Connections that were opened in one go, and what the client has grown by meanwhile."""

    pids: tuple[int, ...]
    grown_bytes: float | None
    grown_files: int | None


class _Client:
    """The project's process that opens connections as it is told."""

    def __init__(self, program: Program) -> None:
        self._program = program

    def open(self, count: int) -> list[float]:
        found: list[float] = self._answer("open", count)
        return found

    def hold(self, count: int) -> _Held:
        found = self._answer("hold", count)
        grown, files = found["grown"]
        return _Held(pids=tuple(found["pids"]), grown_bytes=grown, grown_files=files)

    def _answer(self, command: str, count: int) -> Any:  # noqa: ANN401  any JSON
        pipe = self._program.popen.stdin
        if pipe is None:
            raise TypeError("the client was started without pipes")
        try:
            pipe.write(f"{command} {count}\n".encode())
            pipe.flush()
            return json.loads(self._program.hear(ANSWER_SECONDS))
        except (OSError, ValueError) as error:
            raise EnvironmentFaultError(f"The project did not connect; see {self._program.log}.") from error


@contextmanager
def _client(lab: Lab, case: Case) -> Iterator[_Client]:
    """The project's settings under unlimited age, in a process that serves nothing."""
    log = lab.logs / "holding.log"
    context = FaultContext(database=lab.database, register=lab.register, log=log)
    with routed(_unlimited(), [], context) as route:
        setup = ServerSetup(
            server=case.server,
            strategy=_unlimited(),
            database=route.database,
            ledgers=lab.scratch / "ledgers-holding",
            project=lab.project,
            instrumented=False,
        )
        argv = [lab.project.python, "-m", "loadlab.settings_override.holding"]
        environment = setup.environment("")
        program = lab.register.start(
            "The client", argv, log=log, environment=environment, pipes=True, folder=lab.project.folder
        )
        try:
            yield _Client(program)
        finally:
            program.kill()
            program.close_pipes()


def _unlimited() -> Config:
    return config_of(STRATEGIES, "max_age", {"max_age": None}, "strategy")


def _room(lab: Lab) -> int:
    """How many connections a round may hold."""
    limits = lab.judge.limits()
    room = (limits.connections - limits.reserved - THREADS - SPARE) // ROUNDS
    if room < 1:
        raise EnvironmentFaultError(
            f"max_connections = {limits.connections} leaves too few connections to hold: set"
            f" database.max_connections to {limits.reserved + THREADS + SPARE + ROUNDS} or more"
        )
    return min(HELD, room)


def _opening(lab: Lab, client: _Client) -> OpeningCpu | None:
    """None where the CPU of PostgreSQL's processes cannot be read."""
    if lab.database.postmaster is None:
        return None
    context = ProbeContext(
        cursor=lab.cursor,
        database=lab.database.name,
        ledgers=lab.scratch,
        trees={"database": lab.database.postmaster},
    )
    client.open(1)
    ours, theirs = [], []
    for _ in range(ROUNDS):
        lab.judge.await_empty(REST.seconds)
        before = Cpu().read(context)["cpu_database"]
        spent = client.open(OPENS)
        lab.judge.await_empty(REST.seconds)
        theirs.append((Cpu().read(context)["cpu_database"] - before) / OPENS)
        ours.append(sum(spent) / OPENS)
    return OpeningCpu(client=measured(ours), database=measured(theirs))


def _client_side(held: Sequence[_Held]) -> ClientSide | None:
    grown = [one.grown_bytes / len(one.pids) for one in held if one.grown_bytes is not None]
    files = sum(one.grown_files or 0 for one in held) / sum(len(one.pids) for one in held)
    return ClientSide(resident=measured(grown), files=files) if grown else None


@contextmanager
def _in_use(lab: Lab, cases: Sequence[Case], notice: Callable[[str], None]) -> Iterator[int]:
    """The project is served by threads that have kept their connections; gives how many requests have used these."""
    with ExitStack() as resources:
        try:
            served = _served(lab, cases, resources)
        except EnvironmentFaultError as error:
            resources.close()
            notice(f"Backends in use were not looked at: {error}")
            served = 0
        yield served


def _served(lab: Lab, cases: Sequence[Case], resources: ExitStack) -> int:
    """Each scenario for a moment, one after the other."""
    server = config_of(SERVERS, "gthread", {"workers": 1, "threads": THREADS}, "server")
    ledgers = lab.scratch / "ledgers-in-use"
    log = lab.logs / "holding-server.log"
    booting = boot_site(lab, server, _unlimited(), project=lab.project, ledgers=ledgers, log=log)
    site = resources.enter_context(booting).ready()
    plan = replace(lab.plan, warmup_seconds=0.0, window_seconds=LOAD_SECONDS)
    for scenario in dict.fromkeys(case.scenario for case in cases if not has_async_views(case.scenario)):
        case = Case(
            server=server,
            strategy=_unlimited(),
            scenario=scenario,
            users=THREADS,
            keep_alive=False,
            usable_connections=THREADS,
        )
        request = load_request(case, Step(order=0, block=0, case=0), plan, site.application.url, lab.scratch)
        lab.generator.begin(request).wait()
    settled(lab.judge.states, lambda states: states[0] == states[2], REST)
    counts = counts_of(ledgers, lab.project.counted)
    return counts.opened + counts.reused


def kept_rows(database: Database) -> tuple[KeptRows, ...]:
    """How many old versions of rows VACUUM has to keep while one connection is idle, in each way of being idle."""
    with database.observed() as connection, connection.cursor() as cursor:
        return tuple(KeptRows(idle=kind, rows=ROWS, kept=_kept(cursor, database, kind)) for kind in IDLE)


def _kept(cursor: Cursor, database: Database, kind: IdleKind) -> int:
    cursor.execute(GONE)
    for statement in MADE:
        cursor.execute(statement, [ROWS] if "%s" in statement else None)
    with database.observed() as idle, idle.cursor() as other:  # in autocommit: it begins what it is told to
        for statement in IDLE[kind]:
            other.execute(statement)
        cursor.execute("UPDATE loadlab_rows SET n = n + 1")
        cursor.execute("VACUUM loadlab_rows")
        cursor.execute("SELECT pg_stat_get_dead_tuples('loadlab_rows'::regclass)")
        ((kept,),) = cursor.fetchall()
    cursor.execute(GONE)
    return int(kept)
