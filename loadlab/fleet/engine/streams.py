"""When every process and thread of a fleet serves, by the rules with which its server shares out requests."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from loadlab.fleet.engine.draws import arrivals
from loadlab.fleet.engine.lanes import Rows, deal_to_processes, deal_to_threads

if TYPE_CHECKING:
    from loadlab.fleet.engine.counting import RequestOutcomes
    from loadlab.fleet.engine.lanes import Wholes
    from loadlab.model.fleet import Application, Conditions, Counts, Keeping, Numbers, Scene, Spread


@dataclass(frozen=True, kw_only=True, slots=True)
class Streams:
    """When members, processes or threads, served: each one's uses in order, and one member after the other.

    `first` is the place of each member's first use, and at last the number of all uses. Members are on `hosts`, and
    their processes are there until `gone`. `busy` threads served in the process, with the one of this use.
    """

    starts: Numbers
    ends: Numbers
    busy: Wholes
    first: Counts
    hosts: Counts
    gone: Numbers

    @property
    def member(self) -> Counts:
        """Whose each use is."""
        return np.repeat(np.arange(len(self.hosts)), np.diff(self.first))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Life:
    """The processes of one host from `start` on: they get no requests after `end`, and are there until `gone`."""

    host: int
    start: float
    end: float
    gone: float


def serve(  # noqa: PLR0913, PLR0917  the arguments of every engine, and where it counts
    keeping: Keeping,
    spread: Spread,
    application: Application,
    scene: Scene,
    counts: RequestOutcomes,
    random: np.random.Generator,
) -> Streams:
    """One simulation of which process serves what, and when; what requests do with connections changes little of it."""
    lives = _lives(scene)
    came, life = _shared_out(scene, lives, counts, random)
    lasting = _busy_seconds(keeping, spread, application, len(came), random)
    taken = deal_to_processes(
        came,
        lasting,
        np.bincount(life, minlength=len(lives)),
        processes=keeping.processes,
        threads=keeping.threads or _at_once(scene, float(lasting.mean()) if len(lasting) else 0.0),
        dispatch=spread.processes,
        random=random,
    )
    begun = _in_turn(taken.starts, life)
    row = life * keeping.processes + taken.process
    order = _sorted(row)
    order = order[begun[order] <= scene.rates.seconds]
    _count_waits(counts, (begun - came)[order])
    row, starts, ends = row[order], begun[order], (begun + lasting)[order]
    first = _changes(row, _generations(row, keeping.conditions_in(scene), random))
    life = row[first[:-1]] // keeping.processes
    return Streams(
        starts=starts,
        ends=ends,
        busy=taken.busy[order],
        first=first,
        hosts=np.array([each.host for each in lives])[life],
        gone=_gone(ends, first, row[first[:-1]], np.array([each.gone for each in lives])[life]),
    )


def by_thread(processes: Streams, threads: int, spread: Spread, random: np.random.Generator) -> Streams:
    """Which threads of the processes serve the same requests."""
    lengths = np.diff(processes.first)
    started = (
        _most_so_far(processes.busy, lengths)
        if spread.lazy_threads
        else np.full(len(processes.busy), threads, dtype=np.int16)
    )
    rows = Rows(starts=processes.starts, ends=processes.ends, started=started, lengths=lengths)
    thread = processes.member * threads + deal_to_threads(rows, threads, spread.threads, random)
    order = _sorted(thread)
    counts = np.bincount(thread, minlength=len(lengths) * threads)
    return Streams(
        starts=processes.starts[order],
        ends=processes.ends[order],
        busy=processes.busy[order],
        first=np.concatenate(([0], np.cumsum(counts))),
        hosts=np.repeat(processes.hosts, threads),
        gone=np.repeat(processes.gone, threads),
    )


def _shared_out(
    scene: Scene, lives: list[_Life], counts: RequestOutcomes, random: np.random.Generator
) -> tuple[Numbers, Wholes]:
    """When each request that is served came, and the life that takes it: life after life, and in turn."""
    came = arrivals(scene.rates, random)
    life = _takers(scene, lives, came, random)
    unserved = int(np.count_nonzero(life < 0))
    counts.arrived += len(came)
    counts.failed += unserved
    order = _sorted(life)[unserved:]
    return came[order], life[order]


def _busy_seconds(
    keeping: Keeping, spread: Spread, application: Application, requests: int, random: np.random.Generator
) -> Numbers:
    """How long each request keeps its thread busy."""
    lasting = application.hold_seconds.draw(random, requests)
    if keeping.max_age == 0 or keeping.keeper == "request":
        lasting += application.connect_seconds.draw(random, requests)
    else:  # a connection that is kept is there before and after: only how long threads are busy matters
        lasting += spread.ahead_seconds
    return lasting


def _count_waits(counts: RequestOutcomes, waits: Numbers) -> None:
    counts.waited += int(np.count_nonzero(waits))
    counts.waiting_seconds += float(waits.sum())


def _in_turn(starts: Numbers, life: Wholes) -> Numbers:
    """Requests of a host start in the order in which they come, also behind a queue that is longer than an overlap."""
    changes = _changes(life).tolist()
    hosts = [np.maximum.accumulate(starts[first:last]) for first, last in pairwise(changes)]
    return np.concatenate((np.empty(0), *hosts))


def _at_once(scene: Scene, lasting: float) -> int:
    """More requests than a host has under way at once, where nothing bounds them."""
    under_way = float(scene.rates.per_second.max()) / scene.hosts * lasting
    return int(under_way + 8 * under_way**0.5) + 8


def _sorted(numbers: Wholes) -> Counts:
    """The order of numbers; those that are equal keep theirs. Small numbers are sorted many times as fast."""
    small = numbers.astype(np.int16) if numbers.max(initial=0) <= np.iinfo(np.int16).max else numbers
    return np.argsort(small, kind="stable")


def _lives(scene: Scene) -> list[_Life]:
    """Host after host, and one after the other."""
    found: list[_Life] = []
    for host in range(scene.hosts):
        start = 0.0
        for end in sorted(scene.ends, key=lambda each: each.at):
            if end.first <= host < end.last and end.at >= start:
                found.append(_Life(host=host, start=start, end=end.at, gone=end.gone))
                start = end.serving_again
        found.append(_Life(host=host, start=start, end=inf, gone=inf))
    return found


def _takers(scene: Scene, lives: list[_Life], came: Numbers, random: np.random.Generator) -> Wholes:
    """Which life takes each request; -1 where no host serves."""
    edges = np.unique([0.0, inf, *(time for life in lives for time in (life.start, life.end))])
    places = np.searchsorted(came, edges)
    taker = np.full(len(came), -1, dtype=np.int32)
    for start, first, last in zip(edges.tolist(), places.tolist(), places[1:].tolist(), strict=False):
        serving = [place for place, life in enumerate(lives) if life.start <= start < life.end]
        if serving:
            count = last - first
            turn = np.arange(first, last) if scene.balance == "round_robin" else (random.random(count) * len(serving))
            taker[first:last] = np.array(serving)[turn.astype(np.int64) % len(serving)]
    return taker


def _generations(row: Counts, conditions: Conditions, random: np.random.Generator) -> Counts:
    """How many processes were before the one that takes each request, in the same place."""
    if conditions.max_requests is None:
        return np.zeros(len(row), dtype=np.int64)
    changes = _changes(row)
    generation = np.zeros(len(row), dtype=np.int64)
    for first, last in zip(changes.tolist(), changes[1:].tolist(), strict=False):
        most = (last - first) // conditions.max_requests + 1
        limits = conditions.max_requests + random.integers(0, conditions.max_requests_jitter + 1, most)
        generation[first:last] = np.searchsorted(np.cumsum(limits), np.arange(last - first), side="right")
    return generation


def _changes(*columns: Wholes) -> Counts:
    """Where a row begins, and at last how many there are in all."""
    if not len(columns[0]):
        return np.zeros(1, dtype=np.int64)
    other = np.zeros(len(columns[0]) - 1, dtype=bool)
    for column in columns:
        other |= column[1:] != column[:-1]
    inner = np.flatnonzero(other) + 1
    return np.concatenate(([0], inner, [len(columns[0])]))


def _most_so_far(values: Wholes, lengths: Counts) -> Wholes:
    """The largest value of each row until each place."""
    apart = int(values.max(initial=0)) + 1
    shift = np.repeat(np.arange(len(lengths)) * apart, lengths)
    found: Wholes = (np.maximum.accumulate(values + shift) - shift).astype(values.dtype)
    return found


def _gone(ends: Numbers, first: Counts, row: Counts, gone: Numbers) -> Numbers:
    """Until when each process is there: until its host's are gone, or until it has ended its last request."""
    replaced = np.append(row[1:] == row[:-1], [False])
    ended = np.maximum.reduceat(ends, first[:-1]) if len(ends) else np.zeros(0)
    until: Numbers = np.where(replaced, ended, np.maximum(gone, ended))
    return until
