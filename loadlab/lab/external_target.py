"""A target that others serve: it is loaded and looked at, and goes on as it is."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.hopeless import explanation
from loadlab.lab.observer import Observer
from loadlab.lab.settling import Patience
from loadlab.lab.target import Sample
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause
from loadlab.model.counts import ConnectionCounts, SideCounts, reconcile
from loadlab.model.growth import restarts, sessions_between
from loadlab.model.holders import by_holder
from loadlab.probes import ProbeContext
from loadlab.probes.activity import Activity
from loadlab.probes.sessions import Sessions
from loadlab.scrape import scrape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from psycopg2.extensions import cursor as Cursor  # noqa: N812

    from loadlab.lab.sampler import Sampler
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.case import Case
    from loadlab.model.plan import Deployment
    from loadlab.model.schedule import Step
    from loadlab.model.window import Window
    from loadlab.services.database import Database

SETTLE_SECONDS: Final = 12.0  # at most; a backend may keep its account to itself for ten
POLL_SECONDS: Final = 0.1
RATE: Final = 2.0  # samples a second: each is a request to a site of others
READ_ONLY: Final = "SET default_transaction_read_only = on"
ANEW: Final = (
    "the target's counters were reset: it was restarted, or several hosts answer at the address of its metrics;"
    " name one host's with --target-metrics"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExternalTarget:
    """Where the target is, and where it is looked at from: its metrics, and its database where the user named it."""

    deployment: Deployment
    token: str | None = field(default=None, repr=False)
    observer: Observer | None = None
    scratch: Path

    @property
    def database(self) -> Database | None:
        return self.observer.database if self.observer else None

    @property
    def cursor(self) -> Cursor | None:
        return self.observer.cursor if self.observer else None

    def ledgers(self, _step: Step) -> Path:
        """A folder that stays empty: the target's own are where it is."""
        return self.scratch / "ledgers-external"

    def alive(self) -> bool:
        return self.observer is None or self.observer.alive()

    def restore(self) -> None:
        if self.observer is not None and not self.observer.alive():
            self.observer.restore()
            only_read(self.observer)

    def prepare(self, _case: Case, _step: Step) -> None:
        """The target answers already."""

    @contextmanager
    def serve(self, _case: Case, _step: Step) -> Iterator[RunningExternal]:
        """Nothing is started: the target answers already."""
        yield RunningExternal(self)

    def look(self) -> Sample:
        """What is there now.

        Raises:
            EnvironmentFaultError: the metrics cannot be read.
            psycopg2.Error: the database is gone.
        """
        reading = scrape(self.deployment.metrics_url, self.token)
        counts = reading.counts(self.deployment.alias)
        return Sample(counts=counts, values=self._asked(), answered=reading.answered)

    def _asked(self) -> dict[str, float]:
        """PostgreSQL, after the metrics; nothing where the user has not named it."""
        if self.cursor is None or self.database is None:
            return {}
        context = ProbeContext(cursor=self.cursor, database=self.database.name, ledgers=self.scratch, trees={})
        return Sessions().read(context) | Activity().read(context)

    @contextmanager
    def another(self) -> Iterator[ExternalTarget]:
        """One for another thread, over its own connection."""
        with ExitStack() as resources:
            yield replace(self, observer=connected(self.database, resources))


def connected(database: Database | None, resources: ExitStack) -> Observer | None:
    """The lab's connection to the database, which may only read; None without a database."""
    return None if database is None else only_read(resources.enter_context(Observer(database)))


def only_read(observer: Observer) -> Observer:
    observer.cursor.execute(READ_ONLY)
    return observer


class RunningExternal:
    """An external target during one trial; metrics that cannot be read are remembered, and make the trial invalid."""

    rate = RATE
    patience = Patience(seconds=SETTLE_SECONDS, poll_seconds=POLL_SECONDS)
    stops = False
    max_connections = None
    fault_context = None

    def __init__(self, target: ExternalTarget) -> None:
        self.url = target.deployment.url
        self.before = self._latest = target.look()
        self._target = target
        self._faults: dict[str, None] = {}  # in order, each once
        self._anew = False

    @contextmanager
    def observing(self, _generator: int, _seconds: float) -> Iterator[_ExternalSampling]:
        with self._target.another() as another:
            yield _ExternalSampling(another, self.before)

    def reconnect(self) -> None:
        """The lab does nothing to a target that others serve."""

    def sample(self, when: str, /) -> Sample:
        try:
            now = self._target.look()
        except EnvironmentFaultError as error:
            self._faults[f"the metrics could not be read {when}: {error}"] = None
        else:
            self._anew |= bool(restarts([self._latest.counts, now.counts]))
            self._latest = now
        return self._latest

    def sides(self) -> Sample:
        return self.sample("after the load")

    def agrees(self, now: Sample) -> bool:
        """Whether PostgreSQL has counted what the target has, as far as it was asked and can tell."""
        grown = now.counts - self.before.counts
        judge = SideCounts(opened=sessions_between(self.before.values, now.values), open=now.backends)
        return not reconcile(SideCounts(opened=grown.opened, open=grown.open), judge)

    def by_alias(self) -> dict[str, ConnectionCounts]:
        return {}

    def lost(self) -> tuple[Disturbance, ...]:
        return ()

    def unseen(self, _sampler: Sampler, _window: Window) -> list[Disturbance]:
        unread = [Disturbance(Cause.NOT_OBSERVED, fault) for fault in self._faults]
        return [*unread, *([Disturbance(Cause.COUNTED_ANEW, ANEW)] if self._anew else [])]

    def explanation(self, result: LoadResult) -> str:
        return explanation(self.url, result)

    def stop(self, at_rest: Sample) -> Sample:
        return at_rest

    def uses(self, _since: float) -> None:
        """Not known: a target that others serve writes none down."""


class _ExternalSampling:
    """One request to the site serves both the series and the reader who follows."""

    def __init__(self, target: ExternalTarget, before: Sample) -> None:
        self._target = target
        self._before = self._latest = before

    def levels(self) -> dict[str, float]:
        now = self._latest = self._target.look()
        counts = now.counts - self._before.counts
        levels = {"open": counts.open, "opened": counts.opened, "reused": counts.reused, **by_holder(counts.holders)}
        backends = {} if now.backends is None else {"backends": now.backends}
        return {name: float(value) for name, value in (levels | backends).items()}

    def latest(self) -> Sample:
        return self._latest
