"""What counting connections costs the site: with loadlab, with django-prometheus, against neither.

All sites of a block are served at once, and answer in turns of a fifth of a second, so a slow stretch of the machine
meets all of them.
"""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import random
import selectors
import socket
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Any, Final, Self

from rich.table import Table
from workbench import SEED, workbench

from loadlab.errors import EnvironmentFaultError
from loadlab.instrumentation.uses_file import VARIABLE
from loadlab.lab.application import Extras, ServerSetup, serving
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.probes import ProbeContext
from loadlab.probes.cpu import Cpu
from loadlab.sample_app.settings import MIDDLEWARE
from loadlab.stats.paired import paired_effect
from loadlab.stats.power import detectable_ratio
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from workbench import Watch

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.stats.paired import Effect

BLOCKS: Final = 14
WORKERS: Final = 2
USERS: Final = 8
GOAL_RATIO: Final = 0.985
DISTRIBUTION: Final = "django-prometheus"
NOT_INSTALLED: Final = f"{DISTRIBUTION} is not installed: pip install --no-deps {DISTRIBUTION}"
WORKERS_WAIT_SECONDS: Final = 10.0
ROUNDS: Final = 16
REQUESTS: Final = 300  # of a turn
WARMUP: Final = 400
REQUEST: Final = b"GET /entries/7/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
RECEIVED_BYTES: Final = 1 << 16
CLIENT_SECONDS: Final = 10.0
PLAN: Final = Plan(servers={}, strategies={})


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to serve the same site."""

    name: str
    instrumented: bool = False
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One block: requests per second in the middle turn, and the app's CPU seconds per request."""

    throughput: float
    cpu_seconds: float


Measured = dict[str, dict[int, Figures]]  # arm → block → figures

BARE: Final = Arm(name="nothing")
OURS: Final = Arm(name="loadlab", instrumented=True)
# As in the lab's own targets, and in no other.
RECORDING: Final = Arm(
    name="loadlab, uses recorded", instrumented=True, extras=Extras(environment={VARIABLE: "default"})
)
BACKEND: Final = Extras(apps=("django_prometheus",), database={"ENGINE": "django_prometheus.db.backends.postgresql"})
AS_ITS_README_SAYS: Final = replace(
    BACKEND,
    middleware=(
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        *MIDDLEWARE,
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    ),
)
THEIRS: Final = (
    Arm(name="django-prometheus, database", extras=BACKEND),
    Arm(name="django-prometheus, README", extras=AS_ITS_README_SAYS),
)


def run(watch: Watch, blocks: int | None) -> Table:
    arms = (BARE, replace(BARE, name=f"{BARE.name}, again (A/A)"), OURS, RECORDING, *(THEIRS if installed() else ()))
    measured = measure(arms, watch, blocks or BLOCKS)
    return table(measured)


def installed() -> bool:
    return importlib.util.find_spec("django_prometheus") is not None


def measure(arms: tuple[Arm, ...], watch: Watch, blocks: int) -> Measured:
    measured: Measured = {arm.name: {} for arm in arms}
    order = random.Random(SEED)
    with workbench(PLAN, watch) as lab:
        for block in watch.over(range(blocks), lambda block: f"block {block + 1}"):
            for name, figures in _block(arms, block, order, lab).items():
                measured[name][block] = figures
    return measured


def _block(arms: tuple[Arm, ...], block: int, order: random.Random, lab: Lab) -> dict[str, Figures]:
    """Each arm with fresh processes; a turn of each in each round, in random order."""
    with ExitStack() as served:
        sites = [
            Site.of(arm, served.enter_context(_served(arm, f"{block:03d}-{n}", lab)), lab) for n, arm in enumerate(arms)
        ]
        for _ in range(ROUNDS):
            for site in order.sample(sites, len(sites)):
                site.turn()
        return {site.arm.name: site.figures() for site in sites}


@contextmanager
def _served(arm: Arm, name: str, lab: Lab) -> Iterator[ServedApplication]:
    with serving(_target(arm, name, lab), lab.register, lab.logs / f"{name}-site.log") as application:
        _await_workers(application)
        answer(application.port, WARMUP)
        yield application


@dataclass(kw_only=True, slots=True)
class Site:
    """A site that is served, and the seconds that each of its turns took."""

    arm: Arm
    port: int
    context: ProbeContext
    cpu_before: float
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, arm: Arm, application: ServedApplication, lab: Lab) -> Self:
        context = ProbeContext(
            cursor=lab.cursor,
            database=lab.database.name,
            ledgers=application.ledgers,
            trees={"app": application.program.pid},
        )
        return cls(arm=arm, port=application.port, context=context, cpu_before=_cpu(context))

    def turn(self) -> None:
        self.seconds.append(answer(self.port, REQUESTS))

    def figures(self) -> Figures:
        cpu_seconds = _cpu(self.context) - self.cpu_before
        return Figures(
            throughput=REQUESTS / median(self.seconds), cpu_seconds=cpu_seconds / (REQUESTS * len(self.seconds))
        )


def _cpu(context: ProbeContext) -> float:
    """Seconds, of the application's processes."""
    return Cpu().read(context)["cpu_app"]


def answer(port: int, requests: int) -> float:
    """Send so many requests from USERS clients, each on a new connection; how many seconds all took together.

    Raises:
        EnvironmentFaultError: one was not answered with 200.
    """
    left = requests
    began = time.perf_counter()
    with selectors.DefaultSelector() as waiting:
        for _ in range(min(USERS, left)):
            _ask(waiting, port)
            left -= 1
        while waiting.get_map():
            for key, _ in waiting.select():
                if _is_answered(key, waiting) and left:
                    _ask(waiting, port)
                    left -= 1
    return time.perf_counter() - began


def _ask(waiting: selectors.BaseSelector, port: int) -> None:
    client = socket.create_connection((LOOPBACK, port), timeout=CLIENT_SECONDS)
    client.sendall(REQUEST)
    waiting.register(client, selectors.EVENT_READ, bytearray())


def _is_answered(key: selectors.SelectorKey, waiting: selectors.BaseSelector) -> bool:
    """Read what has come; whether that was all, and the server has closed the connection."""
    client: Any = key.fileobj
    received = client.recv(RECEIVED_BYTES)
    if received:
        key.data.extend(received)
        return False
    waiting.unregister(client)
    client.close()
    if not key.data.startswith(b"HTTP/1.1 200 "):
        raise EnvironmentFaultError(f"A request was not answered with 200: {bytes(key.data[:200])!r}")
    return True


def _target(arm: Arm, name: str, lab: Lab) -> ServerSetup:
    # Where django-prometheus keeps the counts of several processes: fresh, or it would go on with those of others.
    counts = lab.scratch / f"django-prometheus-{name}"
    counts.mkdir()
    return ServerSetup(
        server=Config(name="sync", parameters={"workers": WORKERS}),
        strategy=Config(name="max_age", parameters={"max_age": None}),
        database=lab.database,
        ledgers=lab.scratch / f"ledgers-{name}",
        instrumented=arm.instrumented,
        extras=replace(arm.extras, environment={**arm.extras.environment, "PROMETHEUS_MULTIPROC_DIR": str(counts)}),
    )


def _await_workers(application: ServedApplication) -> None:
    """Until every worker has answered: without instrumentation, nothing else tells that the last one has booted."""
    deadline = time.monotonic() + WORKERS_WAIT_SECONDS
    seen: set[int] = set()
    while len(seen) < WORKERS:
        if time.monotonic() > deadline:
            raise EnvironmentFaultError(
                f"Only {len(seen)} of {WORKERS} workers answered.\n{application.program.log_tail()}"
            )
        seen.add(_pid(application.port))


def _pid(port: int) -> int:
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)) as connection:
        connection.request("GET", "/health/")
        return int(json.loads(connection.getresponse().read())["pid"])


def table(measured: Measured) -> Table:
    throughput = {arm: {block: one.throughput for block, one in trials.items()} for arm, trials in measured.items()}
    cpu = {arm: {block: one.cpu_seconds for block, one in trials.items()} for arm, trials in measured.items()}
    made = Table(title="Cost of instrumentation: ratios to none, paired by block, with 95 % intervals")
    made.add_column("site with")
    for heading in ("req/s", "ratio", "shows", "CPU ms/req", "ratio", "shows"):
        made.add_column(heading, justify="right")
    for arm in measured:
        made.add_row(arm, *_cells(throughput, arm, "{:.0f}", 1), *_cells(cpu, arm, "{:.3f}", 1000))
    made.caption = _caption(measured, paired_effect(throughput[OURS.name], throughput[BARE.name]))
    return made


def _cells(values: Mapping[str, Mapping[int, float]], arm: str, form: str, scale: float) -> list[str]:
    middle = form.format(median(values[arm].values()) * scale)
    if arm == BARE.name:
        return [middle, "1", ""]
    effect = paired_effect(values[arm], values[BARE.name])
    shows = detectable_ratio(effect.deviation, effect.blocks, 1) if effect.deviation else None
    return [middle, _ratio(effect), f"{shows:.3f}" if shows else ""]


def _ratio(effect: Effect) -> str:
    interval = f"({effect.interval.low:.3f} to {effect.interval.high:.3f})" if effect.interval else "(no interval)"
    return f"{effect.ratio:.3f} {interval}"


def _caption(measured: Measured, ours: Effect) -> str:
    theirs = f"django-prometheus {importlib.metadata.version(DISTRIBUTION)}" if installed() else NOT_INSTALLED
    return (
        f"{len(measured[BARE.name])} blocks of {ROUNDS} turns of {REQUESTS} requests; gunicorn sync, {WORKERS} workers,"
        f" one-row read, {USERS} clients, CONN_MAX_AGE=None, keep-alive off.\n{theirs}.\n"
        "Shows: the smallest ratio above 1 that so many blocks detect with 80 % power.\n"
        "Nothing against nothing shows the noise: differences of that size mean nothing.\n"
        f"Goal: loadlab's throughput is at least {GOAL_RATIO:g} of none's: {_against_goal(ours)}."
    )


def _against_goal(effect: Effect) -> str:
    """Only an interval on one side of the goal decides."""
    if effect.interval is None:
        return "undecided, too few blocks"
    if effect.interval.low >= GOAL_RATIO:
        return "met, by the whole interval"
    if effect.interval.high < GOAL_RATIO:
        return "missed, by the whole interval"
    return "undecided, the interval contains it"
