"""Trials of a target that others serve: it is loaded and looked at, and goes on as it is."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.following import Follower
from loadlab.lab.hopeless import explanation, nothing_succeeded
from loadlab.lab.observer import Observer
from loadlab.lab.record import Seen, TrialMeta, load_request, record
from loadlab.lab.sampler import Sampler
from loadlab.lab.settling import Patience, settled, sleep_until
from loadlab.lab.ticking import Ticking
from loadlab.lab.validity import LEAST_UNSEEN_SECONDS, Disturbance, stood_still
from loadlab.model.counts import ConnectionCounts, Side, reconcile
from loadlab.model.growth import restarts, sessions_between
from loadlab.model.samples import Connections, CpuSeconds
from loadlab.probes import ProbeContext
from loadlab.probes.activity import Activity
from loadlab.probes.sessions import RESET, Sessions
from loadlab.scrape import require_address, scrape, token_of
from loadlab.services.external_database import external_database
from loadlab.system.processes import withhold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.lab.generator import Generator, RunningLoad
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Deployment, Plan
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Step
    from loadlab.services.database import Database
    from loadlab.services.external_database import Reference
    from loadlab.store.progress import Sampled

SETTLE_SECONDS: Final = 12.0  # at most; a backend may keep its account to itself for ten
POLL_SECONDS: Final = 0.1
RATE: Final = 2.0  # samples a second: each is a request to somebody's site
READ_ONLY: Final = "SET default_transaction_read_only = on"
ANEW: Final = (
    "the target's counters began anew: it was restarted, or several hosts answer at the address of its metrics;"
    " name one host's with --target-metrics"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What the target has counted, and what PostgreSQL shows where it was asked, at one instant.

    `answered` is how many requests the target has answered; None where it does not count them. `judged` is what the
    probes of sessions and activity read; empty where PostgreSQL was not asked.
    """

    counts: ConnectionCounts
    answered: int | None
    judged: Mapping[str, float]

    @property
    def backends(self) -> int | None:
        return int(self.judged["backends"]) if self.judged else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Observatory:
    """Where the target is looked at from: its metrics, and its database where the user has named it."""

    target: Deployment
    token: str | None = field(repr=False)
    observer: Observer | None
    folder: Path

    @property
    def database(self) -> Database | None:
        return self.observer.database if self.observer else None

    @property
    def cursor(self) -> Cursor | None:
        return self.observer.cursor if self.observer else None

    def alive(self) -> bool:
        """Whether the database answers, where it is asked."""
        return self.observer is None or self.observer.alive()

    def restore(self) -> None:
        """Connect to the database again, if it went away.

        Raises:
            IncompleteError: it stays away.
        """
        if self.observer is not None and not self.observer.alive():
            self.observer.restore()
            _only_read(self.observer)

    def look(self) -> Sample:
        """What is there now.

        Raises:
            EnvironmentFaultError: the metrics cannot be read.
            psycopg2.Error: the database is gone.
        """
        reading = scrape(self.target.metrics_url, self.token)
        return Sample(counts=reading.counts(self.target.alias), answered=reading.answered, judged=self._asked())

    def _asked(self) -> dict[str, float]:
        """PostgreSQL, after the metrics; nothing where the user has not named it."""
        if self.cursor is None or self.database is None:
            return {}
        scene = ProbeContext(cursor=self.cursor, database=self.database.name, ledgers=self.folder, trees={})
        return Sessions().read(scene) | Activity().read(scene)

    @contextmanager
    def another(self) -> Iterator[Observatory]:
        """One for another thread, with a connection of its own."""
        with ExitStack() as resources:
            yield replace(self, observer=_connected(self.database, resources))


def _connected(database: Database | None, resources: ExitStack) -> Observer | None:
    return None if database is None else _only_read(resources.enter_context(Observer(database)))


def _only_read(observer: Observer) -> Observer:
    observer.cursor.execute(READ_ONLY)
    return observer


@contextmanager
def observatory(plan: Plan, dsn: Reference | None, folder: Path) -> Iterator[Observatory]:
    """The target's metrics, looked at once, and its database; a password goes into a file in `folder`.

    Raises:
        UsageError: something is on another machine, without leave.
        EnvironmentFaultError: the metrics cannot be read, or the database does not let us in.
    """
    target, may = plan.target, dsn is not None and dsn.allow_remote
    if target is None:
        raise TypeError("the plan has no target that is served elsewhere")
    require_address("--target", target.url, allow_remote=may)
    require_address("--target-metrics", target.metrics_url, allow_remote=may)
    withhold(target.token)
    token = token_of(target.token)
    with ExitStack() as resources:
        named = dsn is not None and dsn.text is not None
        database = resources.enter_context(external_database(dsn, folder)) if dsn is not None and named else None
        observer = _connected(database, resources)
        here = Observatory(target=target, token=token, observer=observer, folder=folder)
        here.look()
        yield here


@dataclass(frozen=True, kw_only=True, slots=True)
class Post:
    """What all trials of a target that is served elsewhere share. `follow` hears twice a second how a trial goes.

    `explanations` say of a trial, by its order, why none of its requests succeeded.
    """

    plan: Plan
    observatory: Observatory
    generator: Generator
    scratch: Path
    follow: Callable[[Sampled], None] | None = None
    explanations: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Watched:
    """A load as it was seen from outside: at the edges of the window, and at rest."""

    edges: tuple[Sample, Sample]
    at_rest: Sample
    result: LoadResult | None
    sampler: Sampler
    settle_seconds: float


def run_trial_elsewhere(case: Case, step: Step, post: Post) -> Trial:
    """Measure the target as it is, once.

    Raises:
        EnvironmentFaultError: the target is not there, or the generator does not start.
        psycopg2.Error: the database is gone.
    """
    begun = time.monotonic()
    started = datetime.now(UTC).isoformat(timespec="seconds")
    load_average = os.getloadavg()[0]
    before = post.observatory.look()
    follower = _follower(step, before, post)
    drive = post.generator.begin(load_request(case, step, post.plan, post.observatory.target.url, post.scratch))
    with post.observatory.another() as other:
        watched, faults = _watch(drive, other, before, post, follower)
    if watched.result and nothing_succeeded(watched.result):
        post.explanations[step.order] = explanation(post.observatory.target.url, watched.result)
    trial = record(
        case,
        step,
        post.plan,
        watched.result,
        _seen(before, watched, faults, post.plan),
        TrialMeta(
            started=started,
            overhead_seconds={"load_start": drive.started - begun, "settle": watched.settle_seconds},
            load_average=load_average,
        ),
    )
    if follower is not None:
        follower.ended(trial)
    return trial


def _follower(step: Step, before: Sample, post: Post) -> Follower | None:
    if post.follow is None:
        return None
    return Follower(tell=post.follow, order=step.order, sessions=_sessions(before), max_connections=None)


def _sessions(sample: Sample) -> int | None:
    return int(sample.judged["sessions"]) if sample.judged else None


def _watch(
    drive: RunningLoad, other: Observatory, before: Sample, post: Post, follower: Follower | None
) -> tuple[_Watched, list[str]]:
    """The load from its start until all is at rest; and what kept it from being seen, if anything did."""
    window = post.plan.window
    latest, sampled, faults = before, before, list[str]()

    def looked(when: str) -> Sample:
        nonlocal latest
        try:
            latest = post.observatory.look()
        except EnvironmentFaultError as error:
            faults.append(f"the metrics could not be read {when}: {error}")
        return latest

    def sample() -> dict[str, float]:
        nonlocal sampled
        sampled = other.look()
        return _levels(before, sampled)

    def follow(highest: Mapping[str, float]) -> None:
        if follower is not None:
            follower.seen(sampled.judged, highest, sampled.counts - before.counts, None, drive.counts())

    with Ticking() as ticking, Sampler(sample, drive.started, follow, RATE) as sampler:
        sleep_until(drive.started + window.start)
        opening = looked("at the start of the window")
        sleep_until(drive.started + window.end)
        closing = looked("at the end of the window")
        result = drive.wait()
        ended = time.monotonic()
        at_rest = settled(
            partial(looked, "after the load"),
            partial(_agree, before),
            Patience(seconds=SETTLE_SECONDS, poll_seconds=POLL_SECONDS),
        )
    edges = (opening, closing)
    watched = _Watched(
        edges=edges,
        at_rest=at_rest,
        result=result,
        sampler=sampler,
        settle_seconds=time.monotonic() - ended,
    )
    faults += [ANEW] if restarts([one.counts for one in (before, *edges, at_rest)]) else []
    pause = ticking.longest(*window.after(drive.started))
    faults += filter(None, [stood_still("loadlab itself", [pause], window, LEAST_UNSEEN_SECONDS)])
    return watched, faults


def _agree(before: Sample, now: Sample) -> bool:
    grown = now.counts - before.counts
    judge = Side(opened=sessions_between(before.judged, now.judged), open=now.backends)
    return not reconcile(Side(opened=grown.opened, open=grown.open), judge)


def _seen(before: Sample, watched: _Watched, faults: Sequence[str], plan: Plan) -> Seen:
    rest, (start, end) = watched.at_rest, watched.edges
    at_rest = rest.counts - before.counts
    sessions = sessions_between(before.judged, rest.judged)
    connections = Connections(
        window_start=start.counts - before.counts,
        window_end=end.counts - before.counts,
        at_rest=at_rest,
        after_stop=at_rest,
        left_open=rest.backends,
        sessions=sessions,
        unjudged=RESET if rest.judged and sessions is None else "",
        open_before=before.counts.open,
        stopped=False,
    )
    busy = sum(watched.result.busy) if watched.result else 0.0
    return Seen(
        connections=connections,
        series=watched.sampler.series(),
        cpu_seconds=CpuSeconds(app=None, database=None, generator=busy * plan.window_seconds),
        served=_served(before, rest),
        disturbances=tuple(Disturbance(fault) for fault in dict.fromkeys(faults)),
    )


def _served(before: Sample, rest: Sample) -> int:
    """How many requests the target has had; where it counts none, those that used the database are the least."""
    if before.answered is not None and rest.answered is not None:
        return rest.answered - before.answered
    return rest.counts.requests - before.counts.requests


def _levels(before: Sample, now: Sample) -> dict[str, float]:
    grown = now.counts - before.counts
    levels = {"open": float(grown.open), "opened": float(grown.opened), "reused": float(grown.reused)}
    return levels if now.backends is None else {**levels, "backends": float(now.backends)}
