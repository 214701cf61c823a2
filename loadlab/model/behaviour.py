"""What connections do under one server mode and strategy: counted, with no clock in it, and compared with a record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeVar

from loadlab.model.config import Config, spell
from loadlab.model.worker_behaviour import WORKER_COUNTS, WorkerBehaviour, WorkerRow

SCHEMA: Final = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The fixed numbers of every experiment.

    `clients` send `each` requests one after the other, all at once; `free` connections are left for the second load,
    of as many requests; `rounds` is how often all clients ask once before a restart of the database, and how many
    rounds in a row without a failure end what is counted after it: twice as many, while a connection from before is
    still open. In each of `bursts` between quiet spells, all clients ask `in_burst` times. `max_connections` is
    PostgreSQL's.
    """

    clients: int = 8
    each: int = 10
    free: int = 40
    rounds: int = 3
    bursts: int = 4
    in_burst: int = 2
    max_connections: int = 100

    @property
    def requests(self) -> int:
        return self.clients * self.each

    @property
    def tasks(self) -> int:
        """Of a worker: half as many as requests, because each task may take a process and a session."""
        return self.requests // 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What a row is about: how Python serves, how connections live, the driver, and whether clients keep theirs."""

    server: Config
    strategy: Config
    driver: str
    keep_alive: bool

    @property
    def id(self) -> str:
        return f"{self.server}/{self.strategy}/keep_alive={spell(self.keep_alive)}/{self.driver}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """One experiment: a fixed load, then the server and the database are provoked.

    Of the load: `opened`, with what was open when it began, and `reused` (requests that were not the first of their
    connection), `failed` requests, the `peak` that PostgreSQL had at one instant, `left_open` when all is answered, and
    `left_after_collection` when each process has collected its garbage. With a pooler in between, these are the
    target's connections to it, but for the peak, which is always PostgreSQL's. `exact` says that the judge has counted
    as many opened, and open in the end: PostgreSQL, or the pooler.

    Of a second load without garbage collection, with few connections left in PostgreSQL: `flood_failed` requests, with
    `flood_errors` by the kind of the failed attempts to connect, and `flood_words` of one of them.

    Of a restart of the database while `warm` connections were open: `failed_after_restart` requests of all those that
    came until enough rounds in a row had no failure, `failed_later` of the round after them; `failed_checked` is the
    first with CONN_HEALTH_CHECKS on, when `warm_checked` were open.

    Of quiet spells without garbage collection, before each of which all clients hang up: connections `open_after_burst`
    number one, and `open_after_bursts` when the last one has ended.

    Of the end, after one more round of all clients: `stop_abandoned` sessions of the `open_at_stop` ended without a
    word to PostgreSQL when the server was asked to stop, `kill_abandoned` of the `open_at_kill` when it was killed.
    """

    setting: Setting
    opened: int
    reused: int
    failed: int
    peak: int
    left_open: int
    left_after_collection: int
    exact: bool
    flood_failed: int
    flood_errors: dict[str, int]
    flood_words: str
    warm: int
    failed_after_restart: int
    failed_later: int
    warm_checked: int
    failed_checked: int
    open_at_stop: int
    stop_abandoned: int
    open_at_kill: int
    kill_abandoned: int
    open_after_burst: int
    open_after_bursts: int


COUNTS: Final = (
    "opened",
    "reused",
    "failed",
    "peak",
    "left_open",
    "left_after_collection",
    "flood_failed",
    "warm",
    "failed_after_restart",
    "failed_later",
    "warm_checked",
    "failed_checked",
    "open_at_stop",
    "stop_abandoned",
    "open_at_kill",
    "kill_abandoned",
    "open_after_burst",
    "open_after_bursts",
)

Span = tuple[int, int]  # lowest and highest


@dataclass(frozen=True, kw_only=True, slots=True)
class BehaviourRow:
    """What one setting did, over all repeats: the span of each of COUNTS; the errors of the flood, and their words.

    A recording of an earlier version has no spans of what it did not count.
    """

    setting: Setting
    repeats: int
    spans: dict[str, Span]
    exact: bool
    flood_errors: tuple[str, ...] = ()
    flood_words: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BehaviourFigure:
    """One published figure, and the same one measured here; `holds` says that the claim is still true."""

    figure: str
    published: str
    measured: str
    holds: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ClaimReport:
    """What became of one claim: where it was published, and its figures."""

    name: str
    summary: str
    source: str
    figures: tuple[BehaviourFigure, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """All rows of one or more passes, with the versions that they were counted under; not `complete` when stopped.

    `rows` are of server modes, `workers` of background workers.
    """

    schema: Literal[1] = SCHEMA
    versions: dict[str, str]
    scale: Scale = field(default_factory=Scale)
    complete: bool = True
    rows: tuple[BehaviourRow, ...]
    workers: tuple[WorkerRow, ...] = ()
    claims: tuple[ClaimReport, ...] = ()


Counted = TypeVar("Counted", Behaviour, WorkerBehaviour)
Row = BehaviourRow | WorkerRow


def rows_of(behaviours: Sequence[Behaviour]) -> tuple[BehaviourRow, ...]:
    """One row for each setting, in the order of their first appearance, with the spans over all repeats."""
    return tuple(map(_row, _by_setting(behaviours)))


def worker_rows_of(behaviours: Sequence[WorkerBehaviour]) -> tuple[WorkerRow, ...]:
    """The same of workers."""
    return tuple(map(_worker_row, _by_setting(behaviours)))


def _by_setting(behaviours: Sequence[Counted]) -> list[list[Counted]]:
    settings: dict[str, list[Counted]] = {}
    for behaviour in behaviours:
        settings.setdefault(behaviour.setting.id, []).append(behaviour)
    return list(settings.values())


def _spans(repeats: Sequence[Counted], names: Sequence[str]) -> dict[str, Span]:
    seen = {name: [int(getattr(behaviour, name)) for behaviour in repeats] for name in names}
    return {name: (min(values), max(values)) for name, values in seen.items()}


def _worker_row(repeats: Sequence[WorkerBehaviour]) -> WorkerRow:
    return WorkerRow(
        setting=repeats[0].setting,
        repeats=len(repeats),
        spans=_spans(repeats, WORKER_COUNTS),
        exact=all(behaviour.exact for behaviour in repeats),
    )


def _row(repeats: Sequence[Behaviour]) -> BehaviourRow:
    return BehaviourRow(
        setting=repeats[0].setting,
        repeats=len(repeats),
        spans=_spans(repeats, COUNTS),
        exact=all(behaviour.exact for behaviour in repeats),
        flood_errors=tuple(sorted({kind for behaviour in repeats for kind in behaviour.flood_errors})),
        flood_words=next((behaviour.flood_words for behaviour in repeats if behaviour.flood_words), ""),
    )


def merged(recorded: Recording, counted: Recording, order: Sequence[str]) -> Recording:
    """The recording with new counts; of its other rows, those that `order` still names."""
    rows = {row.setting.id: row for row in (*recorded.rows, *counted.rows)}
    workers = {row.setting.id: row for row in (*recorded.workers, *counted.workers)}
    claims = {claim.name: claim for claim in (*recorded.claims, *counted.claims)}
    return replace(
        recorded,
        versions={**recorded.versions, **counted.versions},
        rows=tuple(rows[name] for name in order if name in rows),
        workers=tuple(workers[name] for name in order if name in workers),
        claims=tuple(claims[name] for name in sorted(claims)),
    )
