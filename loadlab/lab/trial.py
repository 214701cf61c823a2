"""One trial: a fresh server, one load, the target's counts and those of its judges."""

from __future__ import annotations

import os
import shutil
import time
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.lab.application import Target, serving
from loadlab.lab.following import Follower
from loadlab.lab.hopeless import explanation, nothing_succeeded
from loadlab.lab.liveness import serving_now
from loadlab.lab.observer import cut_off
from loadlab.lab.quantities import summed_up
from loadlab.lab.record import Seen, TrialMeta, order_for, record
from loadlab.lab.route import routed
from loadlab.lab.sampler import Sampler, look, unseen
from loadlab.lab.settling import Patience, settled, sleep_until
from loadlab.lab.ticking import Ticking
from loadlab.lab.validity import Disturbance
from loadlab.model.counts import ConnectionCounts, PoolerCounts, Side, reconcile
from loadlab.model.growth import sessions_between
from loadlab.model.samples import Connections, CpuSeconds, Pooler, Trial
from loadlab.probes import ProbeContext
from loadlab.probes.activity import Activity
from loadlab.probes.ledger import counts_by_alias, counts_of
from loadlab.probes.sessions import RESET, Sessions
from loadlab.store.layout import trial_log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.lab.generator import Drive, Generator
    from loadlab.lab.liveness import Serving
    from loadlab.lab.observer import Observer
    from loadlab.lab.project import Project
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Series
    from loadlab.model.schedule import Step
    from loadlab.services.database import Database
    from loadlab.store.progress import Sampled
    from loadlab.system.processes import Register

SETTLE_SECONDS: Final = 10.0  # at most; a queue of unanswered requests may outlive the load
POLL_SECONDS: Final = 0.02
ANSWER_SECONDS: Final = 75.0  # beyond the window: for the load to end, the target to be at rest, the database to answer
BETWEEN: Final = {"pooler": "PgBouncer", "proxy": "the proxy that adds the round trip"}
KEPT_LEDGERS: Final = 4  # the last trial's and those of three before it: who reads metrics may come late


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """What all trials of a run share. `follow` hears twice a second how a trial goes.

    `explanations` say of a trial over a project, by its order, why none of its requests succeeded.
    """

    plan: Plan
    project: Project
    observer: Observer
    register: Register
    generator: Generator
    logs: Path
    scratch: Path
    follow: Callable[[Sampled], None] | None = None
    explanations: dict[int, str] = field(default_factory=dict)
    _kept: deque[Path] = field(default_factory=deque)

    @property
    def database(self) -> Database:
        """As it runs now: the lab may have had to start it again."""
        return self.observer.database

    @property
    def cursor(self) -> Cursor:
        return self.observer.cursor

    def restore(self) -> None:
        """Before a trial: have a database that answers, and in which nothing of an earlier trial is left.

        Raises:
            IncompleteError: it stays away.
        """
        if not self.observer.alive():
            self.observer.restore()
        scene = ProbeContext(cursor=self.cursor, database=self.database.name, ledgers=self.scratch, trees={})
        await_empty(scene)
        if self.database.embedded and _backends(scene):  # a backend that was stopped never leaves
            self.observer.restore(anew=True)

    def ledgers(self, step: Step) -> Path:
        """The folder of a trial's ledgers."""
        return self.scratch / f"ledgers-{step.order:04d}"

    def retire(self, ledgers: Path) -> None:
        """Let go of a trial's ledgers, in a while."""
        self._kept.append(ledgers)
        if len(self._kept) > KEPT_LEDGERS:
            shutil.rmtree(self._kept.popleft(), ignore_errors=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Observed:
    """What was seen of a load from outside: readings at the edges of the window, and at rest."""

    start: dict[str, float]
    end: dict[str, float]
    counts: tuple[ConnectionCounts, ConnectionCounts, ConnectionCounts]  # window start, window end, at rest
    by_alias: dict[str, ConnectionCounts]
    left_open: int
    pooler: PoolerCounts | None
    result: LoadResult | None
    series: Series
    settle_seconds: float
    disturbances: tuple[Disturbance, ...]


def run_trial(case: Case, step: Step, bench: Bench) -> Trial:
    """Measure one case once.

    Raises:
        EnvironmentFaultError: the server or the generator does not start.
        psycopg2.Error: the database is gone.
    """
    begun = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    load_average = os.getloadavg()[0]
    ledgers = bench.ledgers(step)
    shutil.rmtree(ledgers, ignore_errors=True)  # of an earlier attempt
    project = bench.project
    scene = ProbeContext(
        cursor=bench.cursor, database=bench.database.name, ledgers=ledgers, trees={}, aliases=project.counted
    )
    await_empty(scene)
    sessions = _sessions(scene)
    follower = _follower(step, int(sessions["sessions"]), bench)
    log = bench.logs / trial_log(step.order, case.server.name)
    with routed(case.strategy, case.round_trip_ms, bench.database, bench.register, log) as route:
        scene = replace(scene, trees=route.trees, pooler=route.bouncer)
        target = Target(
            server=case.server, strategy=case.strategy, database=route.database, ledgers=ledgers, project=project
        )
        with serving(target, bench.register, log) as application:
            booted = time.monotonic()
            between = {BETWEEN[part]: pid for part, pid in scene.trees.items() if part in BETWEEN}
            served = serving_now(application, between)
            drive = bench.generator.begin(order_for(case, step, bench.plan, application.url, bench.scratch))
            observed = _observe(scene, served, drive, bench, follower)
            info = bench.project.info
            if info is not None and observed.result and nothing_succeeded(observed.result):
                bench.explanations[step.order] = explanation(
                    application.url, observed.result, ssl_redirect=info.ssl_redirect, log=log
                )
            stopping = time.monotonic()
            # All is seen and at rest. A graceful end would take half a second of each trial, and so every trial proves
            # that the counts need none.
            application.program.kill()
        stopped = time.monotonic()
        pooler_after_stop = _await_no_client(scene)
    await_empty(scene)
    counted = sessions_between(sessions, _sessions(scene))
    connections = Connections(
        window_start=observed.counts[0],
        window_end=observed.counts[1],
        at_rest=observed.counts[2],
        after_stop=counts_of(scene),
        left_open=observed.left_open,
        sessions=counted,
        unjudged=RESET if counted is None else "",
        pooler=_pooler(observed.pooler, pooler_after_stop),
        by_alias=observed.by_alias,
    )
    bench.retire(ledgers)
    overhead = {
        "boot": booted - begun,
        "load_start": drive.started - booted,
        "settle": observed.settle_seconds,
        "stop": stopped - stopping,
        "books": time.monotonic() - stopped,
    }
    trial = record(
        case,
        step,
        bench.plan,
        observed.result,
        Seen(
            connections=connections,
            series=observed.series,
            cpu_seconds=_cpu(observed, bench.plan),
            quantities=summed_up(observed.start, observed.end, observed.series, bench.plan.window),
            disturbances=observed.disturbances,
        ),
        TrialMeta(started=started, overhead_seconds=overhead, load_average=load_average),
    )
    if follower is not None:
        follower.ended(trial)
    return trial


def _follower(step: Step, sessions: int, bench: Bench) -> Follower | None:
    if bench.follow is None:
        return None
    bench.cursor.execute("SELECT current_setting('max_connections')::int")
    (most,) = bench.cursor.fetchone() or (0,)
    return Follower(tell=bench.follow, order=step.order, sessions=sessions, max_connections=most)


def _observe(scene: ProbeContext, served: Serving, drive: Drive, bench: Bench, follower: Follower | None) -> _Observed:
    trees = {**scene.trees, "app": served.program.pid, "generator": drive.pid}
    if bench.database.postmaster is not None:
        trees["database"] = bench.database.postmaster
    scene = replace(scene, trees=trees)

    def follow(scene: ProbeContext, follower: Follower, highest: Mapping[str, float]) -> None:
        pooler = scene.pooler.counts() if scene.pooler else None
        follower.seen(look(scene, sampled_only=False), highest, counts_of(scene), pooler, drive.counts())

    window = bench.plan.window
    with (
        bench.database.observed() as connection,
        connection.cursor() as cursor,
        cut_off(connection, window.end + ANSWER_SECONDS),
        cut_off(scene.cursor.connection, window.end + ANSWER_SECONDS),
        Ticking() as ticking,
        Sampler(
            partial(look, own := replace(scene, cursor=cursor), sampled_only=True),
            drive.started,
            partial(follow, own, follower) if follower else None,
        ) as sampler,
    ):
        sleep_until(drive.started + window.start)
        start, opening = look(scene, sampled_only=False), counts_of(scene)
        sleep_until(drive.started + window.end)
        lost = served.disturbances()
        end, closing = look(scene, sampled_only=False), counts_of(scene)
        result = drive.wait()
        ended = time.monotonic()
        at_rest, left_open, pooler = _settle(scene)
        by_alias = counts_by_alias(scene)
    return _Observed(
        start=start,
        end=end,
        counts=(opening, closing, at_rest),
        by_alias=by_alias,
        left_open=left_open,
        pooler=pooler,
        result=result,
        series=sampler.series(),
        settle_seconds=time.monotonic() - ended,
        disturbances=(
            *(Disturbance(what, by_target=True) for what in lost),
            *unseen(ticking.longest(*window.after(drive.started)), sampler, window),
        ),
    )


def _settle(scene: ProbeContext) -> tuple[ConnectionCounts, int, PoolerCounts | None]:
    """All sides at rest: as soon as they agree and stay as they are, or as they stand when patience ends.

    The server still answers what its clients have asked before they went, and a closed backend needs a moment to leave.
    """

    def sides() -> tuple[ConnectionCounts, int, PoolerCounts | None]:
        backends = _backends(scene)
        return counts_of(scene), backends, scene.pooler.counts() if scene.pooler else None

    patience = Patience(seconds=SETTLE_SECONDS, poll_seconds=POLL_SECONDS)
    return settled(sides, lambda seen: _agree(*seen), patience)


def _agree(counts: ConnectionCounts, backends: int, pooler: PoolerCounts | None) -> bool:
    return not counts.unsettled and not reconcile(Side(open=counts.open), Side(open=backends), pooler)


def _await_no_client(scene: ProbeContext) -> PoolerCounts | None:
    """A pooler's counts once it has seen the last of the target's connections go; None without one.

    When a client goes, the next in the queue may be given a connection to PostgreSQL that is only being made, although
    it is about to go too: PostgreSQL will count it. Without clients no other is begun.
    """
    if scene.pooler is None:
        return None
    deadline = time.monotonic() + SETTLE_SECONDS
    while (scene.pooler.counts().clients_open or scene.pooler.connecting()) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
    return scene.pooler.counts()


def _pooler(at_rest: PoolerCounts | None, after_stop: PoolerCounts | None) -> Pooler | None:
    return Pooler(at_rest=at_rest, after_stop=after_stop) if at_rest and after_stop else None


def await_empty(scene: ProbeContext) -> None:
    """Wait until the target has no backend left, so that all of them have reported their sessions."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while _backends(scene) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 2)


def _backends(scene: ProbeContext) -> int:
    return int(Activity().read(scene)["backends"])


def _sessions(scene: ProbeContext) -> dict[str, float]:
    return Sessions().read(scene)


def _cpu(observed: _Observed, plan: Plan) -> CpuSeconds:
    def spent(part: str) -> float | None:
        key = f"cpu_{part}"
        return observed.end[key] - observed.start[key] if key in observed.start else None

    known = {part: spent(part) or 0.0 for part in ("app", "generator", "pooler", "proxy")}
    if plan.load.expect_workers and observed.result:  # on other hosts: by their own account
        known["generator"] = sum(observed.result.busy) * plan.window_seconds
    return CpuSeconds(database=spent("database"), **known)
