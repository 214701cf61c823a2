"""What a run's own record says of each trial, exactly, in as many numbers as the dashboards show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import TypeAdapter

from loadlab.live.discovery import labels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadlab.model.samples import Trial
    from loadlab.store.folder import RunFolder


@dataclass(frozen=True, kw_only=True, slots=True)
class Recorded:
    """One trial. Response times are of all its requests, warm-up and failures included, as a generator's metrics are.

    `cpu_per_request` is application and database within the window, by the window's requests: without the start.
    """

    instance: str
    server: str
    strategy: str
    opened: int
    reused: int
    garbage_collected: int
    refused: int
    sessions: int
    requests: int
    failures: int
    p50_seconds: float
    p99_seconds: float
    mean_seconds: float
    peak_open: int
    cpu_per_request: float


_ALL: TypeAdapter[list[Recorded]] = TypeAdapter(list[Recorded])


def recorded(run: RunFolder) -> list[Recorded]:
    """Of every trial, in the order of the schedule."""
    schedule = run.schedule()
    trials = {trial.order: trial for trial in run.trials()[0]}
    steps = [step for step in schedule.steps if step.order in trials]
    targets = labels(run.path.name, schedule, steps)
    return [_recorded(trials[step.order], target) for step, target in zip(steps, targets, strict=True)]


def _recorded(trial: Trial, target: dict[str, str]) -> Recorded:
    stopped, response = trial.connections.after_stop, np.asarray(trial.requests.response)
    in_window = int(trial.window.of(trial.requests).sum())
    return Recorded(
        instance=target["instance"],
        server=target["server"],
        strategy=target["strategy"],
        opened=stopped.opened,
        reused=stopped.reused,
        garbage_collected=stopped.closed.get("garbage_collected", 0),
        refused=sum(stopped.connect_errors.values()),
        sessions=trial.connections.sessions or 0,
        requests=len(response),
        failures=int(sum(trial.requests.failed)),
        p50_seconds=_quantile(response, 0.5),
        p99_seconds=_quantile(response, 0.99),
        mean_seconds=float(response.mean()),
        peak_open=trial.peak,
        cpu_per_request=((trial.cpu_seconds.app or 0.0) + (trial.cpu_seconds.database or 0.0)) / in_window,
    )


def _quantile(response: np.typing.NDArray[np.float64], share: float) -> float:
    """The observation whose bucket histogram_quantile looks into."""
    return float(np.quantile(response, share, method="inverted_cdf"))


def write(path: Path, trials: Sequence[Recorded]) -> None:
    path.write_bytes(_ALL.dump_json(list(trials), indent=1) + b"\n")


def read(path: Path) -> list[Recorded]:
    return _ALL.validate_json(path.read_bytes())
