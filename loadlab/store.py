"""The run folder: written so that a crash at any moment loses nothing that was measured, and read with suspicion."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import TypeAdapter, ValidationError

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model.case import Case, Scalar
from loadlab.model.findings import Caveat
from loadlab.model.progress import Event, of_line, to_line
from loadlab.model.samples import Restart, Trial

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA: Final = 1
_ENVELOPE: Final = re.compile(rb'\{"schema":(\d+),"sha256":"([0-9a-f]{64})","(\w+)":')
_TRIAL: Final = TypeAdapter(Trial)
_RESTARTS: Final = TypeAdapter(list[Restart])


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """One trial that a run is to make: the `order`-th of all, in `block`, of the case at index `case`."""

    order: int
    block: int
    case: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """What a run has set out to do, fixed when it starts, so that it can be completed later exactly so."""

    id: str
    started: str
    version: str
    cases: list[Case]
    steps: list[Step]


_SCHEDULE: Final = TypeAdapter(Schedule)
_ENVIRONMENT: Final = TypeAdapter(dict[str, dict[str, Scalar]])


class DamagedFileError(Exception):
    """A file of the run folder cannot be what was written there."""


class RunFolder:
    """One run on disk: what it set out to do, progress.jsonl, trials/, restarts.json, logs/ and the reports."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def _progress(self) -> Path:
        return self.path / "progress.jsonl"

    @property
    def _trials(self) -> Path:
        return self.path / "trials"

    @classmethod
    def begin(cls, path: Path, plan: str, schedule: Schedule) -> RunFolder:
        """Make the folder of a new run.

        Raises:
            UsageError: the folder holds something already, or cannot be made.
        """
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            if any(path.iterdir()):
                raise UsageError(f"{path} is not empty. Name another folder with --out, or go on with --resume {path}.")
            folder.logs.mkdir()
            folder._trials.mkdir()
        except OSError as error:
            raise UsageError(
                f"The run folder {path} cannot be made: {error.strerror}. Name one that this user may write: --out DIR."
            ) from error
        folder.write_text("plan.toml", plan)
        folder._seal("schedule.json", "run", _SCHEDULE.dump_json(schedule))
        return folder

    def has_begun(self) -> bool:
        """Whether a trial has been started in it, and so has left a record, or at least its log."""
        return any(self._trials.iterdir()) or any(self.logs.glob("[0-9]*"))

    def discard(self) -> None:
        """Remove the folder of a run that came to nothing."""
        shutil.rmtree(self.path)

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """The folder of an earlier run.

        Raises:
            UsageError: there is no run.
        """
        if not (path / "schedule.json").is_file():
            raise UsageError(f"{path} holds no run: there is no schedule.json in it.")
        return cls(path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other lab from measuring into this folder.

        Raises:
            UsageError: another one is at it.
        """
        lock = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
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

    def write_text(self, name: str, text: str) -> Path:
        """Write a file whole or not at all.

        Raises:
            EnvironmentFaultError: the disk is full, or does not take it for another reason.
        """
        path = self.path / name
        self._write(path, text.encode())
        return path

    def write_environment(self, environment: dict[str, dict[str, Scalar]]) -> None:
        self.write_text("environment.json", json.dumps(environment, indent=1))

    def add_progress(self, event: Event) -> None:
        """Append to what others may follow; a run that cannot say how it goes on goes on."""
        with suppress(OSError):
            file = os.open(self._progress, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(file, to_line(event))  # at once: threads of the lab may write at the same time
            finally:
                os.close(file)

    def progress(self, offset: int = 0) -> tuple[list[Event], int]:
        """The events from `offset` in bytes on, and the offset to go on from; half a line is left for later."""
        try:
            with self._progress.open("rb") as file:
                file.seek(offset)
                whole, newline, _ = file.read().rpartition(b"\n")
        except FileNotFoundError:
            return [], offset
        events = [event for line in whole.splitlines() if (event := of_line(line))]
        return events, offset + len(whole) + len(newline)

    def add_trial(self, trial: Trial) -> None:
        self._seal(f"trials/{trial.order:04d}.json", "trial", _TRIAL.dump_json(trial))

    def write_restarts(self, restarts: list[Restart]) -> None:
        self._seal("restarts.json", "restarts", _RESTARTS.dump_json(restarts))

    def restarts(self) -> list[Restart]:
        """What is known of restarts of the database; none where the run has not counted any, or the file is damaged."""
        try:
            return _RESTARTS.validate_json(_unseal((self.path / "restarts.json").read_bytes(), "restarts"))
        except (DamagedFileError, ValidationError, OSError):
            return []

    def plan(self) -> str:
        """The plan's text, as the run began with it.

        Raises:
            UsageError: the file is gone, or no text.
        """
        path = self.path / "plan.toml"
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path} cannot be read: {error}. This run cannot be read.") from error

    def schedule(self) -> Schedule:
        """What the run set out to do.

        Raises:
            UsageError: the file is damaged, or of a newer loadlab.
        """
        try:
            return _SCHEDULE.validate_json(_unseal((self.path / "schedule.json").read_bytes(), "run"))
        except (DamagedFileError, ValidationError, OSError) as error:
            raise UsageError(f"{self.path / 'schedule.json'} is damaged: {error}. This run cannot be read.") from error

    def environment(self) -> dict[str, dict[str, Scalar]]:
        try:
            return _ENVIRONMENT.validate_json((self.path / "environment.json").read_bytes())
        except (OSError, ValidationError):
            return {}

    def trials(self) -> tuple[list[Trial], list[Caveat]]:
        """All trials that can be trusted, in order, and a caveat for each file that cannot."""
        trials: list[Trial] = []
        damaged: list[Caveat] = []
        for path in sorted(self._trials.glob("*.json")):
            try:
                trials.append(_TRIAL.validate_json(_unseal(path.read_bytes(), "trial")))
            except (DamagedFileError, ValidationError, OSError) as error:
                advice = f"It counts as missing; loadlab run --resume {self.path} measures it again."
                damaged.append(Caveat(subject=f"trials/{path.name}", text=f"Damaged: {_brief(error)}.", advice=advice))
        return trials, damaged

    def _seal(self, name: str, kind: str, body: bytes) -> None:
        """Write JSON in an envelope with its own checksum."""
        digest = hashlib.sha256(body).hexdigest()
        self._write(self.path / name, f'{{"schema":{SCHEMA},"sha256":"{digest}","{kind}":'.encode() + body + b"}")

    def _write(self, path: Path, content: bytes) -> None:
        draft = path.with_name(f".{path.name}.draft")
        try:
            with draft.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise EnvironmentFaultError(_write_fault(path, error)) from error


def _write_fault(path: Path, error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{path} cannot be written: {error.strerror}. Let this user write there, or copy the folder."
    why = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else str(error.strerror)
    return f"{path} cannot be written: {why}. All earlier trials are safe; make room and go on with --resume."


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _unseal(content: bytes, kind: str) -> bytes:
    """The body of a sealed file, if it is what was written.

    Raises:
        DamagedFileError: it is not.
        UsageError: a newer loadlab wrote it.
    """
    envelope = _ENVELOPE.match(content)
    if envelope is None or envelope[3] != kind.encode():
        raise DamagedFileError("not a record of loadlab")
    if int(envelope[1]) > SCHEMA:
        raise UsageError(
            f"This run was written by a newer loadlab (schema {int(envelope[1])}). Upgrade loadlab to read it."
        )
    body = content[envelope.end() : -1]
    if not content.endswith(b"}") or hashlib.sha256(body).hexdigest().encode() != envelope[2]:
        raise DamagedFileError("the checksum does not match")
    return body


def _brief(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)
