"""A PostgreSQL that experiments may restart, and servers on it, with their clients and both ends' counts."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.instrumentation.counters import counts_of
from loadlab.judges._postgresql_log import ConnectionLog
from loadlab.lab.application import Extras
from loadlab.lab.clients import ClientPool
from loadlab.lab.control_requests import collect_garbage, keep_garbage
from loadlab.lab.generator import Generator
from loadlab.lab.lab import Lab
from loadlab.lab.observer import Observer
from loadlab.lab.project import Project
from loadlab.lab.served_site import boot_site
from loadlab.lab.settling import Patience, settled
from loadlab.lab.tables import make_ready
from loadlab.model.behaviour import Scale
from loadlab.model.plan import DatabaseOptions, Plan
from loadlab.plan.members import build_server
from loadlab.services.embedded import restartable
from loadlab.services.slots import Slots
from loadlab.store.layout import LOCUST_LOG, POSTGRESQL_LOG
from loadlab.system.processes import Register
from loadlab.system.state_folder import let_in

if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.judges import Judge
    from loadlab.judges.postgresql import PostgreSQL
    from loadlab.lab.application import ServedApplication
    from loadlab.lab.served_site import BootingSite, ServedSite
    from loadlab.model.behaviour import Setting
    from loadlab.model.counts import ConnectionCounts
    from loadlab.services.database import RestartMode
    from loadlab.services.embedded import Running
    from loadlab.services.pgbouncer import Bouncer

SETTLE_SECONDS: Final = 20.0
SOON_SECONDS: Final = 0.5
EMPTY_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, kw_only=True, slots=True)
class PostgresFixture:
    """What all experiments of a pass share: a lab on a PostgreSQL that they may restart, and the log of it."""

    lab: Lab
    cluster: Running
    log: ConnectionLog
    scale: Scale

    @property
    def judge(self) -> PostgreSQL:
        return self.lab.judge

    @property
    def fault_context(self) -> FaultContext:
        """What a fault can act on here, at an instant."""
        lab = self.lab
        log = lab.logs / "fault.log"
        return FaultContext(database=lab.database, register=lab.register, log=log, restart_database=self.restart)

    def restart(self, *, mode: RestartMode = "fast") -> None:
        """Restart PostgreSQL, and connect to it again.

        Raises:
            EnvironmentFaultError: it does not come up again.
        """
        self.cluster.restart(mode=mode)
        self.lab.observing.restore()

    def await_empty(self) -> None:
        """Wait until the target has no backend left, so that all of them have reported how they ended.

        Raises:
            EnvironmentFaultError: some stay.
        """
        if staying := self.judge.await_empty(EMPTY_SECONDS):
            raise EnvironmentFaultError(
                f"{staying} connections to the database {self.lab.database.name} are still open {EMPTY_SECONDS:g} s"
                f" after the end of the target. PostgreSQL's log is {self.log.path}."
            )

    @contextmanager
    def only(self, free: int) -> Iterator[None]:
        """Hold so many connections that the target can have `free` and no more, until the context ends.

        Raises:
            EnvironmentFaultError: others use PostgreSQL, or fewer are free from the start.
        """
        with Slots(self.lab.database) as slots:
            slots.hold_all_but(free, EMPTY_SECONDS)
            yield


@contextmanager
def postgres_fixture(
    logs: Path | None,
    preparing: Callable[[str], None],
    scale: Scale | None = None,
    *,
    auth: Literal["trust", "scram"] = "trust",
) -> Iterator[PostgresFixture]:
    """A PostgreSQL with the site's tables; nothing of it is left afterwards but logs, if they have a folder.

    Where nothing is timed, no password is needed.

    Raises:
        EnvironmentFaultError: PostgreSQL does not start.
    """
    scale = scale or Scale()
    plan = Plan(servers={}, strategies={}, database=DatabaseOptions(auth=auth, max_connections=scale.max_connections))
    with ExitStack() as stack:
        register = stack.enter_context(Register.opened())
        folder = logs or register.folder
        preparing("PostgreSQL starts")
        path = folder / POSTGRESQL_LOG
        cluster = stack.enter_context(restartable(plan.database, register, path))
        observer = stack.enter_context(Observer(cluster.database))
        generator = stack.enter_context(Generator(register, folder / LOCUST_LOG))
        lab = Lab(plan=plan, register=register, generator=generator, observer=observer, logs=folder)
        log = ConnectionLog(lab.cursor, lab.database.name, path)
        postgres = PostgresFixture(lab=lab, cluster=cluster, log=log, scale=scale)
        postgres.restart()
        preparing("preparing tables")
        make_ready(Project(), None, lab.database)
        yield postgres


class Clients(Protocol):
    """Who has work done: HTTP clients of a server, or the sender of a worker's tasks."""

    def ask(self, path: str, each: int = 1) -> int:
        """Have each ask so many times, all at once; returns how many requests or tasks failed."""

    def hang_up(self) -> None:
        """End the connections to the server that they keep, if they keep any."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunningServer:
    """A server that is ready, with its clients, and all who count its connections."""

    postgres: PostgresFixture
    application: ServedApplication
    clients: Clients
    processes: int
    stop_signal: signal.Signals
    bouncer: Bouncer | None

    @property
    def judge(self) -> PostgreSQL:
        return self.postgres.judge

    @property
    def log(self) -> ConnectionLog:
        return self.postgres.log

    @property
    def scale(self) -> Scale:
        return self.postgres.scale

    @property
    def other_end(self) -> Judge:
        """Who counts the connections at their other end: PostgreSQL, or the pooler in between."""
        return self.bouncer.judge if self.bouncer else self.judge

    @property
    def fault_context(self) -> FaultContext:
        """What a fault can act on while it runs."""
        return self.postgres.fault_context

    def counts(self) -> ConnectionCounts:
        return counts_of(self.application.ledgers, ["default"])

    def agrees(self, opened: int) -> bool:
        """Whether the judge comes to count so many opened: a backend that is idle may be late with its report."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (agree := self.other_end.opened() == opened) is False and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return agree

    def at_rest(self, seconds: float = SETTLE_SECONDS) -> ConnectionCounts:
        """The counts once both sides agree and stay as they are; as they are when the time is up."""

        def sides() -> tuple[ConnectionCounts, int]:
            return self.counts(), self.other_end.open_now()

        def agree(seen: tuple[ConnectionCounts, int]) -> bool:
            counts, judged = seen
            return counts.open == judged and counts.unsettled == 0

        return settled(sides, agree, Patience(seconds=seconds, poll_seconds=POLL_SECONDS))[0]

    def await_gone(self) -> None:
        """Wait until nothing of the target is connected any more, and has reported how it ended.

        Raises:
            EnvironmentFaultError: something stays.
        """
        if staying := self.other_end.await_empty(SETTLE_SECONDS):
            raise EnvironmentFaultError(
                f"{staying} connections of {self.application.program.name} are still open {SETTLE_SECONDS:g} s after"
                " its end. PostgreSQL or the pooler has not noticed that it is gone."
            )

    def collect_garbage(self) -> ConnectionCounts:
        """Have all processes collect their garbage until there is none; returns the counts then.

        Once is not enough: what an ending thread has left is not garbage yet. Without a connection no garbage holds
        one. Connections that a restart of the database has ended are open to their process until they are collected,
        so both sides may not agree before.
        """
        now, before = self.at_rest(SOON_SECONDS), None
        while now.open:
            collect_garbage(self.application, self.processes)
            now = self.at_rest()
            if now.open == before:
                break
            before = now.open
        return now

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
    """A fresh server of a setting, with `database` over its database's settings, and what else is in `extras`.

    Raises:
        EnvironmentFaultError: it does not start, or a program in between is missing.
    """
    with _booting_server(setting, postgres, database, extras=extras) as ready:
        yield ready()


@contextmanager
def without_and_with_checks(
    setting: Setting, postgres: PostgresFixture
) -> Iterator[tuple[RunningServer, Callable[[], RunningServer]]]:
    """A fresh server of a setting, and what ends it and gives one with health checks in its place.

    The second boots while the first is used, if it connects to nothing before its first request.

    Raises:
        EnvironmentFaultError: as `running_server`.
    """
    quiet = build_server(setting.server).quiet_boot
    with ExitStack() as first, ExitStack() as second:
        server = first.enter_context(_booting_server(setting, postgres))()
        checked = _booting_server(setting, postgres, {"CONN_HEALTH_CHECKS": True})
        ready = second.enter_context(checked) if quiet else None

        def in_its_place() -> RunningServer:
            first.close()
            postgres.await_empty()
            return (ready or second.enter_context(checked))()

        yield server, in_its_place


@contextmanager
def _booting_server(
    setting: Setting,
    postgres: PostgresFixture,
    database: Mapping[str, object] | None = None,
    *,
    extras: Extras | None = None,
) -> Iterator[Callable[[], RunningServer]]:
    """A server that has been started; calling waits until it is ready."""
    extras = extras or Extras()
    postgres.await_empty()
    with ExitStack() as stack:
        merged = replace(extras, database={**extras.database, **(database or {})})
        booting = stack.enter_context(_fresh_site(setting, postgres.lab, merged))

        def ready() -> RunningServer:
            site = booting.ready()
            # What is left needs no orderly end, and some servers take long over theirs.
            stack.callback(site.application.program.kill)
            clients = ClientPool(site.application.port, postgres.scale.clients, keep_alive=setting.keep_alive)
            stack.callback(clients.hang_up)
            return _running(setting, postgres, site, clients)

        yield ready


def _running(setting: Setting, postgres: PostgresFixture, site: ServedSite, clients: ClientPool) -> RunningServer:
    server = build_server(setting.server)
    return RunningServer(
        postgres=postgres,
        application=site.application,
        clients=clients,
        processes=server.processes(),
        stop_signal=server.stop_signal,
        bouncer=site.route.bouncer,
    )


@contextmanager
def _fresh_site(setting: Setting, lab: Lab, extras: Extras) -> Iterator[BootingSite]:
    """The lab's own site, with ledgers that go away with it."""
    ledgers = Path(tempfile.mkdtemp(prefix="ledgers-", dir=lab.scratch))
    let_in(ledgers)  # a server's own files are in it, and nginx is an ordinary user
    try:
        with boot_site(
            lab,
            setting.server,
            setting.strategy,
            project=Project(driver=setting.driver),
            ledgers=ledgers,
            log=lab.logs / f"{setting.server.name}.log",
            extras=extras,
        ) as booting:
            yield booting
    finally:
        shutil.rmtree(ledgers, ignore_errors=True)
