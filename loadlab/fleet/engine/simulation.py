"""One simulation: its parts, what happens when a request arrives and ends, and what happens to hosts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.fleet.engine.agenda import Agenda
from loadlab.fleet.engine.counting import RequestOutcomes, SessionCounts
from loadlab.fleet.engine.database import SimulatedPostgreSQL
from loadlab.fleet.engine.draws import Draws, arrivals
from loadlab.fleet.engine.hosts import Host, Rotation
from loadlab.fleet.engine.keepers import DjangoKeeper
from loadlab.fleet.engine.pgbouncer import SimulatedPgBouncer, ThroughPgBouncer
from loadlab.fleet.engine.pool import PoolKeeper

if TYPE_CHECKING:
    import numpy as np

    from loadlab.fleet.engine.database import Route
    from loadlab.fleet.engine.hosts import Process, Thread
    from loadlab.fleet.engine.keepers import Keeper
    from loadlab.model.fleet import Application, Keeping, Numbers, ProcessesEnd, Scene, Simulated, Spread

BOOTED_BEFORE_SECONDS: Final = 1.0  # the start of the simulation, so that what a boot connects is there


class Simulation:
    """The parts that know each other. It runs once."""

    def __init__(self, keeping: Keeping, application: Application, scene: Scene, random: np.random.Generator) -> None:
        self.keeping = keeping
        self.scene = scene
        self.spread = _spread(keeping, application)
        # An event loop stands still while it imports, and takes the others up one after the other.
        self._cold_seconds = 0.0 if keeping.threads is None else self.spread.cold_seconds
        self._ahead_seconds = self.spread.ahead_seconds
        self.agenda = Agenda()
        self.draws = Draws(application, random)
        self.requests = RequestOutcomes()
        idle = keeping.idle_thread_seconds
        self._idle_thread_seconds = math.inf if idle is None else idle
        self.sessions = SessionCounts()
        self.database = SimulatedPostgreSQL(scene, self.agenda, self.sessions)
        self._poolers = self._made_poolers()
        self._rotation = Rotation(
            [Host(each, self) for each in range(scene.hosts)],
            random=scene.balance == "random",
            uniforms=self.draws.uniforms,
        )
        self._keeper = self._made_keeper()
        for end in scene.ends:
            self.agenda.at(end.at, self._end_hosts, end)
        if keeping.connects_at_boot:
            for host in self._rotation.hosts:
                self._keeper.booted(-BOOTED_BEFORE_SECONDS, host.processes[0])

    def run(self, at: Numbers) -> Simulated:
        scene = self.scene
        due = arrivals(scene.rates, self.draws.random) if scene.arrivals is None else scene.arrivals
        self.agenda.run(due.tolist(), self._arrive, scene.rates.seconds)
        clients = sum(pooler.clients_opened for pooler in self._poolers) if self._poolers else None
        return self.sessions.simulated(at, self.requests, clients)

    def _made_poolers(self) -> list[SimulatedPgBouncer]:
        """One for all hosts, or one on each; none where processes connect straight to PostgreSQL."""
        settings = self.keeping.pooler
        if settings is None:
            return []
        places = [None] if settings.shared else range(self.scene.hosts)
        return [SimulatedPgBouncer(settings, place, self) for place in places]

    def _made_keeper(self) -> Keeper:
        if self.keeping.pool is not None:
            return PoolKeeper(self, self.keeping.pool)
        return ThroughPgBouncer(self) if self._poolers else DjangoKeeper(self)

    def route(self, host: int) -> Route:
        """The way to PostgreSQL of the processes on a host."""
        return self._poolers[host % len(self._poolers)] if self._poolers else self.database

    def _arrive(self, now: float) -> None:
        self.requests.arrived += 1
        host = self._rotation.host()
        if host is None:
            self.requests.failed += 1
            return
        thread = host.take_thread()
        if thread is None:
            host.queue.append(now)
            self.requests.queued += 1
        else:
            self._begin(now, thread)

    def _begin(self, now: float, thread: Thread) -> None:
        process = thread.process
        process.requests += 1
        if process.requests >= process.limit:
            self._replace(now, process)
        if process.requests == 1:
            process.warm_at = now + self._cold_seconds
        uses_at = max(now, process.warm_at) + self._ahead_seconds
        if uses_at > now:
            self.agenda.at(uses_at, self._keeper.begin, thread)
        else:
            self._keeper.begin(now, thread)

    def finish(self, now: float, thread: Thread) -> None:
        """The request of this thread has ended: the next one that waits may begin."""
        process = thread.process
        host = process.host
        host.put_back(thread, now)
        if host.queue:
            self._serve_waiting(now, host)
        if process.gone is not None:
            self._end_if_idle(now, process)
        elif self._idle_thread_seconds < math.inf and not thread.watched:
            thread.watched = True
            self.agenda.at(now + self._idle_thread_seconds, self._end_idle_thread, thread)

    def _serve_waiting(self, now: float, host: Host) -> None:
        thread = host.take_thread()
        if thread is not None:
            self.requests.queued -= 1
            self.requests.wait_over(now - host.queue.popleft())
            self._begin(now, thread)

    def _replace(self, now: float, process: Process) -> None:
        """The process has taken as many requests as it may: it ends after them, and another serves."""
        process.host.replace(process)
        process.gone = now

    def _end_hosts(self, now: float, end: ProcessesEnd) -> None:  # noqa: ARG002  as all actions are called
        for host in self._rotation.remove(end.first, end.last):
            for process in host.processes:
                process.gone = end.gone
                process.limit = math.inf
                self.agenda.at(end.gone, self._end_if_idle, process)
        self.agenda.at(end.serving_again, self._start_hosts, end)

    def _start_hosts(self, now: float, end: ProcessesEnd) -> None:
        serving = {host.number for host in self._rotation.hosts}
        ended = range(end.first, min(end.last, self.scene.hosts))
        booted = [Host(each, self) for each in ended if each not in serving]
        self._rotation.add(booted)
        if self.keeping.connects_at_boot:
            for host in booted:
                self._keeper.booted(now, host.processes[0])

    def request_limit(self) -> float:
        """How many requests a new process takes."""
        conditions = self.keeping.conditions_in(self.scene)
        if conditions.max_requests is None:
            return math.inf
        return conditions.max_requests + int(next(self.draws.uniforms) * (conditions.max_requests_jitter + 1))

    def _end_if_idle(self, now: float, process: Process) -> None:
        """It ends, and PostgreSQL with its connections, once its time has come and its requests have ended."""
        if process.gone is not None and process.gone <= now and not process.busy:
            process.ended = True
            process.route.close_all(now, process, "process_end")

    def _end_idle_thread(self, now: float, thread: Thread) -> None:
        """It ends if it was idle all the time, and is not the only one of its process."""
        process = thread.process
        thread.watched = thread in process.idle and process.gone is None
        if not thread.watched:
            return
        due = thread.idle_since + self._idle_thread_seconds
        if due <= now and process.threads > 1:
            process.end_thread(thread)
            self._keeper.thread_ends(now, thread)
            return
        if due <= now:
            thread.idle_since = now
            due = now + self._idle_thread_seconds
        self.agenda.at(due, self._end_idle_thread, thread)


def _spread(keeping: Keeping, application: Application) -> Spread:
    mode = keeping.server.name
    spread = keeping.spread_of(application)
    if spread is None:
        raise UsageError(
            f"{application.source or 'The measurement'} does not say how {mode} spreads requests over its processes "
            f"and threads. Measure a run with {mode}."
        )
    return spread
