"""What a trial saw: observations only, no opinion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from loadlab.model.case import Case
from loadlab.model.causes import Cause
from loadlab.model.columns import Column
from loadlab.model.counts import ConnectionCounts, Identity, Mismatch, PoolerCounts, SideCounts, reconcile, unequal
from loadlab.model.extract import Extract
from loadlab.model.planned_fault import FaultSeen
from loadlab.model.requests import Requests
from loadlab.model.uses import Uses
from loadlab.model.window import Window

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

State = Literal["complete", "invalid", "failed"]
# What records of earlier versions call a quantity.
EARLIER_QUANTITIES: Final = {
    "pooler_clients_waiting": "clients_waiting",
    "pooler_longest_wait_seconds": "longest_wait_seconds",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A kind of failed request: how often, one example message, and its HTTP status; 0 where it has none."""

    kind: str
    count: int
    example: str
    status: int = 0


# The counts that a record keeps: those that the analysis needs.
RECORDED: Final = (
    "opened",
    "reused",
    "closed",
    "open",
    "connect_errors",
    "unsettled",
    "connect_seconds_sum",
    "waits",
    "wait_seconds_sum",
)


class _InShort:
    """Tells pydantic to write no other counts, and does not import it."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401
        from pydantic import SerializerFunctionWrapHandler, WrapSerializer  # noqa: PLC0415  readers need none

        def recorded(counts: ConnectionCounts, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
            return {name: value for name, value in whole(counts).items() if name in RECORDED}

        return handler.generate_schema(Annotated[source, WrapSerializer(recorded, return_type=dict[str, Any])])


RecordedCounts = Annotated[ConnectionCounts, _InShort()]


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolerRecord:
    """A pooler's counts when the target was at rest, and when every server process of the target was gone."""

    at_rest: PoolerCounts
    after_stop: PoolerCounts

    @property
    def final(self) -> PoolerCounts:
        """All that it has counted, and what was open at rest."""
        rest = self.at_rest
        return replace(self.after_stop, clients_open=rest.clients_open, servers_open=rest.servers_open)


@dataclass(frozen=True, kw_only=True, slots=True)
class Burst:
    """What was counted since before the load when all was at rest after a burst, which sent so many `requests`."""

    counts: RecordedCounts
    requests: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Connections:
    """The target's own counts, and those of its judges.

    `window_start` and `window_end` bracket the measured window; `at_rest` is taken after the load has ended and
    the last response has settled; `after_stop` when every server process is gone. `left_open` are the target's
    rows of pg_stat_activity at rest; `sessions` is the increase of pg_stat_database.sessions from before the
    server started until after it stopped. With a `pooler` in between, it judges the target's count, and PostgreSQL
    judges the pooler's.

    A target that is served elsewhere is not `stopped`: it goes on, and `after_stop` is `at_rest`. Its counts are since
    before the load, when `open_before` connections were open. `sessions` and `left_open` are None
    where PostgreSQL was not asked, and `sessions` where it was and cannot tell: `unjudged` says why.

    `by_alias` is `at_rest` again, for each alias of DATABASES that leads to the judged database and was used; empty
    in records of earlier versions. With quiet spells, `bursts` has the load of the window and each burst after it,
    and `at_rest` is after the last.

    After a fault the target may hold connections whose other end is gone until it uses them: at rest, `left_behind` of
    those that it counts as open. PostgreSQL may have sessions whose client is gone, or has given up, and did not say
    so: at rest it goes on to have `abandoned` of them. It has counted `unheard` sessions which were ready for a client
    that had given up: at most as many as attempts that failed for the target.
    """

    window_start: RecordedCounts
    window_end: RecordedCounts
    at_rest: RecordedCounts
    after_stop: RecordedCounts
    left_open: int | None
    sessions: int | None
    pooler: PoolerRecord | None = None
    open_before: int = 0
    stopped: bool = True
    by_alias: dict[str, RecordedCounts] = field(default_factory=dict)
    unjudged: str = ""
    bursts: tuple[Burst, ...] = ()
    left_behind: int = 0
    abandoned: int = 0
    unheard: int = 0

    @property
    def open_after_bursts(self) -> tuple[int, ...]:
        """By the ledger; empty without quiet spells."""
        return tuple(burst.counts.open for burst in self.bursts)

    @property
    def mismatches(self) -> tuple[Mismatch, ...]:
        """Each identity that does not hold; empty when the counts reconcile."""
        stop = self.after_stop
        # All processes have ended: an attempt that is not settled by now was cut off.
        ours = SideCounts(opened=stop.opened, open=self.at_rest.open - self.left_behind, cut_off=stop.unsettled)
        sessions = None if self.sessions is None else self.sessions - self.unheard
        backends = None if self.left_open is None else self.left_open - self.abandoned
        postgresql = SideCounts(opened=sessions, open=backends)
        pooler = self.pooler.final if self.pooler else None
        return (*reconcile(ours, postgresql, pooler), *self._imbalances())

    def _imbalances(self) -> tuple[Mismatch, ...]:
        """Where the target's count does not account for each connection that it opened."""
        rest, stop, before = self.at_rest, self.after_stop, self.open_before
        kind = Identity.BALANCE_AT_REST if self.stopped else Identity.BALANCE_SINCE
        at_rest = unequal(kind, before + rest.opened, rest.closed_in_all + rest.open)
        if not self.stopped:
            return at_rest
        return (
            *at_rest,
            *unequal(Identity.BALANCE_AFTER_STOP, stop.opened, stop.closed_in_all + stop.open),
            *unequal(Identity.NONE_AFTER_STOP, stop.open, 0),
        )

    @property
    def in_window(self) -> ConnectionCounts:
        """What was counted within the measured window, and what was open at its end."""
        return self.window_end - self.window_start

    @property
    def open_at_rest(self) -> int:
        """By PostgreSQL or, where it was not asked, by the ledger."""
        return self.at_rest.open if self.left_open is None else self.left_open

    @property
    def judged(self) -> bool:
        """Whether PostgreSQL was asked, and could tell."""
        return self.sessions is not None

    @property
    def exact(self) -> bool:
        return self.judged and not self.mismatches


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Samples taken at a fixed rate while the load ran: `at` in seconds since it started, and a column per quantity.

    The quantities are those of the sampled probes; every column is as long as `at`.
    """

    at: Column
    values: dict[str, Column]

    def of(self, quantity: str) -> Sequence[float]:
        """One quantity, also from a record that has it under an earlier name; empty where it was not read."""
        return self.values.get(quantity, self.values.get(EARLIER_QUANTITIES.get(quantity, ""), ()))

    @property
    def backends(self) -> Sequence[float]:
        """Rows of pg_stat_activity for the target's database."""
        return self.of("backends")

    @property
    def open(self) -> Sequence[float]:
        """Open connections by the target's own ledger."""
        return self.of("open")

    @property
    def highest(self) -> dict[str, float]:
        """Of each quantity that was sampled at all."""
        return {name: max(column) for name, column in self.values.items() if len(column)}


def most_at_once(highest: Mapping[str, float], *, behind_pooler: bool) -> int:
    """The most connections seen at once, by PostgreSQL or by the ledger; behind a pooler, by PostgreSQL alone.

    `highest` is what was sampled, the highest of each quantity.
    """
    judges = ("backends",) if behind_pooler else ("backends", "open")
    return int(max(highest.get(name, 0.0) for name in judges))


@dataclass(frozen=True, kw_only=True, slots=True)
class CpuSeconds:
    """CPU time inside the window, each over a whole process tree; None for what runs where we cannot look.

    `pooler` and `proxy` are those that a strategy or a distance puts between; 0 where there is none.
    """

    app: float | None
    database: float | None
    generator: float
    pooler: float = 0.0
    proxy: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """One execution of a case with fresh server processes.

    `window_start` and `window_end` are seconds since the load started. `overhead_seconds` says where the time
    outside warm-up and window went. `failures` cover the window. `started` is a wall-clock label only. `busy` is the
    share of a core that each load process used within the window. `served` is how many requests the target has counted
    from before the load until it was at rest, where others may send it requests too. `skew_seconds` is how far apart
    load processes on several hosts may have started, at most. `by_target` says of a trial that is not complete that the
    target itself may be the reason: without it, its case would look better than it is. `causes` are the codes of what
    `reason` says. `run` is the key of the run's schedule, and `session` the number of the session that measured it;
    empty and 0 in records of loadlab 0.1.0.
    `quantities` are those of probes that have no other place here, each summed up over the window. `uses` says how
    requests used their connections; None of a target that others serve, and in records of earlier versions.
    `fault_seen` says when the fault of its case came; None where it has none. `extract`
    is what the columns come to: a trial that was read for an analysis has it, no `requests`, and of `series` what that
    needs.
    """

    case: Case
    block: int
    order: int
    state: State
    reason: str
    started: str
    window_start: float
    window_end: float
    requests: Requests
    failures: tuple[Failure, ...]
    connections: Connections
    series: Series
    cpu_seconds: CpuSeconds
    overhead_seconds: dict[str, float]
    load_average: float
    busy: tuple[float, ...] = ()
    served: int | None = None
    skew_seconds: float = 0.0
    by_target: bool = False
    causes: tuple[Cause, ...] = ()
    run: str = ""
    session: int = 0
    quantities: dict[str, float] = field(default_factory=dict)
    uses: Uses | None = None
    fault_seen: FaultSeen | None = None
    extract: Extract | None = field(default=None, compare=False)

    @property
    def window(self) -> Window:
        return Window(self.window_start, self.window_end)

    @property
    def outpaced(self) -> bool:
        """Whether it is invalid because of the target, so its figures are not those of the load, but exist."""
        return self.state == "invalid" and self.by_target

    @property
    def unanswered(self) -> bool:
        """Whether no request was answered, and nothing but the target can be the reason."""
        return self.state == "failed" and Cause.UNANSWERED in self.causes

    @property
    def peak(self) -> int:
        """The most connections at once, while the load ran or at rest."""
        highest = self.extract.highest if self.extract else self.series.highest
        sampled = most_at_once(highest, behind_pooler=self.connections.pooler is not None)
        return max(sampled, self.connections.open_at_rest)

    def highest(self, quantity: str) -> float | None:
        """Of one quantity, also from a record that has it under an earlier name; None where it was not sampled."""
        highest = self.extract.highest if self.extract else self.series.highest
        return highest.get(quantity, highest.get(EARLIER_QUANTITIES.get(quantity, "")))


@dataclass(frozen=True, kw_only=True, slots=True)
class Recovery:
    """What a restart of the database did.

    With `warm` connections open when the database went, `failed` requests until there were no more failures, and
    `failed_later` after that; `warm_checked` and `failed_checked` are the same with CONN_HEALTH_CHECKS on.
    """

    warm: int
    failed: int
    failed_later: int
    warm_checked: int
    failed_checked: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Restart:
    """One restart of the database, under a server mode, a strategy and a kind of client; the load does not matter."""

    case: Case
    recovery: Recovery

    def concerns(self, case: Case) -> bool:
        ours, theirs = (one.without("scenario", "load", "round_trip_ms", "idle_percent") for one in (self.case, case))
        return ours == theirs


def measured_for_good(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that are not measured again: complete ones, and those that the target itself may have spoilt.

    To measure these until they succeed would leave out what the case is prone to. One in which no request was answered
    is among them where the same case has answered in another trial; where it never has, the set-up may be wrong.
    """
    answering = {trial.case for trial in trials if trial.state == "complete"}

    def is_final(trial: Trial) -> bool:
        hung = trial.unanswered and trial.case in answering
        return trial.state == "complete" or trial.outpaced or hung

    return [trial for trial in trials if is_final(trial)]
