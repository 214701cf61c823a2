"""The names of all files in a run folder: no other module spells one."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

PLAN: Final = "plan.toml"
SCHEDULE: Final = "schedule.json"
ENVIRONMENT: Final = "environment.json"
RESTARTS: Final = "restarts.json"
OPENS: Final = "opens.json"
HOLDING: Final = "holding.json"
PROGRESS: Final = "progress.jsonl"
LOCK: Final = ".lock"

# Folders in it.
TRIALS: Final = "trials"
SESSIONS: Final = "sessions"
LOGS: Final = "logs"
PROMETHEUS: Final = "prometheus"  # what a Prometheus has stored

LOCUST_LOG: Final = "locust.log"
POSTGRESQL_LOG: Final = "postgresql.log"

# Everything in it but the reports.
MEASURED: Final = (
    PLAN,
    SCHEDULE,
    ENVIRONMENT,
    RESTARTS,
    OPENS,
    HOLDING,
    PROGRESS,
    LOCK,
    SESSIONS,
    LOGS,
    TRIALS,
    PROMETHEUS,
)


def trial_record(order: int) -> str:
    return f"{TRIALS}/{order:04d}.json"


def session_record(number: int) -> str:
    return f"{SESSIONS}/{number:04d}.json"


def trial_log(order: int, server: str) -> str:
    """In `LOGS`: what a server says during a trial."""
    return f"{order:04d}-{server}.log"


def report(suffix: str) -> str:
    """The report of the format with that suffix.

    >>> report("json")
    'report.json'
    """
    return f"report.{suffix}"


def records(run: Path, kind: str) -> dict[int, Path]:
    """The records of trials or sessions (`TRIALS` or `SESSIONS`) by the number that each has in its name."""
    found = sorted((run / kind).glob("[0-9]*.json"))
    return {int(path.stem): path for path in found if path.stem.isdecimal()}


def orders(run: Path) -> set[int]:
    """Those of the trials that have a record; none where there is no folder of them."""
    with suppress(OSError), os.scandir(run / TRIALS) as found:
        stems = [each.name.removesuffix(".json") for each in found if each.name.endswith(".json")]
        return {int(stem) for stem in stems if stem.isdecimal()}
    return set()


def has_trials(run: Path) -> bool:
    """Whether any trial has left a record, readable or not."""
    return any((run / TRIALS).glob("*.json"))
