"""Hosts, their processes and threads, and which of them gets the next request."""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loadlab.fleet.engine.database import Connection
    from loadlab.fleet.engine.garbage import Garbage
    from loadlab.fleet.engine.pool import PsycopgPool
    from loadlab.fleet.engine.simulation import Simulation
    from loadlab.model.fleet import Dispatch


class _Numbered(Protocol):
    @property
    def number(self) -> int: ...


if TYPE_CHECKING:
    Choose = Callable[[Sequence[_Numbered]], int]


def chooser(dispatch: Dispatch, uniforms: Iterator[float]) -> Choose:
    """Chooses one of several that are idle, the one that has been idle longest first, and gives its place."""
    recent = dispatch.recent
    longest_idle = recent + dispatch.longest_idle
    anyone = longest_idle + dispatch.random

    def choose(idle: Sequence[_Numbered]) -> int:
        if len(idle) == 1:
            return 0
        drawn = next(uniforms)
        if drawn < recent:
            return len(idle) - 1
        if drawn < longest_idle:
            return 0
        if drawn < anyone:
            return int(next(uniforms) * len(idle))
        return min(range(len(idle)), key=lambda place: idle[place].number)

    return choose


class Thread:
    """Serves one request at a time. `connection` is the one that Django keeps for it, if it does.

    `reuses` says of its request that it found the connection open, `mark` how often its process had searched for
    garbage before it, and `watched` that the simulation looks whether it idles.
    """

    __slots__ = ("connection", "idle_since", "mark", "number", "process", "reuses", "watched")

    def __init__(self, process: Process, number: int) -> None:
        self.process = process
        self.number = number
        self.connection: Connection | None = None
        self.idle_since = 0.0
        self.reuses = False
        self.mark = (0, 0)
        self.watched = False


class Process:
    """A worker process: `idle` threads, the one that has been idle longest first, and how many are `busy`.

    `requests` counts those that it has taken; at the `limit`, it takes no more. Requests before `warm_at` wait for it.
    `garbage` are the connections that only Python's garbage collector can close. `gone` is when the process has to end;
    it has `ended` as soon as it is not busy then. `route` is its way to PostgreSQL, and `pool` the one that Django has
    in it, if any.
    """

    __slots__ = (
        "busy",
        "ended",
        "garbage",
        "gone",
        "host",
        "idle",
        "limit",
        "most",
        "number",
        "pool",
        "requests",
        "route",
        "threads",
        "warm_at",
    )

    def __init__(self, host: Host, number: int, threads: int, most: float, limit: float) -> None:
        self.host = host
        self.number = number
        self.most = most
        self.threads = threads
        self.limit = limit
        self.idle = [Thread(self, each) for each in range(threads)]
        self.busy = 0
        self.requests = 0
        self.garbage: Garbage | None = None
        self.gone: float | None = None
        self.ended = False
        self.warm_at = 0.0
        self.route = host.route
        self.pool: PsycopgPool | None = None

    @property
    def place(self) -> int:
        return self.host.number

    @property
    def full(self) -> bool:
        return not self.idle and self.threads >= self.most

    def start_thread(self) -> Thread:
        self.threads += 1
        return Thread(self, self.threads - 1)

    def end_thread(self, thread: Thread) -> None:
        self.idle.remove(thread)
        self.threads -= 1


class Host:
    """Processes that serve from one queue. `free` are those with a thread to spare, the last busy one last.

    Requests wait in `queue`, each as the time of its arrival. `route` is the way of its processes to PostgreSQL.
    """

    def __init__(self, number: int, simulation: Simulation) -> None:
        keeping, spread = simulation.keeping, simulation.spread
        self.number = number
        self.route = simulation.route(number)
        self._most_threads = math.inf if keeping.threads is None else keeping.threads
        lazy = spread.lazy_threads or keeping.threads is None or keeping.keeper == "request"
        self._first_threads = 0 if lazy else keeping.threads or 0
        self._limit = simulation.request_limit
        self._choose_process = chooser(spread.processes, simulation.draws.uniforms)
        self._choose_thread = chooser(spread.threads, simulation.draws.uniforms)
        self.processes = [self._process(each) for each in range(keeping.processes)]
        self.free = list(self.processes)
        self.queue: deque[float] = deque()

    def take_thread(self) -> Thread | None:
        """A thread for a request, if one is to be had."""
        free = self.free
        if not free:
            return None
        place = self._choose_process(free)
        process = free.pop(place)
        idle = process.idle
        thread = idle.pop(self._choose_thread(idle)) if idle else process.start_thread()
        if not process.full:
            free.append(process)
        process.busy += 1
        return thread

    def put_back(self, thread: Thread, now: float) -> None:
        """The thread is idle again, and its process the last that was busy."""
        process = thread.process
        thread.idle_since = now
        process.busy -= 1
        process.idle.append(thread)
        if process in self.free:
            self.free.remove(process)
        if process.requests < process.limit:
            self.free.append(process)

    def replace(self, process: Process) -> None:
        """Another process takes the place of one that takes no more requests."""
        if process in self.free:
            self.free.remove(process)
        successor = self._process(process.number)
        self.processes[process.number] = successor
        self.free.append(successor)

    def _process(self, number: int) -> Process:
        return Process(self, number, self._first_threads, self._most_threads, self._limit())


class Rotation:
    """The hosts that get requests, and which of them gets the next one."""

    __slots__ = ("_next", "_random", "_uniforms", "hosts")

    def __init__(self, hosts: list[Host], *, random: bool, uniforms: Iterator[float]) -> None:
        self.hosts = hosts
        self._random = random
        self._uniforms = uniforms
        self._next = 0

    def host(self) -> Host | None:
        hosts = self.hosts
        if not hosts:
            return None
        if self._random:
            return hosts[int(next(self._uniforms) * len(hosts))]
        self._next += 1
        return hosts[self._next % len(hosts)]

    def remove(self, first: int, last: int) -> list[Host]:
        """Takes these hosts out of the rotation, and gives them."""
        removed = [each for each in self.hosts if first <= each.number < last]
        self.hosts = [each for each in self.hosts if not first <= each.number < last]
        return removed

    def add(self, hosts: list[Host]) -> None:
        self.hosts = sorted([*self.hosts, *hosts], key=lambda host: host.number)
