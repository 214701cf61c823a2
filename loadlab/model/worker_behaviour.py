"""What connections do under one worker and strategy, with a fix or without: counted, with no clock in it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final

from loadlab.model.config import Config


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerSetting:
    """What a row is about: what runs the tasks, how connections live, the fix by its name ("" without), the driver."""

    worker: Config
    strategy: Config
    fix: str
    driver: str

    @property
    def id(self) -> str:
        return f"worker/{self.worker}/{self.strategy}/fix={self.fix or 'none'}/{self.driver}"


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerBehaviour:
    """One experiment: a fixed number of tasks, then the worker and the database are provoked.

    Of the tasks: `opened` sessions, with what was open when they began, and `reused` (tasks whose session had served
    another), `failed` tasks, the `peak` that PostgreSQL had at one instant, `left_open` when all are done, and `lost`
    sessions that ended meanwhile without a word to PostgreSQL. `exact` says that PostgreSQL has counted as many.

    `idle_opened`: sessions that a worker without tasks opens for each ten times that it looks for one.

    Of a restart of the database while `warm` connections were open: `failed_after_restart` tasks of all those that came
    until enough rounds in a row had no failure, `failed_later` of the round after them, and `ended` (0 or 1): whether
    the worker has ended by itself. `..._checked` is the same with CONN_HEALTH_CHECKS on.

    `failed_after_idle`: the same after PostgreSQL has ended `warm_idle` sessions by its idle_session_timeout.

    Of the end: `stop_abandoned` sessions of the `open_at_stop` ended without a word when the worker was asked to stop.
    """

    setting: WorkerSetting
    opened: int
    reused: int
    failed: int
    peak: int
    left_open: int
    lost: int
    exact: bool
    idle_opened: int
    warm: int
    failed_after_restart: int
    failed_later: int
    ended: int
    warm_checked: int
    failed_checked: int
    failed_later_checked: int
    ended_checked: int
    warm_idle: int
    failed_after_idle: int
    open_at_stop: int
    stop_abandoned: int


WORKER_COUNTS: Final = tuple(one.name for one in fields(WorkerBehaviour) if one.name not in ("setting", "exact"))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerRow:
    """What one setting did, over all repeats: the lowest and the highest of each of WORKER_COUNTS."""

    setting: WorkerSetting
    repeats: int
    spans: dict[str, tuple[int, int]]
    exact: bool
