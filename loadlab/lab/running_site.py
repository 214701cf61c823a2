"""A served site during one trial: what it counts, what comes to it, and how it stops."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.fleet.spread import uses_of
from loadlab.instrumentation.counters import counts_by_alias, counts_of
from loadlab.instrumentation.uses_file import read_uses
from loadlab.lab.hopeless import explanation
from loadlab.lab.liveness import serving_now, worker_pids
from loadlab.lab.memory import proportional_bytes
from loadlab.lab.observer import cut_off
from loadlab.lab.reconnecting import Reconnecting
from loadlab.lab.sampler import RATE, look, unseen
from loadlab.lab.settling import Patience
from loadlab.lab.target import Sample
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause
from loadlab.model.counts import ConnectionCounts, SideCounts, reconcile
from loadlab.plan.members import build_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.lab.disturbed import Disturbed
    from loadlab.lab.lab import Lab
    from loadlab.lab.sampler import Sampler
    from loadlab.lab.served_site import ServedSite
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.counts import PoolerCounts
    from loadlab.model.uses import Uses
    from loadlab.model.window import Window
    from loadlab.probes import ProbeContext
    from loadlab.services.database import Database

SETTLE_SECONDS: Final = 10.0  # at most; a queue of unanswered requests may outlive the load
POLL_SECONDS: Final = 0.02
BETWEEN: Final = {"pooler": "PgBouncer", "proxy": "the proxy in front of the database"}


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
        left = self._disturbed.left_behind(self._site, counts, missing)
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
