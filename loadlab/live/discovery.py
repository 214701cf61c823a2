"""Tells a Prometheus which trials to scrape: /discovery answers in the format of its HTTP service discovery."""

from __future__ import annotations

import time
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.responses import JSONResponse
from starlette.routing import Route

from loadlab.live.reading.run_state import at_work
from loadlab.live.reading.run_views import run_views
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.model.condition import varying
from loadlab.store.layout import PROGRESS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.requests import Request

    from loadlab.live.reading.run_view import RunView
    from loadlab.live.reading.runs import Runs
    from loadlab.model.case import Case
    from loadlab.model.schedule import Schedule, Step
    from loadlab.store.run_progress import RunProgress

# Prometheus passes on what it has discovered every five seconds, and looks at what it was passed every five seconds.
LEAD_SECONDS: Final = 12.0
FINISHED: Final = 3  # as many trials as keep their ledgers after their end
LINGER_SECONDS: Final = 15.0  # after the end of the run
QUIET_SECONDS: Final = 600.0  # a run that goes on says something twice a second while a trial does


def discovery(request: Request) -> JSONResponse:
    """A group for each trial of each run that goes on: those about to begin, the one that runs, the last that ended."""
    runs: Runs = request.app.state.runs
    now = time.time()
    found = [(name, run) for name in runs.names() if (run := _recent(runs.find(name), now))]
    groups = [
        {"targets": [request.url.netloc], "labels": of_trial}
        for name, run in found
        for of_trial in labels(name, run.schedule, due(run.schedule, run.progress(), now))
    ]
    return JSONResponse(groups)


def _recent(path: Path | None, now: float) -> RunView | None:
    """A run that may go on; there may be hundreds that ended long ago, and they are not read."""
    if path is None:
        return None
    with suppress(OSError, UnreadableRunError):
        if (path / PROGRESS).stat().st_mtime > now - QUIET_SECONDS:
            return run_views().of(path)
    return None


def due(schedule: Schedule, progress: RunProgress, now: float) -> list[Step]:
    """The steps whose trials are to be scraped at `now`, in the order of the schedule."""
    began, running = progress.began, at_work(progress)
    if began is None or not (running or _has_just_ended(progress, now)):
        return []
    ended = [order for order, trial in progress.trials.items() if trial.ended]
    under_way = [order for order, trial in progress.trials.items() if not trial.ended and trial.began.at >= began.at]
    ahead = [step.order for step in schedule.steps if step.order not in progress.trials]
    soon = ahead[: ceil(LEAD_SECONDS / began.trial_seconds)] if running else []
    wanted = {*ended[-FINISHED:], *under_way, *soon}
    return [step for step in schedule.steps if step.order in wanted]


def _has_just_ended(progress: RunProgress, now: float) -> bool:
    return progress.ended is not None and now - progress.ended.at < LINGER_SECONDS


def labels(run: str, schedule: Schedule, steps: Iterable[Step]) -> list[dict[str, str]]:
    """What distinguishes each trial's series from another's. Its strategy's name is short: one of the run's own."""
    among = varying(schedule.cases)
    cases = ((step, schedule.cases[step.case]) for step in steps)
    return [_labels(run, step, case, among.spelt("strategy", case.strategy)) for step, case in cases]


def _labels(run: str, step: Step, case: Case, strategy: str) -> dict[str, str]:
    return {
        "job": "loadlab",
        "instance": f"{run}/{step.order:04d}",
        "__metrics_path__": f"/trials/{quote(run, safe='')}/{step.order:04d}/metrics",
        "server": case.server.name,
        "strategy": strategy,
        "max_age": _max_age(case),
        "keep_alive": "on" if case.keep_alive else "off",
        "scenario": case.scenario_name,
        "users": str(case.users),
        "block": str(step.block),
        "case": case.id,
    }


def _max_age(case: Case) -> str:
    if case.strategy.name != "max_age":
        return ""
    return "unlimited" if case.max_age is None else f"{case.max_age:g}"


routes = [Route("/discovery", discovery)]
