"""Reads a run folder, which may come from anybody: a record counts in its own place alone, and nothing is written."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

from loadlab.errors import UsageError
from loadlab.model.caveats import Caveat
from loadlab.model.recorded import RecordedRun
from loadlab.model.session import LabSession
from loadlab.store.damage import LOST_SESSION, damage, damaged, lost_sessions
from loadlab.store.layout import ENVIRONMENT, HOLDING, OPENS, PLAN, RESTARTS, SCHEDULE, SESSIONS, TRIALS
from loadlab.store.progress_file import read_edges, read_events
from loadlab.store.records import (
    ENVIRONMENTS,
    HOLDING_RECORDS,
    OPENS_RECORDS,
    RESTART_RECORDS,
    SCHEDULE_RECORDS,
    SESSION_RECORDS,
    brief,
    read_record,
    require_name,
    require_own,
    require_whole,
)
from loadlab.store.run_progress import RunProgress, progress_of
from loadlab.store.trial_records import KnownCases, read_extract, read_trial
from loadlab.system.files import DamagedFileError, is_no_folder, plain_json, read_regular

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadlab.model.config import Scalar
    from loadlab.model.holding import Holding
    from loadlab.model.opens import Opens
    from loadlab.model.samples import Restart, Trial
    from loadlab.model.schedule import Schedule
    from loadlab.model.session import Continuation
    from loadlab.store.progress import Event

_MOST_TEXT: Final = 1 << 26  # bytes of a plan or an environment


class RunReader:
    """One run on disk, to be read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def at(cls, path: Path) -> Self:
        """The folder of an earlier run.

        Raises:
            UsageError: the folder holds no run.
        """
        if not os.path.lexists(path / SCHEDULE):
            what = f"it has no {SCHEDULE}" if path.is_dir() else "there is no such folder"
            raise UsageError(f"{path} holds no run: {what}. Name a run folder, such as runs/20261128-140000.")
        return cls(path)

    def plan(self) -> str:
        """The plan's text, as the run began with it.

        Raises:
            UsageError: the run is not sealed, and the file is gone, or no text.
        """
        if plan := self.schedule().plan:
            return plan
        try:
            return self.plan_file()
        except (OSError, DamagedFileError, UnicodeDecodeError) as error:
            raise UsageError(f"{self.path / PLAN} cannot be read: {brief(error)}. This run cannot be read.") from error

    def plan_file(self) -> str:
        """What the plan's file says now.

        Raises:
            OSError: it cannot be read.
            DamagedFileError: it is not a file.
            UnicodeDecodeError: it is not UTF-8.
        """
        return read_regular(self.path / PLAN, most_bytes=_MOST_TEXT).decode()

    def schedule(self) -> Schedule:
        """What the run set out to do.

        Raises:
            UsageError: the file is damaged, or of a newer loadlab.
        """
        path = self.path / SCHEDULE
        try:
            schedule = read_record(path, "run", SCHEDULE_RECORDS)
            require_whole(schedule)
        except (DamagedFileError, OSError) as error:
            raise UsageError(
                f"{path} is damaged: {brief(error)}. Without it this run cannot be read. Restore it from a copy, or"
                f" measure again: loadlab run {self.path / PLAN} --out ANOTHER_FOLDER."
            ) from error
        return schedule

    def sessions(self) -> tuple[list[LabSession], list[Caveat]]:
        """The sessions in their order, and a caveat for each that cannot be read; number 0 is an unsealed run's own."""
        sessions: list[LabSession] = []
        found: list[Caveat] = []
        for path in sorted((self.path / SESSIONS).glob("*.json")):
            try:
                session = read_record(path, "session", SESSION_RECORDS)
                require_name(path, session.number)
                sessions.append(session)
            except (DamagedFileError, OSError) as error:
                found.append(damaged(f"{SESSIONS}/{path.name}", brief(error), LOST_SESSION))
        if not sessions and not found and (environment := self.environment()):
            sessions = [LabSession(number=0, began=self.schedule().started, environment=environment)]
        return sessions, found

    def environment(self) -> dict[str, dict[str, Scalar]]:
        """What the environment's file says; nothing if it is damaged. Sessions say the same under a seal."""
        with suppress(OSError, DamagedFileError):
            return self.environment_file()
        return {}

    def environment_file(self) -> dict[str, dict[str, Scalar]]:
        """The same.

        Raises:
            OSError: it cannot be read.
            DamagedFileError: it is not JSON as loadlab writes it, or says something else.
        """
        return ENVIRONMENTS.read(plain_json(read_regular(self.path / ENVIRONMENT, most_bytes=_MOST_TEXT)))

    def restarts(self) -> tuple[list[Restart], list[Caveat]]:
        """What is known of restarts of the database, and a caveat if the file is damaged."""
        try:
            return read_record(self.path / RESTARTS, "restarts", RESTART_RECORDS), []
        except FileNotFoundError:
            return [], []
        except (DamagedFileError, OSError) as error:
            again = f"{self.continuation().command(self.path)} counts them again."
            return [], [damaged(RESTARTS, brief(error), again)]

    def opens(self) -> tuple[Opens | None, list[Caveat]]:
        """Where the time of an open goes, None where it was not measured; and a caveat if the file is damaged."""
        try:
            return read_record(self.path / OPENS, "opens", OPENS_RECORDS), []
        except FileNotFoundError:
            return None, []
        except (DamagedFileError, OSError) as error:
            return None, [damaged(OPENS, brief(error), "It is lost.")]

    def holding(self) -> tuple[Holding | None, list[Caveat]]:
        """What a kept connection costs, in the same way."""
        try:
            return read_record(self.path / HOLDING, "holding", HOLDING_RECORDS), []
        except FileNotFoundError:
            return None, []
        except (DamagedFileError, OSError) as error:
            return None, [damaged(HOLDING, brief(error), "It is lost.")]

    def trials(self) -> tuple[list[Trial], list[Caveat]]:
        """All trials that can be trusted, in order, and a caveat for each file that cannot.

        A record counts under its own name, at its own place in the schedule and in its own run alone: a copy of another
        is damage.

        Raises:
            UsageError: the schedule cannot be read, or a newer loadlab wrote a record.
        """
        return self._trials(read_trial)

    def trials_in_extract(self) -> tuple[list[Trial], list[Caveat]]:
        """The same with extracts in place of their columns, which are many times as large.

        Raises:
            UsageError: as above.
        """
        return self._trials(read_extract)

    def _trials(self, read: Callable[[Path, KnownCases], Trial]) -> tuple[list[Trial], list[Caveat]]:
        trials: list[Trial] = []
        found: list[Caveat] = []
        schedule = self.schedule()
        known = KnownCases(schedule.cases)
        steps = {step.order: step for step in schedule.steps}
        advice = f"It counts as missing; {self.continuation().command(self.path)} measures it again."
        if is_no_folder(room := self.path / TRIALS):
            return [], [damaged(TRIALS, "it is not a folder", advice)]
        for name in sorted(each.name for each in room.glob("*.json")):
            path = room / name
            try:
                trial = read(path, known)
                require_own(trial, path, schedule, steps)
                trials.append(trial)
            except (DamagedFileError, OSError) as error:
                found.append(damaged(f"{TRIALS}/{path.name}", brief(error), advice))
        return trials, found

    def recorded(self) -> RecordedRun:
        """All of it, for an analysis.

        Raises:
            UsageError: the plan or the schedule cannot be read, or a newer loadlab wrote a record.
        """
        return _ReadOnce(self.path).at_once()

    def continuation(self) -> Continuation:
        """What a command needs to go on with this run as its latest session did."""
        sessions, _ = self.sessions()
        return sessions[-1].continuation if sessions and sessions[-1].number else self.schedule().continuation

    def progress(self) -> RunProgress:
        """How the run has gone so far.

        Raises:
            DamagedFileError: see `events`.
        """
        return progress_of(self.events()[0])

    def events(self, offset: int = 0, part: int | None = None) -> tuple[list[Event], int]:
        """The events from `offset` in bytes on, or those of a `part` of so many, and the offset to go on from.

        Raises:
            DamagedFileError: it is not a file, or a beginning of the run in it is damaged.
        """
        return read_events(self.path, offset, part)

    def edges(self) -> RunProgress:
        """How the run began and ended, without what is between.

        Raises:
            DamagedFileError: see `events`.
        """
        return read_edges(self.path)


class _ReadOnce(RunReader):
    """The same at one moment: what several questions are asked of is read once."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._schedule: Schedule | None = None
        self._sessions: tuple[list[LabSession], list[Caveat]] | None = None

    def schedule(self) -> Schedule:
        if self._schedule is None:
            self._schedule = super().schedule()
        return self._schedule

    def sessions(self) -> tuple[list[LabSession], list[Caveat]]:
        if self._sessions is None:
            self._sessions = super().sessions()
        return self._sessions

    def at_once(self) -> RecordedRun:
        trials, damaged_trials = self.trials_in_extract()
        restarts, damaged_restarts = self.restarts()
        opens, damaged_opens = self.opens()
        holding, damaged_holding = self.holding()
        return RecordedRun(
            schedule=self.schedule(),
            plan=self.plan(),
            plan_path=str(self.path / PLAN),
            sessions=self.sessions()[0],
            trials=trials,
            restarts=restarts,
            opens=opens,
            holding=holding,
            damaged=[*damaged_trials, *damaged_restarts, *damaged_opens, *damaged_holding, *damage(self, trials)],
            lost_sessions=lost_sessions(self, trials),
        )
