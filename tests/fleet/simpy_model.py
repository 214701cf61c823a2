"""The fleet model once more, written plainly in SimPy: a process for each request, and a clock for each that waits.

It shares no code with the engines, so that a mistake would have to be made twice. It is slow, and knows no events but
the end of a host's processes; the engines are compared with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil, floor, inf
from random import Random
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import simpy

from loadlab.model.fleet import Simulated

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.fleet import Application, Dispatch, Keeping, Numbers, ProcessesEnd, Scene

    Events = Iterator[simpy.Event]

JUST_AFTER: Final = 1e-9  # what happens at an instant is part of its sample


def simulate(keeping: Keeping, application: Application, scene: Scene, at: Numbers, seed: int) -> Simulated:
    """The same as the engines' `simulate`."""
    fleet = Fleet(keeping, application, scene, Random(seed))
    return fleet.run(at)


@dataclass(eq=False)
class Connection:
    opened: float
    worker: Worker
    first_request: int = 0
    open: bool = True
    close_at: float = inf
    used: bool = False
    busy: bool = True
    returned: float = 0.0


@dataclass(eq=False)
class Thread:
    number: int
    worker: Worker
    last_busy: float = -1.0
    busy: bool = False
    connection: Connection | None = None


@dataclass(eq=False)
class Worker:
    number: int
    host: Host
    threads: list[Thread] = field(default_factory=list)
    last_busy: float = -1.0
    requests: int = 0
    garbage: list[tuple[int, Connection]] = field(default_factory=list)
    phase: float = 0.0
    second_phase: int = 0
    connections: list[Connection] = field(default_factory=list)
    pool: Pool | None = None
    old: bool = False


@dataclass(eq=False)
class Host:
    number: int
    workers: list[Worker] = field(default_factory=list)
    waiting: list[simpy.Event] = field(default_factory=list)
    servers: Servers | None = None


class Fleet:
    def __init__(self, keeping: Keeping, application: Application, scene: Scene, random: Random) -> None:
        self.env = simpy.Environment()
        self.keeping, self.application, self.scene, self.random = keeping, application, scene, random
        spread = keeping.spread_of(application)
        assert spread is not None
        self.spread = spread
        lags = spread.collected_after or (0,)
        self.period = 2 * median(lags) + 1
        for late in (1.5, 1.25):
            soon = [lag for lag in lags if lag <= late * self.period]
            self.period = 2 * sum(soon) / len(soon) + 1
        self.counts: dict[str, int] = dict.fromkeys(
            ("requests", "reused", "refused", "failed", "waited", "opened", "closed", "clients"), 0
        )
        self.waiting_seconds = 0.0
        self.ages: list[float] = []
        self.samples: list[tuple[int, int]] = []
        self.turn = 0
        self.hosts: dict[int, Host] = {number: self.host(number) for number in range(scene.hosts)}
        if keeping.pooler is not None:
            for host in self.hosts.values():
                host.servers = Servers(self, host)

    def run(self, at: Numbers) -> Simulated:
        self.env.process(self.traffic())
        self.env.process(self.sample(at))
        for end in self.scene.ends:
            self.env.process(self.ends(end))
        self.env.run(until=self.scene.rates.seconds + 2 * JUST_AFTER)
        opened, closed = np.array(self.samples, dtype=np.int64).T
        counts = self.counts
        return Simulated(
            at=at,
            open=opened - closed,
            opened=opened,
            closed=closed,
            requests=counts["requests"],
            reused=counts["reused"],
            refused=counts["refused"],
            failed=counts["failed"],
            waited=counts["waited"],
            waiting_seconds=self.waiting_seconds,
            client_opened=counts["clients"] if self.keeping.pooler else counts["opened"],
            ages=np.array(self.ages),
        )

    def host(self, number: int) -> Host:
        host = Host(number)
        for each in range(self.keeping.processes):
            worker = Worker(each, host)
            worker.phase = self.random.uniform(1, self.period + 1)
            worker.second_phase = self.random.randrange(12)
            if not self.spread.lazy_threads and self.keeping.keeper != "request":
                worker.threads = [Thread(one, worker) for one in range(self.keeping.threads or 0)]
            host.workers.append(worker)
        return host

    def sample(self, at: Numbers) -> Events:
        for instant in at.tolist():
            yield self.env.timeout(instant + JUST_AFTER - self.env.now)
            self.samples.append((self.counts["opened"], self.counts["closed"]))

    def traffic(self) -> Events:
        rates = self.scene.rates
        for start, end, rate in zip(rates.edges[:-1], rates.edges[1:], rates.per_second, strict=True):
            yield self.env.timeout(start - self.env.now)
            while rate > 0:
                pause = self.random.expovariate(rate)
                if self.env.now + pause >= end:
                    break
                yield self.env.timeout(pause)
                self.env.process(self.request())

    def ends(self, end: ProcessesEnd) -> Events:
        yield self.env.timeout(end.at)
        old = [self.hosts.pop(number) for number in range(end.first, min(end.last, self.scene.hosts))]
        self.env.process(self.start_again(end, [host.servers for host in old]))
        yield self.env.timeout(end.gone - end.at)
        for worker in (worker for host in old for worker in host.workers):
            worker.old = True
            self.close_idle(worker)

    def start_again(self, end: ProcessesEnd, servers: list[Servers | None]) -> Events:
        yield self.env.timeout(end.serving_again - end.at)
        for place, number in enumerate(range(end.first, min(end.last, self.scene.hosts))):
            self.hosts[number] = self.host(number)
            self.hosts[number].servers = servers[place]

    def close_idle(self, worker: Worker) -> None:
        if not any(thread.busy for thread in worker.threads):
            for connection in list(worker.connections):
                self.close(connection)

    def request(self) -> Events:
        self.counts["requests"] += 1
        if not self.hosts:
            self.counts["failed"] += 1
            return
        thread = yield from self.thread(self.balance())
        worker = thread.worker
        worker.requests += 1
        self.collect(worker)
        if self.keeping.pool is not None:
            yield from self.with_pool(thread)
        else:
            yield from self.with_django(thread)
        self.free(thread)

    def balance(self) -> Host:
        numbers = sorted(self.hosts)
        self.turn += 1
        if self.scene.balance == "round_robin":
            return self.hosts[numbers[self.turn % len(numbers)]]
        return self.hosts[self.random.choice(numbers)]

    def thread(self, host: Host) -> Events:
        """Wait for a thread of the host."""
        came = self.env.now
        most = inf if self.keeping.threads is None else self.keeping.threads
        able = [
            worker
            for worker in host.workers
            if len(worker.threads) < most or any(not thread.busy for thread in worker.threads)
        ]
        if not able:
            freed = self.env.event()
            host.waiting.append(freed)
            thread = yield freed
            self.counts["waited"] += 1
            self.waiting_seconds += self.env.now - came
        else:
            worker = self.choose(able, self.spread.processes)
            idle = [thread for thread in worker.threads if not thread.busy]
            if not idle:
                idle = [Thread(len(worker.threads), worker)]
                worker.threads.append(idle[0])
            thread = self.choose(idle, self.spread.threads)
        thread.busy = True
        thread.worker.last_busy = self.env.now
        return thread

    def choose(self, idle: Sequence[Any], dispatch: Dispatch) -> Any:
        rule = self.random.choices(
            ["fixed", "recent", "longest_idle", "random"],
            [dispatch.fixed, dispatch.recent, dispatch.longest_idle, dispatch.random],
        )[0]
        if rule == "fixed":
            return min(idle, key=lambda each: each.number)
        if rule == "random":
            return self.random.choice(idle)
        by_age = sorted(idle, key=lambda each: (each.last_busy, each.number))
        return by_age[-1] if rule == "recent" else by_age[0]

    def free(self, thread: Thread) -> None:
        worker = thread.worker
        thread.busy = False
        thread.last_busy = worker.last_busy = self.env.now
        if worker.host.waiting:
            thread.busy = True
            worker.host.waiting.pop(0).succeed(thread)
        elif worker.old:
            self.close_idle(worker)

    def with_django(self, thread: Thread) -> Events:
        connection, servers = thread.connection, thread.worker.host.servers
        if connection is not None and self.env.now >= connection.close_at:
            self.close(connection)
            connection = None
        if connection is None:
            connection = yield from self.connect(thread, servers)
            if connection is None:
                return
        else:
            self.counts["reused"] += 1
        if servers is not None:
            yield from servers.query(self.hold())
        else:
            yield self.env.timeout(self.hold())
        if self.keeping.checks_at_end and self.env.now >= connection.close_at:
            self.close(connection)
            thread.connection = None
        elif self.keeping.keeper == "request":
            self.leave(thread, connection)

    def connect(self, thread: Thread, servers: Servers | None) -> Events:
        connection = self.open(thread.worker) if servers is None else servers.client(thread.worker)
        first_request = thread.worker.requests
        close_at = inf if self.keeping.max_age is None else self.env.now + self.keeping.max_age
        yield self.env.timeout(self.connect_seconds())
        if connection is None:
            self.counts["refused"] += 1
            return None
        connection.close_at = close_at
        connection.first_request = first_request
        thread.connection = connection
        return connection

    def leave(self, thread: Thread, connection: Connection) -> None:
        thread.connection = None
        met = [search for search in self.searches(thread.worker) if search[0] >= connection.first_request]
        generation = 2 if any(second for _, second in met) else 1 if met else 0
        thread.worker.garbage.append((generation, connection))

    def searches(self, worker: Worker) -> list[tuple[int, bool]]:
        """At which request each search was until now, and whether it was one of the second generation as well."""
        made = floor((worker.requests - worker.phase) / self.period) + 1
        return [
            (ceil(worker.phase + number * self.period), (number + worker.second_phase) % 12 == 11)
            for number in range(max(made, 0))
        ]

    def collect(self, worker: Worker) -> None:
        for request, second in self.searches(worker):
            if request == worker.requests:
                for entry in [entry for entry in worker.garbage if entry[0] <= second]:
                    worker.garbage.remove(entry)
                    self.close(entry[1])

    def with_pool(self, thread: Thread) -> Events:
        worker = thread.worker
        if worker.pool is None:
            worker.pool = Pool(self, worker)
        connection = yield from worker.pool.take()
        if connection is None:
            self.counts["failed"] += 1
            return
        if connection.used:
            self.counts["reused"] += 1
        connection.used = True
        yield self.env.timeout(self.hold())
        worker.pool.give_back(connection)

    def open(self, worker: Worker) -> Connection | None:
        if self.counts["opened"] - self.counts["closed"] >= self.scene.database.free:
            return None
        self.counts["opened"] += 1
        connection = Connection(self.env.now, worker)
        worker.connections.append(connection)
        return connection

    def close(self, connection: Connection) -> None:
        if connection.open:
            connection.open = False
            connection.worker.connections.remove(connection)
            if connection.worker.host.servers is None:
                self.counts["closed"] += 1
                self.ages.append(self.env.now - connection.opened)

    def hold(self) -> float:
        return _drawn(self.application.hold_seconds.values, self.random)

    def connect_seconds(self) -> float:
        return _drawn(self.application.connect_seconds.values, self.random)


def _drawn(values: tuple[float, ...], random: Random) -> float:
    """Between two of the values that follow each other, any of them as likely."""
    place = random.random() * (len(values) - 1)
    below = min(int(place), len(values) - 2) if len(values) > 1 else 0
    return values[0] if len(values) == 1 else values[below] + (place - below) * (values[below + 1] - values[below])


class Pool:
    """The pool of one process. PostgreSQL is taken to have places enough."""

    def __init__(self, fleet: Fleet, worker: Worker) -> None:
        assert fleet.keeping.pool is not None
        self.fleet, self.env, self.worker, self.settings = fleet, fleet.env, worker, fleet.keeping.pool
        self.idle: list[Connection] = []
        self.wanted: list[simpy.Event] = []
        self.size = self.least = self.settings.smallest
        self.growing = False
        for _ in range(self.size):
            self.env.process(self.add())
        self.env.process(self.shrink())

    def take(self) -> Events:
        if self.idle:
            connection = self.idle.pop(0)
            self.least = min(self.least, len(self.idle))
            return connection
        came = self.env.now
        given = self.env.event()
        self.wanted.append(given)
        if self.size < self.settings.largest and not self.growing:
            self.size += 1
            self.growing = True
            self.env.process(self.add(grows=True))
        outcome = yield given | self.env.timeout(self.settings.timeout)
        self.fleet.counts["waited"] += 1
        self.fleet.waiting_seconds += self.env.now - came
        if given in outcome:
            return given.value
        self.wanted.remove(given)
        return None

    def give_back(self, connection: Connection) -> None:
        if self.env.now >= connection.close_at:
            self.fleet.close(connection)
            self.env.process(self.add())
        else:
            self.offer(connection)

    def offer(self, connection: Connection) -> None:
        if self.wanted:
            self.wanted.pop(0).succeed(connection)
        else:
            self.idle.append(connection)

    def add(self, *, grows: bool = False) -> Events:
        connection = self.fleet.open(self.worker)
        assert connection is not None
        yield self.env.timeout(self.fleet.connect_seconds())
        connection.close_at = self.env.now + self.settings.max_lifetime * self.fleet.random.uniform(0.95, 1.0)
        self.offer(connection)
        if grows and self.wanted and self.size < self.settings.largest:
            self.size += 1
            self.env.process(self.add(grows=True))
        elif grows:
            self.growing = False

    def shrink(self) -> Events:
        while True:
            yield self.env.timeout(self.settings.max_idle)
            unused, self.least = self.least, len(self.idle)
            if self.size > self.settings.smallest and unused > 0 and self.idle:
                self.size -= 1
                self.least -= 1
                self.fleet.close(self.idle.pop(0))


class Servers:
    """A host's PgBouncer in transaction mode. PostgreSQL has places enough, and no client waits too long."""

    def __init__(self, fleet: Fleet, host: Host) -> None:
        assert fleet.keeping.pooler is not None
        self.fleet, self.env, self.settings = fleet, fleet.env, fleet.keeping.pooler
        self.owner = Worker(-1, host)
        self.idle: list[Connection] = []
        self.wanted: list[simpy.Event] = []
        self.size = 0
        self.logging_in = False

    def client(self, worker: Worker) -> Connection:
        self.fleet.counts["clients"] += 1
        connection = Connection(self.env.now, worker)
        worker.connections.append(connection)
        return connection

    def query(self, seconds: float) -> Events:
        if self.idle:
            server = self.idle.pop()
        else:
            came = self.env.now
            given = self.env.event()
            self.wanted.append(given)
            self.open_more()
            server = yield given
            self.fleet.counts["waited"] += 1
            self.fleet.waiting_seconds += self.env.now - came
        server.busy = True
        yield self.env.timeout(seconds)
        self.offer(server)

    def offer(self, server: Connection) -> None:
        server.busy = False
        server.returned = self.env.now
        if self.wanted:
            self.wanted.pop(0).succeed(server)
        else:
            self.idle.append(server)

    def open_more(self) -> None:
        if self.wanted and not self.logging_in and self.size < self.settings.size:
            self.logging_in = True
            self.size += 1
            self.env.process(self.log_in())

    def log_in(self) -> Events:
        self.fleet.counts["opened"] += 1
        server = Connection(self.env.now, self.owner)
        yield self.env.timeout(self.fleet.connect_seconds())
        self.logging_in = False
        self.offer(server)
        self.open_more()
        self.env.process(self.watch(server))

    def watch(self, server: Connection) -> Events:
        """Three times a second: was it idle for too long?"""
        while True:
            yield self.env.timeout((floor(self.env.now * 3) + 1) / 3 - self.env.now)
            if server in self.idle and self.env.now - server.returned > self.settings.idle:
                self.idle.remove(server)
                self.size -= 1
                self.fleet.counts["closed"] += 1
                self.fleet.ages.append(self.env.now - server.opened)
                return
