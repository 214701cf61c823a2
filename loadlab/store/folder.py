"""The run folder: written so that a crash at any moment loses nothing that was measured, and read with suspicion."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model.samples import Restart, Trial
from loadlab.model.session import Continuation, LabSession
from loadlab.store.layout import (
    ENVIRONMENT,
    HOLDING,
    LOCK,
    LOGS,
    MEASURED,
    OPENS,
    PLAN,
    PROGRESS,
    RESTARTS,
    SCHEDULE,
    SESSIONS,
    TRIALS,
    session_record,
    trial_record,
)
from loadlab.store.progress import Event, to_line
from loadlab.store.reader import RunReader
from loadlab.store.records import HOLDING_RECORDS, OPENS_RECORDS, RESTART_RECORDS, SCHEDULE_RECORDS, SESSION_RECORDS
from loadlab.store.trial_records import KIND, body_of
from loadlab.system.files import DamagedFileError, open_regular, sealed, what_else, write_whole
from loadlab.system.full_disk import why_unwritten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from loadlab.model.config import Scalar
    from loadlab.model.holding import Holding
    from loadlab.model.opens import Opens
    from loadlab.model.schedule import Schedule


class RunFolder(RunReader):
    """One run on disk, to be measured into: what a reader finds, with logs and reports."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._session = 0  # that trials are measured in now
        self._key: str | None = None  # of the schedule, once a trial needs it
        self._was_there = False  # before the run began

    @property
    def logs(self) -> Path:
        return self.path / LOGS

    @property
    def rooms(self) -> tuple[Path, ...]:
        """The folders in it that every run has."""
        return tuple(self.path / name for name in (LOGS, TRIALS, SESSIONS))

    @classmethod
    def begin(cls, path: Path, plan: str, schedule: Schedule) -> RunFolder:
        """Make the folder of a new run; its schedule gets a key and the plan's text.

        Raises:
            UsageError: the folder holds something already, is a link, or cannot be made.
            EnvironmentFaultError: the disk is full.
        """
        folder = cls(path)
        if path.is_symlink():
            raise UsageError(f"{path} is a link. Name the folder itself with --out.")
        folder._was_there = path.is_dir()
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(
                    f"{path} is not empty. Name another folder with --out, or continue a run with --resume {path}."
                )
            folder.make_rooms()
        except OSError as error:
            raise UsageError(
                f"Cannot create the run folder {path}: {error.strerror}. Name a writable folder with --out DIR."
            ) from error
        try:
            folder.write_text(PLAN, plan)
            whole = replace(schedule, key=secrets.token_hex(8), plan=plan)
            folder._seal(SCHEDULE, "run", SCHEDULE_RECORDS.written(whole))
        except EnvironmentFaultError:
            folder.discard()
            raise
        return folder

    def write_schedule(self, schedule: Schedule) -> None:
        """Keep what remains to be made; the run's key and plan stay."""
        self._seal(SCHEDULE, "run", SCHEDULE_RECORDS.written(schedule))

    def make_rooms(self) -> None:
        for room in self.rooms:
            room.mkdir(exist_ok=True)

    def has_begun(self) -> bool:
        """Whether a trial has been started in it, and so has left a record, or at least its log."""
        return any((self.path / TRIALS).glob("*")) or any(self.logs.glob("[0-9]*"))

    def discard(self) -> None:
        """Remove what loadlab has put into the folder of a run that came to nothing; and the folder, if it made it."""
        for path in (self.path / name for name in MEASURED):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
        if not self._was_there:
            with suppress(OSError):  # what others have put there stays
                self.path.rmdir()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other labs from measuring into this folder.

        Raises:
            UsageError: another lab works in it, or its lock is not a file.
            EnvironmentFaultError: the folder cannot be written to.
        """
        path = self.path / LOCK
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            if other := what_else(path):
                raise UsageError(f"{path} cannot be locked: {other}. Remove it.") from error
            raise EnvironmentFaultError(_write_fault(path, error)) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise UsageError(
                f"Another loadlab is working on {self.path}. Wait for it, or name another folder."
            ) from None
        try:
            yield
        finally:
            os.close(lock)

    @contextmanager
    def expected_to_stay(self) -> Iterator[None]:
        """Inside, a failure says so if the folder has been removed or renamed.

        Raises:
            EnvironmentFaultError: the folder has gone.
        """
        before = self.path.stat()
        try:
            yield
        except (OSError, EnvironmentFaultError, UsageError) as error:
            if self._is_still(before):
                raise
            gone = EnvironmentFaultError(
                f"The run folder {self.path} has gone: it was removed or renamed during the run,"
                " together with its trials."
            )
            gone.add_note("Put it back and resume it, or run the same command again.")
            raise gone from error

    def _is_still(self, before: os.stat_result) -> bool:
        with suppress(OSError):
            return os.path.samestat(before, self.path.stat())
        return False

    def write_text(self, name: str, text: str | Iterable[str]) -> Path:
        """Write a file whole or not at all; the text may come in parts.

        Raises:
            EnvironmentFaultError: the disk is full, or does not take it for another reason.
        """
        path = self.path / name
        self._write(path, text.encode() if isinstance(text, str) else (part.encode() for part in text))
        return path

    def begin_session(self, environment: dict[str, dict[str, Scalar]], continuation: Continuation) -> LabSession:
        """Note on what the trials to come are measured; they carry its number.

        The environment's own file is a copy to read.
        """
        known = [session.number for session in self.sessions()[0]]
        named = [int(path.stem) for path in (self.path / SESSIONS).glob("[0-9]*") if path.stem.isdecimal()]
        began = datetime.now(UTC).isoformat(timespec="seconds")
        if known == [0] and not named:  # the only trace of what an unsealed run was begun on is about to be replaced
            self._keep_session(LabSession(number=0, began=self.schedule().started, environment=self.environment()))
        session = LabSession(
            number=max([*known, *named], default=0) + 1,
            began=began,
            environment=environment,
            continuation=continuation,
        )
        self._keep_session(session)
        self.write_environment(environment)
        self._session = session.number
        return session

    def _keep_session(self, session: LabSession) -> None:
        self._seal(session_record(session.number), "session", SESSION_RECORDS.written(session))

    def write_environment(self, environment: dict[str, dict[str, Scalar]]) -> None:
        self.write_text(ENVIRONMENT, json.dumps(environment, indent=1))

    def add_progress(self, event: Event) -> None:
        """Append to what others may follow; a run that cannot say how it goes on goes on."""
        with suppress(OSError, DamagedFileError):
            file = open_regular(self.path / PROGRESS, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            try:
                os.write(file, to_line(event))  # at once: threads of the lab may write at the same time
            finally:
                os.close(file)

    def add_trial(self, trial: Trial) -> None:
        if self._key is None:
            self._key = self.schedule().key
        whole = replace(trial, run=self._key, session=self._session)
        self._seal(trial_record(trial.order), KIND, body_of(whole))

    def write_restarts(self, restarts: list[Restart]) -> None:
        self._seal(RESTARTS, "restarts", RESTART_RECORDS.written(restarts))

    def write_opens(self, opens: Opens) -> None:
        self._seal(OPENS, "opens", OPENS_RECORDS.written(opens))

    def write_holding(self, holding: Holding) -> None:
        self._seal(HOLDING, "holding", HOLDING_RECORDS.written(holding))

    def _seal(self, name: str, kind: str, body: bytes) -> None:
        self._write(self.path / name, sealed(kind, body))

    def _write(self, path: Path, content: bytes | Iterable[bytes]) -> None:
        try:
            write_whole(path, content)
        except OSError as error:
            raise EnvironmentFaultError(_write_fault(path, error)) from error


def _write_fault(path: Path, error: OSError) -> str:
    if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
        return f"{path} cannot be written: {error.strerror}. Let this user write there, or copy the folder."
    why = why_unwritten(error)
    if error.errno in {errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST}:
        why = f"{what_else(path) or 'something else has its name'}. Remove it, or give it another name"
    return f"{path} cannot be written: {why}."
