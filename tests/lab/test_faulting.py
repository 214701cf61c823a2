"""The faults of a plan are applied to its trials when they act, and undone."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import pytest
from laboratory import in_longer_windows

from loadlab.errors import UsageError
from loadlab.faults import Fault, FaultEffect
from loadlab.lab import faulting
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import TrialRunner

    from loadlab.faults import FaultContext
    from loadlab.faults.base import Acts
    from loadlab.model.plan import Plan
    from loadlab.model.samples import Trial

SLOW = {"added_latency": {"round_trip_ms": 3.0}}
applied: list[tuple[str, float]] = []


@dataclass(frozen=True, kw_only=True, slots=True)
class Noted(Fault):
    """Writes down when it is applied and undone, and where the target reaches its database."""

    acts: ClassVar[Acts] = "at_instant"

    @contextmanager
    def applied(self, context: FaultContext) -> Iterator[FaultEffect]:
        applied.append((f"applied to {context.database.name}", time.monotonic()))
        yield FaultEffect()
        applied.append(("undone", time.monotonic()))


def lasted(done: Trial) -> bool:
    """Whether the last fault was there from the middle of the window on, or hardly later."""
    (_, began), (_, ended) = applied[-2:]
    return ended - began >= 0.4 * (done.window_end - done.window_start)


def test_a_fault_of_the_plan_acts_throughout_every_trial(trial: TrialRunner) -> None:
    slow = trial.changed(plan=replace(trial.lab.plan, faults=SLOW))("sync", max_age=60, window_seconds=0.4)
    assert slow.connections.mismatches == ()
    assert min(slow.requests.response) >= 0.003


def test_a_fault_at_an_instant_lasts_until_the_window_ends(trial: TrialRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    def acting(_plan: Plan, acts: Acts) -> list[Fault]:
        return [Noted()] if acts == "at_instant" else []

    monkeypatch.setattr(faulting, "acting", acting)
    applied.clear()
    done = in_longer_windows(trial, "sync", max_age=60, window_seconds=0.4, enough=lasted)
    assert done.connections.mismatches == ()
    assert [what for what, _ in applied[-2:]] == ["applied to loadlab", "undone"]
    assert lasted(done)


@pytest.mark.parametrize(
    ("faults", "message"),
    [
        ("[faults.earthquake]", "faults.earthquake: unknown fault"),
        ("[faults.added_latency]\nround_trip_ms = -1", "faults.added_latency.round_trip_ms"),
        ("[faults.database_restart]\nhow = 1", "faults.database_restart.how"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_before_anything_starts(faults: str, message: str) -> None:
    plan = f"[servers.sync]\n[strategies.max_age]\nmax_age = [0]\n{faults}"
    with pytest.raises(UsageError, match=message):
        read_plan(plan, "plan.toml")
