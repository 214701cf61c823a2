"""How long a report on 300 trials takes, and how large its page is."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.table import Table
from workbench import SEED

from loadlab import __version__
from loadlab.lab.sampler import RATE
from loadlab.model.counts import ConnectionCounts
from loadlab.model.plan import DEFAULT_PLAN
from loadlab.model.requests import Requests
from loadlab.model.samples import Connections, CpuSeconds, Failure, Series, Trial
from loadlab.model.schedule import Schedule, Step
from loadlab.plan.experiment import read_plan
from loadlab.plan.schedule import schedule
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from workbench import Watch

    from loadlab.model.case import Case

REPORTS: Final = 3
BLOCKS: Final = 30  # of the default plan's ten cases
REQUESTS: Final = 2000
GOAL_SECONDS: Final = 3.0
GOAL_MEGABYTES: Final = 3.0
STARTED: Final = "2026-01-01T00:00:00+00:00"
REPOSITORY: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """How a case behaves: its requests per second, the shares that open a connection and that fail, what stays open."""

    rate: float
    opening: float
    held: int
    failing: float = 0.0


CLOSES: Final = Behaviour(rate=190, opening=1.0, held=0)
REUSES: Final = Behaviour(rate=1100, opening=0.001, held=2)
LEAKS: Final = Behaviour(rate=170, opening=1.0, held=97, failing=0.02)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """What making the reports of one run took."""

    trials: int
    seconds: list[float]
    page_bytes: int


def run(watch: Watch, blocks: int | None) -> Table:
    return table(measure(watch, blocks or BLOCKS))


def measure(watch: Watch, blocks: int) -> Reported:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "run"
        trials = _write_run(path, watch, blocks)
        seconds = [_report(path) for _ in watch.over(range(REPORTS), lambda _: "loadlab report")]
        return Reported(trials=trials, seconds=seconds, page_bytes=(path / "report.html").stat().st_size)


def _report(path: Path) -> float:
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "loadlab", "report", str(path)], cwd=REPOSITORY, check=True, stdout=subprocess.DEVNULL
    )
    return time.monotonic() - begun


def _write_run(path: Path, watch: Watch, blocks: int) -> int:
    """A run folder as the default plan with so many blocks would leave it, but with synthetic trials."""
    text, replaced = re.subn(r"^blocks = \d+", f"blocks = {blocks}", DEFAULT_PLAN, flags=re.MULTILINE)
    if replaced != 1:
        raise ValueError("the default plan does not say how many blocks it has")
    experiment = read_plan(text, "the default plan")
    order = schedule(experiment.cases, blocks, experiment.plan.seed)
    steps = [Step(order=number, block=block, case=case) for number, (block, case) in enumerate(order)]
    planned = Schedule(id="bench", started=STARTED, version=__version__, cases=experiment.cases, steps=steps)
    folder = RunFolder.begin(path, experiment.text, planned)
    folder.write_environment({"machine": {"cores": 2}})
    chance = np.random.default_rng(SEED)
    for step in watch.over(steps, lambda _: "writing synthetic trials"):
        folder.add_trial(synthetic(experiment.cases[step.case], step, experiment.plan.warmup_seconds, chance))
    return len(steps)


def synthetic(case: Case, step: Step, warmup_seconds: float, chance: np.random.Generator) -> Trial:
    """A trial of 2,000 requests with noise in it; its window ends with the last of them."""
    like = _behaviour(case)
    rate = like.rate * np.exp(0.03 * chance.standard_normal())
    ended = np.cumsum(chance.exponential(1 / rate, REQUESTS))
    failed = (chance.random(REQUESTS) < like.failing).astype(np.float64)
    response = case.users / rate * np.exp(0.3 * chance.standard_normal(REQUESTS))
    end, failures = float(ended[-1]), int(failed[ended >= warmup_seconds].sum())
    return Trial(
        case=case,
        block=step.block,
        order=step.order,
        state="complete",
        reason="",
        started=STARTED,
        window_start=warmup_seconds,
        window_end=end,
        requests=Requests(ended=ended.tolist(), response=response.tolist(), failed=failed.tolist()),
        failures=(Failure(kind="HTTP 500", count=failures, example="too many clients"),) if failures else (),
        connections=_connections(like, failures, warmup_seconds / end),
        series=_series(like, end, chance),
        cpu_seconds=CpuSeconds(app=1.1 * end, database=0.4 * end, generator=0.4 * end),
        overhead_seconds={"boot": 0.6, "load_start": 0.02, "settle": 0.1, "stop": 0.3, "books": 0.02},
        load_average=2.0,
    )


def _behaviour(case: Case) -> Behaviour:
    if case.max_age == 0:
        return CLOSES
    return REUSES if case.server.name == "sync" else LEAKS


def _connections(like: Behaviour, refused: int, before_window: float) -> Connections:
    at_rest = _ledger(like, 1.0, refused)
    stopped = {**at_rest.closed, "process_exit": like.held}
    return Connections(
        window_start=_ledger(like, before_window, 0),
        window_end=at_rest,
        at_rest=at_rest,
        after_stop=ConnectionCounts(
            opened=at_rest.opened,
            reused=at_rest.reused,
            closed=stopped,
            connect_errors=at_rest.connect_errors,
            connect_seconds_sum=at_rest.connect_seconds_sum,
        ),
        left_open=like.held,
        sessions=at_rest.opened,
    )


def _ledger(like: Behaviour, share: float, refused: int) -> ConnectionCounts:
    """The counts after a `share` of all requests."""
    opened = max(round(share * like.opening * REQUESTS), like.held)
    return ConnectionCounts(
        opened=opened,
        reused=round(share * REQUESTS) - opened,
        closed={"request_end": opened - like.held} if opened > like.held else {},
        open=like.held,
        connect_errors={"too_many_connections": refused} if refused else {},
        connect_seconds_sum=0.012 * opened,
    )


def _series(like: Behaviour, end: float, chance: np.random.Generator) -> Series:
    at: NDArray[np.float64] = np.arange(0, end, 1 / RATE)
    level = np.minimum(like.held, 50 * at) if like.held else chance.integers(0, 3, at.size)
    requests = at / end * REQUESTS
    columns = {
        "backends": level,
        "active": chance.integers(0, 3, at.size),
        "open": level,
        "opened": np.round(requests * like.opening),
        "reused": np.round(requests * (1 - like.opening)),
    }
    return Series(at=at.tolist(), values={name: column.astype(float).tolist() for name, column in columns.items()})


def table(reported: Reported) -> Table:
    seconds, megabytes = median(reported.seconds), reported.page_bytes / 1e6
    made = Table(
        title=f"All reports on {reported.trials} trials of {REQUESTS:,} requests",
        caption=f"loadlab report as a whole process: median (min to max) of {REPORTS}.",
    )
    for heading in ("figure", "measured", "goal", ""):
        made.add_column(heading)
    spread = f"{seconds:.2f} s ({min(reported.seconds):.2f} to {max(reported.seconds):.2f})"
    made.add_row("time", spread, f"≤ {GOAL_SECONDS:g} s", _met(seconds, GOAL_SECONDS))
    made.add_row("report.html", f"{megabytes:.2f} MB", f"≤ {GOAL_MEGABYTES:g} MB", _met(megabytes, GOAL_MEGABYTES))
    return made


def _met(value: float, goal: float) -> str:
    return "met" if value <= goal else "missed"
