"""What counting connections costs the site: with loadlab, with django-prometheus, against neither."""

from __future__ import annotations

import http.client
import importlib.metadata
import importlib.util
import json
import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.table import Table
from workbench import interleaved, workbench

from loadlab.errors import EnvironmentFaultError
from loadlab.instrumentation.uses_file import VARIABLE
from loadlab.lab.application import Extras, ServerSetup, serving
from loadlab.load.generator.contract import LoadRequest
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.model.window import Window
from loadlab.plan.scenarios import locustfile
from loadlab.probes import ProbeContext
from loadlab.probes.cpu import Cpu
from loadlab.sample_app.settings import MIDDLEWARE
from loadlab.stats.paired import paired_effect
from loadlab.stats.power import detectable_ratio
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench import Watch

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.generator import RunningLoad
    from loadlab.lab.lab import Lab
    from loadlab.load.generator.contract import LoadResult
    from loadlab.stats.paired import Effect

BLOCKS: Final = 14
WORKERS: Final = 2
USERS: Final = 8
GOAL_RATIO: Final = 0.985
DISTRIBUTION: Final = "django-prometheus"
NOT_INSTALLED: Final = f"{DISTRIBUTION} is not installed: pip install --no-deps {DISTRIBUTION}"
WORKERS_WAIT_SECONDS: Final = 10.0
PLAN: Final = Plan(servers={}, strategies={})  # warm-up and window as in the default plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One way to serve the same site."""

    name: str
    instrumented: bool = False
    extras: Extras = field(default_factory=Extras)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """One trial: successful requests per second, and the app's CPU seconds per request."""

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
    with workbench(PLAN, watch) as lab:
        steps = list(enumerate(interleaved(arms, blocks)))
        for order, (block, arm) in watch.over(steps, lambda step: step[1][1].name):
            measured[arm.name][block] = _trial(arm, order, lab)
    return measured


def _trial(arm: Arm, order: int, lab: Lab) -> Figures:
    with serving(_target(arm, order, lab), lab.register, lab.logs / f"{order:04d}-site.log") as application:
        _await_workers(application)
        drive = lab.generator.begin(_order(application, lab))
        context = ProbeContext(
            cursor=lab.cursor,
            database=lab.database.name,
            ledgers=application.ledgers,
            trees={"app": application.program.pid},
        )
        begin, end = (_cpu_at(context, drive, instant) for instant in PLAN.window)
        result = drive.wait()
    if result is None or any(result.requests.failed):
        raise EnvironmentFaultError(
            f"A load on the site with {arm.name} did not end well: {result and result.failures}"
        )
    return _figures(result, begin, end)


def _target(arm: Arm, order: int, lab: Lab) -> ServerSetup:
    # Where django-prometheus keeps the counts of several processes: fresh, or it would go on with those of others.
    counts = lab.scratch / f"django-prometheus-{order:04d}"
    counts.mkdir()
    return ServerSetup(
        server=Config(name="sync", parameters={"workers": WORKERS}),
        strategy=Config(name="max_age", parameters={"max_age": None}),
        database=lab.database,
        ledgers=lab.scratch / f"ledgers-{order:04d}",
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


def _order(application: ServedApplication, lab: Lab) -> LoadRequest:
    return LoadRequest(
        locustfile=str(locustfile("read_one")),
        host=application.url,
        users=USERS,
        keep_alive=False,
        warmup_seconds=PLAN.warmup_seconds,
        window_seconds=PLAN.window_seconds,
        result=str(lab.scratch / "load.json"),
    )


def _cpu_at(context: ProbeContext, drive: RunningLoad, instant: float) -> tuple[float, float]:
    """(seconds since the load started, CPU seconds of the app's processes), read at about `instant`."""
    time.sleep(max(0.0, drive.started + instant - time.monotonic()))
    spent = Cpu().read(context)["cpu_app"]
    return time.monotonic() - drive.started, spent


def _figures(result: LoadResult, begin: tuple[float, float], end: tuple[float, float]) -> Figures:
    """CPU time is shared by the requests between its own two readings, which are never quite at the edges."""
    return Figures(
        throughput=_ended(result, PLAN.window) / PLAN.window_seconds,
        cpu_seconds=(end[1] - begin[1]) / _ended(result, Window(begin[0], end[0])),
    )


def _ended(result: LoadResult, window: Window) -> int:
    return int(window.of(result.requests).sum())


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
        f"{len(measured[BARE.name])} blocks in random order; gunicorn sync, {WORKERS} workers, read_one, {USERS} users,"
        f" CONN_MAX_AGE=None, keep-alive off.\n{theirs}.\n"
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
