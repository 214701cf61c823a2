"""Sealed records: how each kind is written, and what makes one that is read back count as damaged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, TypeAdapter, ValidationError

from loadlab.errors import UsageError
from loadlab.model.opens import Opens
from loadlab.model.samples import Restart, Trial
from loadlab.model.schedule import Schedule
from loadlab.model.session import Session
from loadlab.store.earlier import as_today
from loadlab.system.files import DamagedFileError, NewerFileError, read_regular, unsealed_value

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadlab.model.schedule import Step

LONGEST_SECONDS: Final = 1e7

SCHEDULE_RECORDS: Final = TypeAdapter(Schedule)
TRIAL_RECORDS: Final = TypeAdapter(Annotated[Trial, AfterValidator(as_today)])
RESTART_RECORDS: Final = TypeAdapter(list[Restart])
OPENS_RECORDS: Final = TypeAdapter(Opens)
SESSION_RECORDS: Final = TypeAdapter(Session)


def read_record(path: Path, kind: str, adapter: TypeAdapter[Any]) -> Any:  # noqa: ANN401  what the adapter makes
    """What a sealed file holds.

    Raises:
        DamagedFileError: the file is not what was written.
        OSError: it cannot be read.
        UsageError: a newer loadlab wrote it.
    """
    return checked(read_value(path, kind), adapter)


def read_value(path: Path, kind: str) -> Any:  # noqa: ANN401  any JSON
    """The same before it is checked.

    Raises:
        DamagedFileError, OSError, UsageError: as above.
    """
    try:
        return unsealed_value(read_regular(path), kind)
    except NewerFileError as error:
        raise UsageError(
            f"{path} was written by a newer loadlab (schema {error.schema}). Upgrade loadlab to read it."
        ) from error


def checked(value: object, adapter: TypeAdapter[Any]) -> Any:  # noqa: ANN401  what the adapter makes
    """What a record says, as the adapter makes it.

    Raises:
        DamagedFileError: it is something else.
    """
    try:
        return adapter.validate_python(value)
    except ValidationError as error:
        raise DamagedFileError(brief(error)) from error


def require_whole(schedule: Schedule) -> None:
    if not all(0 <= step.case < len(schedule.cases) for step in schedule.steps):
        raise DamagedFileError("a step names a case that is not there")
    if len({step.order for step in schedule.steps}) != len(schedule.steps):
        raise DamagedFileError("an order is there twice")


def require_name(path: Path, number: int) -> None:
    if path.name != f"{number:04d}.json":
        raise DamagedFileError(f"it is the record of {number:04d}, under another name")


def require_own(trial: Trial, path: Path, schedule: Schedule, steps: Mapping[int, Step]) -> None:
    """Refuse a record in another's place; `steps` are those of the schedule, by their order.

    Raises:
        DamagedFileError: the record is that of another trial, or of another run.
    """
    if trial.run != schedule.key:
        raise DamagedFileError("it is the record of another run")
    require_name(path, trial.order)
    step = steps.get(trial.order)
    if step is None:
        raise DamagedFileError("the schedule has no such trial")
    if (trial.block, trial.case) != (step.block, schedule.cases[step.case]):
        raise DamagedFileError("its case or block is not what the schedule says")


def require_whole_columns(trial: Trial) -> None:
    """Refuse what has a right seal, and no lab could have measured."""
    if not 0 <= trial.window_start <= trial.window_end <= LONGEST_SECONDS:
        raise DamagedFileError("its window is none")
    requests, series = trial.requests, trial.series
    columns = (requests.response, requests.failed, *(each for each in (requests.due, requests.sent) if len(each)))
    if {len(each) for each in columns} - {len(requests.ended)}:
        raise DamagedFileError("its columns of requests are not equally long")
    if {len(each) for each in series.values.values()} - {len(series.at)}:
        raise DamagedFileError("its columns of samples are not equally long")


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
