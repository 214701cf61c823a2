"""Reads a run folder, which may come from anybody: a record counts in its own place alone, and nothing is written."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from loadlab.errors import UsageError
from loadlab.model.case import Case
from loadlab.model.caveats import Caveat, CaveatKind
from loadlab.model.config import Scalar
from loadlab.model.samples import Restart, Trial
from loadlab.model.session import Continuation, Session
from loadlab.store.progress import Event, of_line
from loadlab.system.files import (
    DamagedFileError,
    NewerFileError,
    is_no_folder,
    plain_json,
    plain_toml,
    read_regular,
    unsealed,
    what_else,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PLAN: Final = "plan.toml"
SCHEDULE: Final = "schedule.json"
ENVIRONMENT: Final = "environment.json"
RESTARTS: Final = "restarts.json"
PROGRESS: Final = "progress.jsonl"
SESSIONS: Final = "sessions"
CHANGED: Final = "changed since: "
MOST_KEYS: Final = 5  # of a changed plan, in a message
LOST_SESSION: Final = "What its trials were measured on is not known."
LONGEST_SECONDS: Final = 1e7
_MOST_TEXT: Final = 1 << 26  # bytes of a plan or an environment


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One trial that a run is to make: the `order`-th of all, in `block`, of the case at index `case`."""

    order: int
    block: int
    case: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What a run has set out to do, fixed when it starts, so that it can be completed later exactly so.

    `key` tells this run from every other, and `plan` is the text of its plan.toml; both are empty in runs of loadlab
    0.1.0, which are not sealed. `continuation` is how it was begun.
    """

    id: str
    started: str
    version: str
    cases: list[Case]
    steps: list[Step]
    key: str = ""
    plan: str = ""
    continuation: Continuation = field(default_factory=Continuation)


SCHEDULES: Final = TypeAdapter(Schedule)
TRIALS: Final = TypeAdapter(Trial)
RESTART_LISTS: Final = TypeAdapter(list[Restart])
SESSION_RECORDS: Final = TypeAdapter(Session)
_ENVIRONMENT: Final = TypeAdapter(dict[str, dict[str, Scalar]])


class RunReader:
    """One run on disk, to be read: schedule, plan, sessions/, environment, progress.jsonl, trials/ and restarts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder of an earlier run.

        Raises:
            UsageError: there is no run.
        """
        if not os.path.lexists(path / SCHEDULE):
            raise UsageError(f"{path} holds no run: there is no schedule.json in it.")
        return cls(path)

    def plan(self) -> str:
        """The plan's text, as the run began with it.

        Raises:
            UsageError: the run is not sealed, and the file is gone, or no text.
        """
        return self.schedule().plan or self._plan_file()

    def _plan_file(self) -> str:
        path = self.path / PLAN
        try:
            return read_regular(path, most_bytes=_MOST_TEXT).decode()
        except (OSError, DamagedFileError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {brief(error)}. This run cannot be read.") from error

    def schedule(self) -> Schedule:
        """What the run set out to do.

        Raises:
            UsageError: the file is damaged, or of a newer loadlab.
        """
        path = self.path / SCHEDULE
        try:
            schedule: Schedule = _record(path, "run", SCHEDULES)
            _require_whole(schedule)
        except (DamagedFileError, OSError) as error:
            raise UsageError(
                f"{path} is damaged: {brief(error)}. Without it this run cannot be read. Restore it from a copy, or"
                f" measure anew: loadlab run {self.path / PLAN} --out ANOTHER_FOLDER."
            ) from error
        return schedule

    def sessions(self) -> tuple[list[Session], list[Caveat]]:
        """The sessions in their order, and a caveat for each that cannot be read; number 0 is an unsealed run's own."""
        sessions: list[Session] = []
        damaged: list[Caveat] = []
        for path in sorted((self.path / SESSIONS).glob("*.json")):
            try:
                session: Session = _record(path, "session", SESSION_RECORDS)
                _require_name(path, session.number)
                sessions.append(session)
            except (DamagedFileError, OSError) as error:
                damaged.append(_damage(f"{SESSIONS}/{path.name}", brief(error), LOST_SESSION))
        if not sessions and not damaged and (environment := self.environment()):
            sessions = [Session(number=0, began=self.schedule().started, environment=environment)]
        return sessions, damaged

    def environment(self) -> dict[str, dict[str, Scalar]]:
        """What environment.json says; nothing if it is damaged. Sessions say the same under a seal."""
        with suppress(OSError, DamagedFileError, ValidationError):
            return self._environment()
        return {}

    def _environment(self) -> dict[str, dict[str, Scalar]]:
        return _ENVIRONMENT.validate_python(
            plain_json(read_regular(self.path / ENVIRONMENT, most_bytes=_MOST_TEXT)), strict=True
        )

    def restarts(self) -> tuple[list[Restart], list[Caveat]]:
        """What is known of restarts of the database, and a caveat if the file is damaged."""
        try:
            return _record(self.path / RESTARTS, "restarts", RESTART_LISTS), []
        except FileNotFoundError:
            return [], []
        except (DamagedFileError, OSError) as error:
            return [], [_damage(RESTARTS, brief(error), f"{self.continuation().command(self.path)} counts them again.")]

    def trials(self) -> tuple[list[Trial], list[Caveat]]:
        """All trials that can be trusted, in order, and a caveat for each file that cannot.

        A record counts under its own name, at its own place in the schedule and in its own run alone: a copy of another
        is damage.

        Raises:
            UsageError: the schedule cannot be read, or a newer loadlab wrote a record.
        """
        trials: list[Trial] = []
        damaged: list[Caveat] = []
        schedule = self.schedule()
        advice = f"It counts as missing; {self.continuation().command(self.path)} measures it again."
        if is_no_folder(room := self.path / "trials"):
            return [], [_damage("trials", "it is not a folder", advice)]
        for path in sorted(room.glob("*.json")):
            try:
                trial: Trial = _record(path, "trial", TRIALS)
                _require_own(trial, path, schedule)
                _require_whole_columns(trial)
                trials.append(trial)
            except (DamagedFileError, OSError) as error:
                damaged.append(_damage(f"trials/{path.name}", brief(error), advice))
        return trials, damaged

    def damage(self, trials: Sequence[Trial]) -> list[Caveat]:
        """A caveat for each file beside the records of `trials` that is not what was written."""
        sessions, damaged = self.sessions()
        again = f"{self.continuation().command(self.path)} writes it anew."
        if fault := self.plan_fault():
            remedy = f"Remove it: {again}" if os.path.lexists(self.path / PLAN) else again
            figures = {"fault": fault, "remedy": remedy}
            damaged.append(Caveat(kind=CaveatKind.DAMAGED_PLAN, subject=PLAN, figures=figures))
        if fault := self.environment_fault(trials):
            known = bool(sessions and sessions[-1].number)
            damaged.append(_damage(ENVIRONMENT, fault, again if known else "It is lost."))
        if other := what_else(self.path / PROGRESS):
            damaged.append(_damage(PROGRESS, other, again))
        return damaged

    def lost_sessions(self, trials: Sequence[Trial]) -> list[Caveat]:
        """A caveat for each session that measured some of `trials`, and of which there is no record any more."""
        there = {int(path.stem) for path in (self.path / SESSIONS).glob("[0-9]*.json") if path.stem.isdecimal()}
        lost = sorted({trial.session for trial in trials} - there - {0})
        return [
            Caveat(
                kind=CaveatKind.SESSION_LOST,
                subject=f"{SESSIONS}/{number:04d}.json",
                figures={"remedy": LOST_SESSION},
            )
            for number in lost
        ]

    def plan_fault(self) -> str:
        """Why plan.toml cannot be what the run began with; empty if it can, or if nothing tells."""
        sealed_plan = self.schedule().plan
        try:
            text = read_regular(self.path / PLAN, most_bytes=_MOST_TEXT).decode()
            if not sealed_plan or text == sealed_plan:
                return ""
            if not text.strip():
                return "it is empty"
            return _not_the_same(plain_toml(sealed_plan), plain_toml(text))
        except (OSError, DamagedFileError, UnicodeDecodeError) as error:
            return brief(error)

    def require_same_plan(self) -> None:
        """Refuse to go on after somebody has edited the plan.

        Raises:
            UsageError: plan.toml is a plan, but another one than the run began with.
        """
        fault = self.plan_fault()
        if fault.startswith(CHANGED):
            raise UsageError(
                f"{self.path / PLAN} is not the plan that this run began with: {fault}. Trials of two plans cannot be"
                f" in one run. Measure the new plan in another folder: loadlab run {self.path / PLAN} --out"
                f" ANOTHER_FOLDER. Or remove the file: {self.continuation().command(self.path)} writes it anew."
            )

    def environment_fault(self, trials: Sequence[Trial]) -> str:
        """Why environment.json cannot be what was written; empty if it can."""
        sessions, _ = self.sessions()
        last = sessions[-1] if sessions else None
        try:
            environment = self._environment()
        except FileNotFoundError:
            return "it is missing" if trials or last else ""
        except (OSError, DamagedFileError, ValidationError) as error:
            return brief(error)
        if last is None or environment == last.environment:
            return ""
        return f"it does not say what {SESSIONS}/{last.number:04d}.json says"

    def continuation(self) -> Continuation:
        """What a command needs to go on with this run as its latest session did."""
        sessions, _ = self.sessions()
        return sessions[-1].continuation if sessions and sessions[-1].number else self.schedule().continuation

    def progress(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events from `offset` in bytes on, and the offset to go on from; half a line is left for later.

        Raises:
            DamagedFileError: it is not a file, or a beginning of the run in it is damaged.
        """
        try:
            whole, newline, _ = read_regular(self.path / PROGRESS, offset=offset).rpartition(b"\n")
        except FileNotFoundError:
            return [], offset
        except DamagedFileError as error:
            raise DamagedFileError(f"{PROGRESS}: {error}") from error
        try:
            events = [event for line in whole.splitlines() if (event := of_line(line))]
        except ValueError as error:
            raise DamagedFileError(f"{PROGRESS}: {error}") from error
        return events, offset + len(whole) + len(newline)


def _not_the_same(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Which keys of two plans differ, and how; empty if only comments and their form do."""
    old, new = _flat(before), _flat(after)
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    told = [f"{key} {_shown(old.get(key))} → {_shown(new.get(key))}" for key in changed[:MOST_KEYS]]
    more = [f"and {len(changed) - MOST_KEYS} more"] if len(changed) > MOST_KEYS else []
    return CHANGED + ", ".join([*told, *more]) if changed else ""


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """All values by their dotted keys; an empty table is a value too."""
    flat: dict[str, object] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) and value else {f"{prefix}{key}": value}
    return flat


def _shown(value: object) -> str:
    return "absent" if value is None else json.dumps(value, default=str)[:60]


def _require_whole(schedule: Schedule) -> None:
    if not all(0 <= step.case < len(schedule.cases) for step in schedule.steps):
        raise DamagedFileError("a step names a case that is not there")
    if len({step.order for step in schedule.steps}) != len(schedule.steps):
        raise DamagedFileError("an order is there twice")


def _require_name(path: Path, number: int) -> None:
    if path.name != f"{number:04d}.json":
        raise DamagedFileError(f"it is the record of {number:04d}, under another name")


def _require_own(trial: Trial, path: Path, schedule: Schedule) -> None:
    """Refuse a record in another's place.

    Raises:
        DamagedFileError: the record is that of another trial, or of another run.
    """
    if trial.run != schedule.key:
        raise DamagedFileError("it is the record of another run")
    _require_name(path, trial.order)
    step = next((step for step in schedule.steps if step.order == trial.order), None)
    if step is None:
        raise DamagedFileError("the schedule has no such trial")
    if (trial.block, trial.case) != (step.block, schedule.cases[step.case]):
        raise DamagedFileError("its case or block is not what the schedule says")


def _require_whole_columns(trial: Trial) -> None:
    """Refuse what has a right seal, and no lab could have measured."""
    if not 0 <= trial.window_start <= trial.window_end <= LONGEST_SECONDS:
        raise DamagedFileError("its window is none")
    requests, series = trial.requests, trial.series
    columns = (requests.response, requests.failed, *(each for each in (requests.due, requests.sent) if len(each)))
    if {len(each) for each in columns} - {len(requests.ended)}:
        raise DamagedFileError("its columns of requests are not equally long")
    if {len(each) for each in series.values.values()} - {len(series.at)}:
        raise DamagedFileError("its columns of samples are not equally long")


def _record(path: Path, kind: str, adapter: TypeAdapter[Any]) -> Any:  # noqa: ANN401  what the adapter makes
    """What a sealed file holds.

    Raises:
        DamagedFileError: the file is not what was written.
        OSError: it cannot be read.
        UsageError: a newer loadlab wrote it.
    """
    try:
        return adapter.validate_json(unsealed(read_regular(path), kind))
    except NewerFileError as error:
        raise UsageError(
            f"{path} was written by a newer loadlab (schema {error.schema}). Upgrade loadlab to read it."
        ) from error
    except ValidationError as error:
        raise DamagedFileError(brief(error)) from error


def _damage(name: str, fault: str, remedy: str) -> Caveat:
    return Caveat(kind=CaveatKind.DAMAGED, subject=name, figures={"fault": fault, "remedy": remedy})


def brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return str(error)
