"""A target that others serve is looked at until all agree, and what keeps it from being seen makes a trial invalid."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.external_target import ExternalTarget
from loadlab.lab.lab import Lab
from loadlab.lab.target import Sample
from loadlab.lab.trial import run_trial
from loadlab.load.generator.contract import LoadResult
from loadlab.model.counts import ConnectionCounts
from loadlab.model.plan import Deployment, Plan
from loadlab.model.requests import Requests
from loadlab.model.schedule import Step
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.model.samples import Trial

PLAN = """
blocks = 1
warmup_seconds = 0.0
window_seconds = 0.1
scenarios = ["read_one"]
[target]
url = "http://127.0.0.1:1"
"""


def look(
    opened: int,
    *,
    open: int = 2,  # noqa: A002  as in the counts
    sessions: int | None = None,
    answered: int | None = None,
    reset: float = 0.0,
) -> Sample:
    closed = {"max_age": opened - open + 2} if opened else {}
    asked = {} if sessions is None else {"sessions": sessions, "sessions_reset": reset, "backends": open}
    return Sample(
        counts=ConnectionCounts(open=open, opened=opened, closed=closed, first_uses=opened, reused=7),
        answered=answered,
        values=asked,
    )


class Scripted(ExternalTarget):
    """What it shows is told to it, look by look; the last of them stays."""

    __slots__ = ("looks",)
    looks: list[Sample | EnvironmentFaultError]

    @classmethod
    def of(cls, *looks: Sample | EnvironmentFaultError) -> Scripted:
        target = cls(deployment=Deployment(url="http://127.0.0.1:1"), scratch=Path())
        object.__setattr__(target, "looks", list(looks))
        return target

    def look(self) -> Sample:
        now = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(now, EnvironmentFaultError):
            raise now
        return now

    @contextmanager
    def another(self) -> Iterator[Any]:
        yield SimpleNamespace(look=lambda: look(5))


def trial_of(target: Scripted, folder: Path) -> Trial:
    experiment = read_plan(PLAN, "x")
    plan: Plan = experiment.plan
    requests = Requests(ended=[0.05], response=[0.01], failed=[0.0])
    result = LoadResult(requests=requests, failures={}, examples={}, busy=(0.5,))
    drive = SimpleNamespace(pid=0, started=time.monotonic(), wait=lambda: result, counts=lambda: None)
    begin: Callable[[object], Any] = lambda _: drive  # noqa: E731
    register: Any = SimpleNamespace(folder=folder)
    generator: Any = SimpleNamespace(begin=begin)
    lab = Lab(plan=plan, register=register, generator=generator, observer=None, logs=folder)
    return run_trial(experiment.cases[0], Step(order=0, block=0, case=0), lab, target)


def test_counts_are_those_since_before_the_load(tmp_path: Path) -> None:
    trial = trial_of(Scripted.of(look(100, answered=1000), look(103, answered=1001)), tmp_path)
    assert trial.state == "complete"
    assert trial.connections.at_rest.opened == 3
    assert trial.connections.open_before == 2
    assert trial.served == 1
    assert trial.cpu_seconds.app is None
    assert trial.cpu_seconds.generator == pytest.approx(0.05)


def test_without_request_counts_database_requests_are_a_lower_bound(tmp_path: Path) -> None:
    assert trial_of(Scripted.of(look(100), look(104)), tmp_path).served == 4


def test_it_is_waited_for_until_postgresql_has_heard_of_every_session(tmp_path: Path) -> None:
    waiting = [look(103, sessions=count) for count in (50, 50, 51, 52, 52)]
    trial = trial_of(Scripted.of(look(100, sessions=50), *waiting, look(103, sessions=53)), tmp_path)
    assert trial.connections.sessions == 3
    assert trial.connections.exact


def test_statistics_that_were_reset_meanwhile_judge_nothing(tmp_path: Path) -> None:
    reset = look(103, sessions=60, reset=1.0)
    connections = trial_of(Scripted.of(look(100, sessions=50), reset), tmp_path).connections
    assert (connections.sessions, connections.left_open) == (None, 2)
    assert not connections.exact
    assert connections.mismatches == ()
    assert "statistics were reset meanwhile" in connections.unjudged


def test_counters_that_reset_invalidate_an_external_trial(tmp_path: Path) -> None:
    trial = trial_of(Scripted.of(look(100), look(102), look(4)), tmp_path)
    assert trial.state == "invalid"
    assert "counters were reset: it was restarted, or several hosts answer" in trial.reason


def test_unreadable_metrics_at_an_edge_invalidate_the_trial(tmp_path: Path) -> None:
    gone = EnvironmentFaultError("no answer")
    trial = trial_of(Scripted.of(look(100), look(101), gone, look(102)), tmp_path)
    assert trial.state == "invalid"
    assert trial.reason == "the metrics could not be read at the end of the window: no answer"


def test_a_target_that_is_gone_before_the_load_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFaultError, match="gone"):
        trial_of(Scripted.of(EnvironmentFaultError("gone")), tmp_path)
