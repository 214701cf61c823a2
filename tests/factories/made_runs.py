"""Makes run folders for tests of the live page: runs that look measured, and progress as if they had just gone on."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from factories import plain
from loadlab.model.holders import by_holder
from loadlab.model.metrics import RESPONSE_SECONDS
from loadlab.model.schedule import Schedule, Step
from loadlab.plan.experiment import read_plan
from loadlab.plan.schedule import schedule
from loadlab.store.folder import RunFolder
from loadlab.store.progress import (
    FaultApplied,
    FaultLifted,
    Noticed,
    RunBegan,
    RunEnded,
    Sampled,
    TrialBegan,
    TrialEnded,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadlab.model.case import Case

PLAN: Final = """
seed = 1
blocks = {blocks}
warmup_seconds = 0.2
window_seconds = 0.6
users = {users}
control = "sync"
[servers.sync]
[servers.gevent]
[strategies.max_age]
max_age = [0, 60, "none"]
"""
BEGAN: Final = 1_800_000_000.0
HZ: Final = 2


@dataclass(frozen=True, kw_only=True)
class MadeRun:
    """A run folder in the making; `clock` is where its progress has come to."""

    folder: RunFolder
    schedule: Schedule

    @property
    def name(self) -> str:
        return self.folder.path.name

    def begins(self, *, at: float = BEGAN, pid: int | None = None) -> None:
        total = len(self.schedule.steps)
        done = len(list((self.folder.path / "trials").iterdir()))
        self.folder.add_progress(RunBegan(at=at, total=total, done=done, trial_seconds=3.0, pid=pid or os.getpid()))

    def trial(self, order: int, *, at: float, seconds: float = 3.0, ended: bool = True, **record: Any) -> float:
        """One trial, looked at as often as a lab does; returns when it was over."""
        step = self.schedule.steps[order]
        add = self.folder.add_progress
        add(TrialBegan(at=at, order=order, block=step.block, case=step.case, ledgers="/nowhere"))
        looks = int(seconds * HZ)
        for look in range(looks + 1):
            add(sampled(order, at + look / HZ, look))
        if ended:
            self.record(order, **record)
            state, reason = record.get("state", "complete"), record.get("reason", "")
            add(TrialEnded(at=at + seconds, order=order, state=state, reason=reason))
        return at + seconds

    def fault(self, order: int, *, at: float, until: float | None = None, words: str = "database_restart") -> None:
        self.folder.add_progress(FaultApplied(at=at, order=order, fault=words))
        if until is not None:
            self.folder.add_progress(FaultLifted(at=until, order=order))

    def record(self, order: int, **changes: Any) -> None:
        step = self.schedule.steps[order]
        made = replace(plain.trial(order), block=step.block, case=self.schedule.cases[step.case], **changes)
        self.folder.add_trial(made)

    def notice(self, what: str) -> None:
        self.folder.add_progress(Noticed(at=BEGAN, what=what))

    def ends(self, state: Any = "complete", reason: str = "", *, at: float = BEGAN) -> None:
        self.folder.add_progress(RunEnded(at=at, state=state, reason=reason))


def sampled(order: int, at: float, look: int) -> Sampled:
    """After `look` looks: 50 requests in each, half of them on connections that were open already."""
    buckets = [0] * (len(RESPONSE_SECONDS) + 1)
    buckets[10], buckets[30] = 45 * look, 5 * look
    values = {
        "open": 4.0 + look % 3,
        **by_holder({"leaked": look % 3, "in_use": 1, "idle": 3}),
        "peak": 4.0 + min(look, 2),
        "opened": 25.0 * look,
        "reused": 25.0 * look,
        "closed_garbage_collected": 20.0 * look,
        "backends_active": 1.0,
        "backends_idle": 3.0 + look % 3,
        "backends_idle_in_transaction": 0.0,
        "backends_other": 0.0,
        "cpu_app": 0.4 * look,
        "cpu_database": 0.3 * look,
        "cpu_generator": 0.1 * look,
        "requests": 50.0 * look,
        "failures": 1.0 * look,
        "response_seconds_sum": 0.5 * look,
        "max_connections": 100.0,
    }
    return Sampled(at=at, order=order, values=values, response_buckets=buckets)


def made_run(
    path: Path, *, blocks: int = 2, users: Sequence[int] = (8,), cases: Sequence[Case] | None = None
) -> MadeRun:
    """A run that has been planned, and of which nothing has happened."""
    text = PLAN.format(blocks=blocks, users=list(users))
    experiment = read_plan(text, "plan.toml")
    chosen = list(cases or experiment.cases)
    steps = schedule(chosen, blocks, 1)
    planned = Schedule(
        id=path.name,
        started="2026-01-01T00:00:00+00:00",
        version="test",
        cases=chosen,
        steps=[Step(order=order, block=block, case=case) for order, (block, case) in enumerate(steps)],
    )
    return MadeRun(folder=RunFolder.begin(path, text, planned), schedule=planned)
