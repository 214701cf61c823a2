"""Runs as the default plan would leave them, with as many blocks as wanted, but with synthetic trials."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from workbench import SEED

from loadlab import __version__
from loadlab.lab.sampler import RATE
from loadlab.model.counts import ConnectionCounts
from loadlab.model.metrics import RESPONSE_SECONDS
from loadlab.model.plan import DEFAULT_PLAN
from loadlab.model.requests import Requests
from loadlab.model.samples import Connections, CpuSeconds, Failure, Series, Trial
from loadlab.model.schedule import Schedule, Step
from loadlab.plan.experiment import read_plan
from loadlab.plan.schedule import schedule
from loadlab.store.folder import RunFolder
from loadlab.store.layout import PROGRESS
from loadlab.store.progress import RunBegan, RunEnded, Sampled, TrialBegan, TrialEnded, to_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from workbench import Watch

    from loadlab.model.case import Case
    from loadlab.store.progress import Event

CASES: Final = 10  # of the default plan
REQUESTS: Final = 2000
STARTED: Final = "2026-01-01T00:00:00+00:00"
BEGAN: Final = 1_767_225_600.0  # the same
SAMPLES: Final = 6  # of each trial that a follower hears of
TRIAL_SECONDS: Final = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseBehaviour:
    """How a case behaves: its requests per second, the shares that open a connection and that fail, what stays open."""

    rate: float
    opening: float
    held: int
    failing: float = 0.0


CLOSES: Final = CaseBehaviour(rate=190, opening=1.0, held=0)
REUSES: Final = CaseBehaviour(rate=1100, opening=0.001, held=2)
LEAKS: Final = CaseBehaviour(rate=170, opening=1.0, held=97, failing=0.02)


def write_run(path: Path, watch: Watch, blocks: int) -> int:
    """Returns how many trials the run has."""
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
    (path / PROGRESS).write_bytes(b"".join(map(to_line, _events(steps))))
    return len(steps)


def _events(steps: Sequence[Step]) -> Iterator[Event]:
    """What a lab would have told of the run, with the same samples in each trial."""
    yield RunBegan(at=BEGAN, total=len(steps), done=0, trial_seconds=TRIAL_SECONDS, pid=os.getpid())
    for step in steps:
        at = BEGAN + step.order * TRIAL_SECONDS
        yield TrialBegan(at=at, order=step.order, block=step.block, case=step.case, ledgers="")
        yield from (_sample(at, step.order, number) for number in range(1, SAMPLES + 1))
        yield TrialEnded(at=at + TRIAL_SECONDS, order=step.order, state="complete", reason="")
    yield RunEnded(at=BEGAN + len(steps) * TRIAL_SECONDS, state="complete")


def _sample(at: float, order: int, number: int) -> Sampled:
    counts = 100 * number
    counters = dict.fromkeys(("requests", "opened", "closed_request_end", "sessions"), counts)
    gauges = {"open": 2, "peak": 3, "backends": 2, "backends_active": 1, "backends_idle": 1, "max_connections": 100}
    cpu = {"cpu_app": 0.4 * number, "cpu_database": 0.2 * number, "cpu_generator": 0.1 * number}
    buckets = [0] * (len(RESPONSE_SECONDS) + 1)
    buckets[5] = counts
    values = counters | gauges | cpu | {"failures": 0, "response_seconds_sum": 0.01 * counts}
    return Sampled(at=at + number * TRIAL_SECONDS / SAMPLES, order=order, values=values, response_buckets=buckets)


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


def _behaviour(case: Case) -> CaseBehaviour:
    if case.max_age == 0:
        return CLOSES
    return REUSES if case.server.name == "sync" else LEAKS


def _connections(like: CaseBehaviour, refused: int, before_window: float) -> Connections:
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


def _ledger(like: CaseBehaviour, share: float, refused: int) -> ConnectionCounts:
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


def _series(like: CaseBehaviour, end: float, chance: np.random.Generator) -> Series:
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
