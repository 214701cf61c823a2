"""A target that the lab serves: fresh processes for each trial, and connections counted at both ends."""

from __future__ import annotations

import shutil
import time
from collections import deque
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FAULTS, FaultContext
from loadlab.faults.added_latency import AddedLatency
from loadlab.fleet.spread import uses_of
from loadlab.instrumentation.counters import counts_by_alias, counts_of
from loadlab.instrumentation.uses_file import VARIABLE, read_uses
from loadlab.lab.ahead import Ahead
from loadlab.lab.application import Extras
from loadlab.lab.disturbed import Disturbed
from loadlab.lab.faulting import acting
from loadlab.lab.happening import fault_of
from loadlab.lab.hopeless import explanation
from loadlab.lab.liveness import serving_now, worker_pids
from loadlab.lab.memory import proportional_bytes
from loadlab.lab.observer import cut_off
from loadlab.lab.reconnecting import Reconnecting
from loadlab.lab.sampler import RATE, look, unseen
from loadlab.lab.served_site import boot_site
from loadlab.lab.session_count import sessions_by_log
from loadlab.lab.settling import Patience
from loadlab.lab.target import Sample
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause
from loadlab.model.counts import ConnectionCounts, SideCounts, reconcile
from loadlab.plan.faults import planned_faults
from loadlab.plan.members import build_server, faults_of
from loadlab.probes import ProbeContext
from loadlab.probes.sessions import Sessions
from loadlab.services.idle_connections import idle_connections
from loadlab.store.layout import trial_log

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.faults import Fault
    from loadlab.lab.lab import Lab
    from loadlab.lab.sampler import Sampler
    from loadlab.lab.served_site import BootingSite, ServedSite
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.counts import PoolerCounts
    from loadlab.model.plan import Plan
    from loadlab.model.schedule import Step
    from loadlab.model.uses import Uses
    from loadlab.model.window import Window
    from loadlab.services.database import Database

SETTLE_SECONDS: Final = 10.0  # at most; a queue of unanswered requests may outlive the load
POLL_SECONDS: Final = 0.02
BETWEEN: Final = {"pooler": "PgBouncer", "proxy": "the proxy in front of the database"}
KEPT_LEDGERS: Final = 4  # the last trial's and those of three before it: who reads metrics may come late


def proxied(case: Case, plan: Plan) -> list[Fault]:
    """The latency that a case adds throughout its trials: 0 where a fault of the plan needs the proxy for it.

    All cases of such a plan go through a proxy, so that they differ by their faults alone.
    """
    faults = [*planned_faults(plan), *([case.fault] if case.fault else [])]
    needed = any(FAULTS[fault.name].through_proxy for fault in faults)
    return [AddedLatency(round_trip_ms=case.round_trip_ms)] if case.round_trip_ms or needed else []


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedTarget:
    """The lab's own project, or the user's, in the server mode and under the strategy of each case."""

    lab: Lab
    _ahead: Ahead = field(default_factory=Ahead)
    _kept: deque[Path] = field(default_factory=deque)

    @property
    def cursor(self) -> Cursor:
        return self.lab.cursor

    def close(self) -> None:
        """End what was prepared for a trial that does not come."""
        self._ahead.close()

    def ledgers(self, step: Step) -> Path:
        return self.lab.scratch / f"ledgers-{step.order:04d}"

    def alive(self) -> bool:
        return self.lab.observing.alive()

    def restore(self) -> None:
        """Have a database that answers, and in which nothing of an earlier trial is left.

        Raises:
            IncompleteError: it stays away.
        """
        observer = self.lab.observing
        if not observer.alive():
            observer.restore()
        every = [self.lab, *map(self.lab.at, self.lab.others)]
        staying = [left for lab in every if (left := lab.judge.await_empty(SETTLE_SECONDS))]
        if staying and self.lab.database.embedded:  # a backend that was stopped never leaves
            observer.restore(anew=True)

    def prepare(self, case: Case, step: Step) -> None:
        """Boot the sample app for a later trial, if no session of that can be counted in the present one.

        A project may connect as it boots, and so does runserver, which looks for migrations. A fault may act until the
        end. PgBouncer opens nothing in the target's database before a client asks.
        """
        # No side of a run may have it easier than the other.
        quiet = build_server(case.server).quiet_boot and not self.lab.project.info and not self.lab.others
        if quiet and not faults_of(self.lab.plan) and not proxied(case, self.lab.plan) and case.fault is None:
            self._ahead.begin(step, self._boot(case, step))

    @contextmanager
    def serve(self, case: Case, step: Step) -> Iterator[RunningSite]:
        lab, ledgers = self.lab.at(case.side), self.ledgers(step)
        context = ProbeContext(
            cursor=lab.cursor,
            database=lab.database.name,
            ledgers=ledgers,
            trees={},
            aliases=lab.project.counted,
        )
        lab.judge.await_empty(SETTLE_SECONDS)
        before = Sample(counts=ConnectionCounts(), values=Sessions().read(context))
        by_log = sessions_by_log(lab) if case.fault else nullcontext()
        beside = idle_connections(lab.database, case.idle_percent)
        with beside, by_log as sessions, ExitStack() as resources:
            booting = self._ahead.handed_over(step, resources) or resources.enter_context(self._boot(case, step))
            yield RunningSite(lab, booting.ready(), context, before, resources, Disturbed(case.fault, sessions))
        self._retire(ledgers)

    @contextmanager
    def _boot(self, case: Case, step: Step) -> Iterator[BootingSite]:
        lab, ledgers = self.lab.at(case.side), self.ledgers(step)
        shutil.rmtree(ledgers, ignore_errors=True)  # of an earlier attempt
        with boot_site(
            lab,
            case.server,
            case.strategy,
            project=lab.project,
            ledgers=ledgers,
            log=lab.logs / trial_log(step.order, case.server.name),
            faults=[*proxied(case, lab.plan), *acting(lab.plan, "throughout"), *planned(case)],
            extras=Extras(environment={VARIABLE: ",".join(lab.project.counted)}),
        ) as site:
            yield site

    def _retire(self, ledgers: Path) -> None:
        """Let go of a trial's ledgers, in a while."""
        self._kept.append(ledgers)
        if len(self._kept) > KEPT_LEDGERS:
            shutil.rmtree(self._kept.popleft(), ignore_errors=True)


def planned(case: Case) -> list[Fault]:
    """The fault of a case, for which something may have to be prepared."""
    return [fault_of(case.fault)] if case.fault else []


class RunningSite:
    """A served site during one trial."""

    rate = RATE
    patience = Patience(seconds=SETTLE_SECONDS, poll_seconds=POLL_SECONDS)
    stops = True

    def __init__(  # noqa: PLR0913, PLR0917  each is a separate noun
        self,
        lab: Lab,
        site: ServedSite,
        context: ProbeContext,
        before: Sample,
        resources: ExitStack,
        disturbed: Disturbed,
    ) -> None:
        self.before = before
        self.url = site.application.url
        self._lab = lab
        self._site = site
        self._context = replace(
            context, trees=site.route.trees, pooler=site.route.bouncer.judge if site.route.bouncer else None
        )
        self._resources = resources
        self._disturbed = disturbed
        between = {BETWEEN[part]: pid for part, pid in site.route.trees.items() if part in BETWEEN}
        self._idle_backend_bytes: float | None = None
        self._processes = serving_now(site.application, between, build_server(site.server).recycled)

    @property
    def fault_context(self) -> FaultContext:
        route, application = self._site.route, self._site.application
        return FaultContext(
            database=route.database,
            register=self._lab.register,
            log=self._site.log,
            restart_database=self._lab.database.restart,
            fail_over_database=self._fail_over if self._lab.database.fail_over else None,
            server=application.program,
            reload_signal=build_server(self._site.server).reload_signal(),
            workers=lambda: worker_pids(application),
            bouncer=route.bouncer,
            ledgers=self._site.ledgers,
            handle=route.handle,
        )

    def _fail_over(self, *, detection_seconds: float = 0.0) -> Database:
        """From now on, the lab too goes to the server that took over."""
        observer = self._lab.observing
        if observer.database.fail_over is None:
            raise EnvironmentFaultError("The database is not loadlab's own.")
        observer.database = observer.database.fail_over(detection_seconds=detection_seconds)
        return observer.database

    def reconnect(self) -> None:
        observer = self._lab.observing
        if not observer.alive():
            observer.restore()
        present = self._present(self._context.trees)
        # What a process has used that another has taken the place of is not known.
        trees = {part: root for part, root in present.items() if self._context.trees.get(part) == root}
        self._context = replace(self._context, cursor=observer.cursor, trees=trees)

    @property
    def max_connections(self) -> int:
        return self._lab.judge.limits().connections

    @contextmanager
    def observing(self, generator: int, seconds: float) -> Iterator[_Sampling]:
        trees = {**self._context.trees, "app": self._site.application.program.pid, "generator": generator}
        self._context = replace(self._context, trees=self._present(trees))
        comes_back = self._disturbed.fault is not None
        with (
            Reconnecting(lambda: self._lab.database, comes_back=comes_back) as second,
            cut_off(second.connection, seconds),
            cut_off(lambda: self._context.cursor.connection, seconds),
        ):
            yield _Sampling(second, lambda: self._context)

    def _present(self, trees: Mapping[str, int]) -> Mapping[str, int]:
        """The roots of all process trees; PostgreSQL and PgBouncer have others after a restart."""
        postmaster, bouncer = self._lab.database.postmaster, self._site.route.bouncer
        database = {"database": postmaster} if postmaster is not None else {}
        return {**trees, **database, **({"pooler": bouncer.pid} if bouncer else {})}

    def sample(self, _when: str, /) -> Sample:
        return _everything(self._context)

    def sides(self) -> Sample:
        backends = self._lab.judge.open_now()
        counts = _counts(self._context)
        pooler = _pooler_counts(self._context)
        missing = counts.open - (pooler.clients_open if pooler else backends)
        left = self._disturbed.left_behind(self._site) if missing > 0 else 0
        unknown = backends - (pooler.servers_open if pooler else counts.open)
        gone = self._disturbed.abandoned(self._site, counts, unknown)
        return Sample(counts=counts, values={"backends": backends}, pooler=pooler, left_behind=left, abandoned=gone)

    def agrees(self, now: Sample) -> bool:
        counts = now.counts
        ours = SideCounts(open=counts.open - now.left_behind)
        theirs = SideCounts(open=now.backends and now.backends - now.abandoned)
        return counts.unsettled == counts.cut_off and not reconcile(ours, theirs, now.pooler)

    def by_alias(self) -> dict[str, ConnectionCounts]:
        return counts_by_alias(self._context.ledgers, self._context.aliases)

    def lost(self) -> tuple[Disturbance, ...]:
        return tuple(Disturbance(Cause.PROCESS_LOST, what) for what in self._processes.disturbances())

    def unseen(self, sampler: Sampler, window: Window) -> list[Disturbance]:
        return unseen(sampler, window)

    def explanation(self, result: LoadResult) -> str:
        """Of a project of the user's; loadlab's sample app needs none."""
        info = self._lab.project.info
        if info is None:
            return ""
        return explanation(self.url, result, ssl_redirect=info.ssl_redirect, log=self._site.log)

    def stop(self, _at_rest: Sample) -> Sample:
        if self._lab.database.embedded:
            self._idle_backend_bytes = proportional_bytes(pid for pid, _ in self._lab.judge.clients())
        # All is seen and at rest. A graceful end would take half a second of each trial, and so every trial proves that
        # the counts need none.
        self._site.application.program.kill()
        pooler = self._await_no_client()
        self._resources.close()
        self._lab.judge.await_empty(SETTLE_SECONDS)
        return Sample(
            counts=_counts(self._context), values=self._disturbed.sessions(self._context, self.before), pooler=pooler
        )

    def uses(self, since: float) -> Uses | None:
        found = uses_of(read_uses(self._context.ledgers), since=since, server=build_server(self._site.server))
        return found and replace(found, idle_backend_bytes=self._idle_backend_bytes)

    def _await_no_client(self) -> PoolerCounts | None:
        """A pooler's counts once it has seen the last of the target's connections go; None without one.

        When a client goes, the next in the queue may be given a connection to PostgreSQL that is only being made,
        although it is about to go too: PostgreSQL will count it. Without clients no other is begun.
        """
        pooler = self._context.pooler
        if pooler is None:
            return None
        deadline = time.monotonic() + SETTLE_SECONDS
        while (pooler.counts().clients_open or pooler.connecting()) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        return pooler.counts()


class _Sampling:
    """Over its own connection, and otherwise in the context as it is now."""

    def __init__(self, second: Reconnecting, context: Callable[[], ProbeContext]) -> None:
        self._second = second
        self._now = context

    @property
    def _context(self) -> ProbeContext:
        return replace(self._now(), cursor=self._second.cursor())

    def levels(self) -> dict[str, float]:
        return look(self._context, sampled_only=True)

    def latest(self) -> Sample:
        return _everything(self._context)


def _everything(context: ProbeContext) -> Sample:
    values = look(context, sampled_only=False)
    return Sample(counts=_counts(context), values=values, pooler=_pooler_counts(context))


def _counts(context: ProbeContext) -> ConnectionCounts:
    return counts_of(context.ledgers, context.aliases)


def _pooler_counts(context: ProbeContext) -> PoolerCounts | None:
    return context.pooler.counts() if context.pooler else None
