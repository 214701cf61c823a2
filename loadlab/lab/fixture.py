"""A server that is put to the test, with its clients and with those who count its connections at both ends."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from loadlab.errors import EnvironmentFaultError
from loadlab.instrumentation.counters import CounterSet
from loadlab.judges.postgresql import Judge
from loadlab.lab.application import Extras, Target, serving
from loadlab.lab.clients import ClientPool
from loadlab.lab.control_requests import collect_garbage, keep_garbage
from loadlab.lab.project import Project
from loadlab.lab.route import routed
from loadlab.lab.settling import Patience, settled
from loadlab.lab.tables import make_ready
from loadlab.model.behaviour import Scale
from loadlab.model.plan import Database as DatabasePlan
from loadlab.plan.members import build_server
from loadlab.services.embedded import restartable
from loadlab.store.layout import POSTGRESQL_LOG
from loadlab.system.processes import Register

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.lab.application import Application
    from loadlab.model.behaviour import Setting
    from loadlab.model.counts import ConnectionCounts
    from loadlab.services.embedded import Running
    from loadlab.services.pgbouncer import Bouncer

SETTLE_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresFixture:
    """What all experiments of a pass share: a PostgreSQL that they may restart, and its judge."""

    register: Register
    cluster: Running
    judge: Judge
    scale: Scale
    logs: Path


@contextmanager
def postgres_fixture(
    logs: Path | None,
    preparing: Callable[[str], None],
    scale: Scale | None = None,
    *,
    auth: Literal["trust", "scram"] = "trust",
) -> Iterator[PostgresFixture]:
    """A PostgreSQL with the site's tables; nothing of it is left afterwards but logs, if they have a folder.

    Where nothing is timed, nobody needs a password.

    Raises:
        EnvironmentFaultError: PostgreSQL does not start.
    """
    scale = scale or Scale()
    with ExitStack() as stack:
        register = stack.enter_context(Register.opened())
        folder = logs or register.folder
        preparing("PostgreSQL starts")
        plan = DatabasePlan(auth=auth, max_connections=scale.max_connections)
        log = folder / POSTGRESQL_LOG
        cluster = stack.enter_context(restartable(plan, register, log))
        judge = Judge(cluster.database, log)
        stack.callback(judge.close)
        cluster.restart()
        judge.reconnect()
        preparing("preparing tables")
        make_ready(Project(), None, cluster.database)
        yield PostgresFixture(register=register, cluster=cluster, judge=judge, scale=scale, logs=folder)


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningServer:
    """A server that is ready, with its clients, and all who count its connections."""

    postgres: PostgresFixture
    application: Application
    clients: ClientPool
    processes: int
    stop_signal: signal.Signals
    bouncer: Bouncer | None

    @property
    def judge(self) -> Judge:
        return self.postgres.judge

    @property
    def scale(self) -> Scale:
        return self.postgres.scale

    def counts(self) -> ConnectionCounts:
        return CounterSet(self.application.ledgers).read().of(["default"]).counts

    def open_for_judge(self) -> int:
        """The target's connections as whoever is at their other end counts them."""
        return self.bouncer.counts().clients_open if self.bouncer else self.judge.backends()

    def opened_for_judge(self) -> int:
        return self.bouncer.counts().clients_opened if self.bouncer else self.judge.sessions()

    def agrees(self, opened: int) -> bool:
        """Whether the judge comes to count so many opened: a backend that is idle may be late with its report."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (agree := self.opened_for_judge() == opened) is False and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return agree

    def at_rest(self) -> ConnectionCounts:
        """The counts once both sides agree and stay as they are; as they stand when patience ends."""

        def sides() -> tuple[ConnectionCounts, int]:
            return self.counts(), self.open_for_judge()

        def agree(seen: tuple[ConnectionCounts, int]) -> bool:
            counts, judged = seen
            return counts.open == judged and counts.unsettled == 0

        return settled(sides, agree, Patience(seconds=SETTLE_SECONDS, poll_seconds=POLL_SECONDS))[0]

    def await_gone(self) -> None:
        """Wait until nothing of the target is connected any more, and has reported how it ended.

        Raises:
            EnvironmentFaultError: something stays.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while staying := self.open_for_judge():
            if time.monotonic() > deadline:
                raise EnvironmentFaultError(
                    f"{staying} connections of {self.application.program.name} have outlived it by"
                    f" {SETTLE_SECONDS:g} s. PostgreSQL or the pooler has not noticed that it is gone."
                )
            time.sleep(POLL_SECONDS)

    def collect_garbage(self) -> ConnectionCounts:
        """Have all processes collect their garbage until there is none; returns the counts then.

        Once is not enough: what a thread has left that was about to end is no garbage yet.
        """
        before: int | None = None
        while True:
            collect_garbage(self.application, self.processes)
            now = self.at_rest()
            if now.open == before:
                return now
            before = now.open

    def keep_garbage(self) -> None:
        keep_garbage(self.application, self.processes)


@contextmanager
def running_server(
    setting: Setting,
    postgres: PostgresFixture,
    database: Mapping[str, object] | None = None,
    *,
    extras: Extras | None = None,
) -> Iterator[RunningServer]:
    """A fresh server of a setting, with `database` over its database's settings, and whatever else is in `extras`.

    Raises:
        EnvironmentFaultError: it does not start, or a program in between is missing.
    """
    server = build_server(setting.server)
    log = postgres.logs / f"{setting.server.name}.log"
    ledgers = Path(tempfile.mkdtemp(prefix="ledgers-", dir=postgres.register.folder))
    extras = extras or Extras()
    postgres.judge.await_empty()
    with ExitStack() as stack:
        route = stack.enter_context(routed(setting.strategy, 0, postgres.cluster.database, postgres.register, log))
        stack.callback(shutil.rmtree, ledgers, ignore_errors=True)
        target = Target(
            server=setting.server,
            strategy=setting.strategy,
            database=route.database,
            ledgers=ledgers,
            project=Project(driver=setting.driver),
            extras=replace(extras, database={**extras.database, **(database or {})}),
        )
        application = stack.enter_context(serving(target, postgres.register, log))
        # What is left needs no orderly end, and some servers take long over theirs.
        stack.callback(application.program.kill)
        clients = ClientPool(application.port, postgres.scale.clients, keep_alive=setting.keep_alive)
        stack.callback(clients.hang_up)
        yield RunningServer(
            postgres=postgres,
            application=application,
            clients=clients,
            processes=server.processes(),
            stop_signal=server.stop_signal,
            bouncer=route.bouncer,
        )
