"""How often the verdict on leaks errs: simulated trials and watches, judged by the functions that judge real ones.

    .venv/bin/python benchmarks/leak_error_rates.py [--trials 200]

Each simulated request takes a thread, its connection and its time; what becomes of every connection is known, and so is
whether any leaked. Nothing of the rules is used to make the counts. docs/explanation/why-it-leaks.md keeps the tables.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

from loadlab.analysis.rooms import leak_of
from loadlab.model.case import Case
from loadlab.model.counts import ConnectionCounts
from loadlab.model.reading import Reading
from loadlab.model.requests import Requests
from loadlab.model.samples import Connections, CpuSeconds, Series, Trial
from loadlab.plan.members import build_server, config_of, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.watch.observation import observe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SEED: Final = 2013
# One for each way of having threads: other modes have the limits of one of these.
MODES: Final = tuple(name for name in SERVERS if SERVERS[name].usual)
TRIALS: Final = 100
USERS: Final = (1, 4, 8, 24, 64)
REQUESTS: Final = (5, 20, 60, 200)
AGES: Final = (0.0, 0.05, 60.0)
COLLECTS: Final = (0, 10, 40)  # openings between two garbage collections; 0: none comes by
VIEWS: Final = ("sound", "leaks 30 %", "leaks all", "closes old ones", "closes its own")
RATE: Final = 100.0  # requests a second
RARELY: Final = 0.3  # how often a trial has what few trials have


@dataclass(kw_only=True)
class World:
    """A server's connections: `kept` by the threads that have one, `lost` where nothing can find them any more."""

    slots: int  # threads that serve again; 0: a thread for each request
    age: float
    collect_each: int
    chance: random.Random
    now: float = 0.0
    opened: int = 0
    reused: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    kept: dict[int, float] = field(default_factory=dict)  # thread → when its connection was opened
    lost: int = 0
    leaked: bool = False
    peak: int = 0

    @property
    def open(self) -> int:
        return len(self.kept) + self.lost

    def request(self, view: str, at_once: int) -> None:
        """One request, with `at_once` others under way."""
        self.now += self.chance.expovariate(RATE)
        thread = self.chance.randrange(self.slots) if self.slots else None
        born = self._connected(thread)
        if view == "closes its own":
            self.closed["explicit"] += 1
            self.kept.pop(-1 if thread is None else thread, None)
            born = self._connected(None)
        elif view == "closes old ones" and self.age:
            self.reused += 2  # three pieces, each counted as a request that finds the connection open
        elif view == "leaks all" or (view == "leaks 30 %" and self.chance.random() < RARELY):
            self.opened += 1  # by a thread of the view's own, which ends without closing it
            self.lost, self.leaked = self.lost + 1, True
        self.peak = max(self.peak, self.open + 1 + min(at_once, self.chance.randrange(at_once + 1)))
        self._ended(thread, born)
        if self.collect_each and self.opened % self.collect_each == 0:
            self.closed["garbage_collected"] += self.lost
            self.lost = 0

    def _connected(self, thread: int | None) -> float:
        born = None if thread is None else self.kept.pop(thread, None)
        if born is not None and self.now - born >= self.age:
            self.closed["max_age"] += 1
            born = None
        if born is not None:
            self.reused += 1
            return born
        self.opened += 1
        return self.now

    def _ended(self, thread: int | None, born: float) -> None:
        if not self.age:
            self.closed["request_end"] += 1
        elif thread is None:
            self.lost, self.leaked = self.lost + 1, True
        else:
            self.kept[thread] = born

    def counts(self, held: int = 0) -> ConnectionCounts:
        return ConnectionCounts(
            opened=self.opened + held, reused=self.reused, closed=dict(self.closed), open=self.open + held
        )


def simulated(case: Case, requests: int, view: str, collect_each: int, chance: random.Random) -> tuple[Trial, bool]:
    """A trial, and whether any of its connections leaked."""
    age = case.max_age or 0.0
    lasting = build_server(case.server).lasting_connections(case.users, keep_alive=case.keep_alive)
    world = World(slots=lasting, age=age, collect_each=collect_each, chance=chance)
    at_once = min(case.users, case.usable_connections or 0) - 1
    for _ in range(requests):
        world.request(view, at_once)
    window_end = world.counts()
    # Some requests may have no response yet when all else is at rest; and a process may have one more connection.
    stuck = chance.randrange(at_once + 2) if not lasting and chance.random() < RARELY else 0
    own = build_server(case.server).processes() if chance.random() < RARELY else 0
    aborted = min(stuck, chance.randrange(3))
    world.opened += aborted
    world.closed["garbage_collected"] += aborted
    return _trial(case, requests, window_end, world.counts(stuck - aborted + own), world.peak), world.leaked


def _trial(case: Case, requests: int, window_end: ConnectionCounts, rest: ConnectionCounts, peak: int) -> Trial:
    ended = [float(number) for number in range(requests)]
    columns = {"open": [float(max(peak, rest.open))], "backends": [0.0]}
    return Trial(
        case=case,
        block=0,
        order=0,
        state="complete",
        reason="",
        started="",
        window_start=0.0,
        window_end=float(requests),
        requests=Requests(ended=ended, response=[0.01] * requests, failed=[0.0] * requests),
        failures=(),
        connections=Connections(
            window_start=ConnectionCounts(),
            window_end=window_end,
            at_rest=rest,
            after_stop=rest,
            left_open=rest.open,
            sessions=rest.opened,
        ),
        series=Series(at=[0.0], values=columns),
        cpu_seconds=CpuSeconds(app=None, database=None, generator=0.0),
        overhead_seconds={},
        load_average=0.0,
    )


@cache
def case_of(server: str, users: int, age: float) -> Case:
    choice = config_of(SERVERS, server, {}, "server")
    strategy = config_of(STRATEGIES, "max_age", {"max_age": age}, "strategy")
    return Case(
        server=choice,
        strategy=strategy,
        scenario="simulated",
        users=users,
        keep_alive=False,
        usable_connections=usable_connections(choice, strategy, users),
    )


@dataclass(kw_only=True)
class Tally:
    """Verdicts where nothing leaked, and where something did."""

    sound: Counter[str] = field(default_factory=Counter)
    leaking: Counter[str] = field(default_factory=Counter)

    def add(self, verdict: str, *, leaked: bool) -> None:
        (self.leaking if leaked else self.sound)["cannot tell" if verdict.startswith("cannot") else verdict] += 1

    @property
    def cells(self) -> tuple[str, ...]:
        return (
            f"{self.sound.total():,}",
            _share(self.sound, "yes"),
            _share(self.sound, "cannot tell"),
            f"{self.leaking.total():,}",
            _share(self.leaking, "no"),
            _share(self.leaking, "cannot tell"),
        )


def _share(counts: Counter[str], verdict: str) -> str:
    return f"{counts[verdict] / counts.total():.1%}".replace("%", " %") if counts.total() else "–"


def trials(each: int) -> Iterator[tuple[str, int, int, float, str, Tally]]:
    """Server mode, users, requests, age, view and verdicts, over every way that the garbage collector comes by."""
    for server, users, requests, age, view in product(MODES, USERS, REQUESTS, AGES, VIEWS):
        case, tally = case_of(server, users, age), Tally()
        chance = random.Random(f"{SEED} {case.id} {requests} {view}")
        for number in range(each):
            trial, leaked = simulated(case, requests, view, COLLECTS[number % len(COLLECTS)], chance)
            tally.add(leak_of(trial), leaked=leaked)
        yield server, users, requests, age, view, tally


def watches(each: int) -> Iterator[tuple[str, int, str, Tally]]:
    """Kind of server, requests between two readings, view and verdicts: ten readings of a server that starts."""
    for threads, per_reading, age, view in product((0, 8, 64), (3, 20, 100), AGES, VIEWS[:3]):
        chance, tally = random.Random(f"{SEED} {threads} {per_reading} {age} {view}"), Tally()
        for number in range(each):
            collect_each = COLLECTS[number % len(COLLECTS)]
            world = World(slots=threads, age=age, collect_each=collect_each, chance=chance)
            readings = [_reading(world, 0)]
            for reading in range(1, 11):
                for _ in range(per_reading):
                    world.request(view, at_once=0)
                readings.append(_reading(world, reading))
            seen = observe(readings, gaps=0, threads=None).aliases["default"]
            tally.add(seen.leak.told, leaked=world.leaked)
        yield f"{threads} threads" if threads else "a thread per request", per_reading, view, tally


def _reading(world: World, number: int) -> Reading:
    counts = replace(world.counts(), first_uses=world.opened)
    return Reading(at=5.0 * number, hosts={"default": {"": counts}})


def _together(rows: Iterable[tuple[str, Tally]]) -> dict[str, Tally]:
    sums: dict[str, Tally] = {}
    for name, tally in rows:
        total = sums.setdefault(name, Tally())
        total.sound.update(tally.sound)
        total.leaking.update(tally.leaking)
    return sums


def table(title: str, rows: dict[str, Tally]) -> str:
    heads = (title, "nothing leaks", "false leak", "cannot tell", "something leaks", "missed", "cannot tell")
    lines = [heads, ("---", *["---:"] * 6), *((name, *tally.cells) for name, tally in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=TRIALS, help="of each combination (default: %(default)s)")
    each = parser.parse_args().trials
    seen = list(trials(each))
    print(table("server mode", _together((server, tally) for server, *_, tally in seen)), end="\n\n")
    print(table("users", _together((str(users), tally) for _, users, *_, tally in seen)), end="\n\n")
    print(table("requests", _together((str(requests), tally) for _, _, requests, *_, tally in seen)), end="\n\n")
    print(table("CONN_MAX_AGE", _together((f"{age:g} s", tally) for _, _, _, age, _, tally in seen)), end="\n\n")
    print(table("view", _together((view, tally) for *_, view, tally in seen)), end="\n\n")
    seen_by_watch = list(watches(each))
    print(table("watch: server", _together((kind, tally) for kind, *_, tally in seen_by_watch)), end="\n\n")
    print(table("watch: requests", _together((str(10 * n), tally) for _, n, _, tally in seen_by_watch)), end="\n\n")
    print(table("watch: view", _together((view, tally) for *_, view, tally in seen_by_watch)))


if __name__ == "__main__":
    main()
