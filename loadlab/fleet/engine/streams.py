"""The uses of every thread of a fleet, whichever rules its servers share out requests by."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from loadlab.fleet.engine.draws import arrivals
from loadlab.fleet.engine.lanes import Rows, deal_to_processes, deal_to_threads

if TYPE_CHECKING:
    from loadlab.model.fleet import Application, Conditions, Counts, Keeping, Numbers, Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class ThreadUses:
    """When threads served: each one's uses from `starts` to `ends`, in order, and one thread after the other.

    `first` is the place of each thread's first use, and at last the number of all uses. Threads are on `hosts`, and
    their processes are there until `gone`. `requests` came, of which `unserved` found no host, and `waits` are those of
    the others that had to wait for a thread.
    """

    starts: Numbers
    ends: Numbers
    first: Counts
    hosts: Counts
    gone: Numbers
    requests: int
    unserved: int
    waits: Numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class _Life:
    """The processes of one host from `start` on: they get no requests after `end`, and are there until `gone`."""

    host: int
    start: float
    end: float
    gone: float


def thread_uses(keeping: Keeping, application: Application, scene: Scene, random: np.random.Generator) -> ThreadUses:
    """One simulation of how requests are served: what they do with connections changes little of it."""
    spread, threads = keeping.spread_of(application), keeping.threads
    if spread is None or threads is None:
        raise ValueError("only for threads that serve again, and are chosen by rules that are known")
    lives = _lives(scene)
    came = arrivals(scene.rates, random)
    life = _takers(scene, lives, came, random)
    unserved = int(np.count_nonzero(life < 0))
    order = _sorted(life)[unserved:]
    requests, came, life = len(came), came[order], life[order]
    lasting = application.hold_seconds.draw(random, len(came))
    if keeping.max_age == 0:
        lasting += application.connect_seconds.draw(random, len(came))
    taken = deal_to_processes(
        came,
        lasting,
        np.bincount(life, minlength=len(lives)),
        processes=keeping.processes,
        threads=threads,
        dispatch=spread.processes,
        random=random,
    )
    row = life * keeping.processes + taken.process
    order = _sorted(row)  # requests start in the order in which they come
    order = order[taken.starts[order] <= scene.rates.seconds]
    waits = (taken.starts - came)[order]
    row, starts, ends = row[order], taken.starts[order], (taken.starts + lasting)[order]
    first = _changes(row, _generations(row, keeping.conditions_in(scene), random))
    lengths = np.diff(first)
    started = _most_so_far(taken.busy[order], lengths) if spread.lazy_threads else np.full(len(order), threads)
    rows = Rows(starts=starts, ends=ends, started=started, lengths=lengths)
    life = row[first[:-1]] // keeping.processes
    return _by_thread(
        rows,
        deal_to_threads(rows, threads, spread.threads, random),
        threads=threads,
        hosts=np.array([each.host for each in lives])[life],
        gone=_gone(rows, row[first[:-1]], np.array([each.gone for each in lives])[life]),
        requests=requests,
        unserved=unserved,
        waits=waits[waits > 0],
    )


def _by_thread(  # noqa: PLR0913  what is known of threads, in columns
    rows: Rows,
    thread: Counts,
    *,
    threads: int,
    hosts: Counts,
    gone: Numbers,
    requests: int,
    unserved: int,
    waits: Numbers,
) -> ThreadUses:
    thread = np.repeat(np.arange(len(hosts)), rows.lengths) * threads + thread
    order = _sorted(thread)
    counts = np.bincount(thread, minlength=len(hosts) * threads)
    return ThreadUses(
        starts=rows.starts[order],
        ends=rows.ends[order],
        first=np.concatenate(([0], np.cumsum(counts))),
        hosts=np.repeat(hosts, threads),
        gone=np.repeat(gone, threads),
        requests=requests,
        unserved=unserved,
        waits=waits,
    )


def _sorted(numbers: Counts) -> Counts:
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


def _takers(scene: Scene, lives: list[_Life], came: Numbers, random: np.random.Generator) -> Counts:
    """Which life takes each request; -1 where no host serves."""
    edges = np.unique([0.0, inf, *(time for life in lives for time in (life.start, life.end))])
    places = np.searchsorted(came, edges)
    taker = np.full(len(came), -1, dtype=np.int64)
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


def _changes(*columns: Counts) -> Counts:
    """Where a row begins, and at last how many there are in all."""
    other = np.zeros(max(0, len(columns[0]) - 1), dtype=bool)
    for column in columns:
        other |= column[1:] != column[:-1]
    inner = np.flatnonzero(other) + 1
    return np.concatenate(([0], inner, [len(columns[0])]))


def _most_so_far(values: Counts, lengths: Counts) -> Counts:
    """The largest value of each row until each place."""
    apart = int(values.max(initial=0)) + 1
    shift = np.repeat(np.arange(len(lengths)) * apart, lengths)
    found: Counts = np.maximum.accumulate(values + shift) - shift
    return found


def _gone(rows: Rows, row: Counts, gone: Numbers) -> Numbers:
    """Until when each process is there: until its host's are gone, or until it has ended its last request."""
    replaced = np.append(row[1:] == row[:-1], [False])
    ended = np.maximum.reduceat(rows.ends, np.cumsum(rows.lengths) - rows.lengths)
    until: Numbers = np.where(replaced, ended, np.maximum(gone, ended))
    return until
