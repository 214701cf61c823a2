"""Sealed records: how each kind is written, and what makes one that is read back count as damaged."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import msgspec

from loadlab.errors import UsageError
from loadlab.model.columns import unpack
from loadlab.model.config import Scalar
from loadlab.model.holding import Holding
from loadlab.model.opens import Opens
from loadlab.model.samples import Restart, Trial
from loadlab.model.schedule import Schedule
from loadlab.model.session import LabSession
from loadlab.store.earlier import as_today
from loadlab.system.files import DamagedFileError, NewerFileError, read_regular, unsealed_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from pydantic import TypeAdapter

    from loadlab.model.schedule import Step

LONGEST_SECONDS: Final = 1e7
T = TypeVar("T")


class Records(Generic[T]):
    """One kind of record. msgspec reads those that are right; pydantic, which takes long to load, reads the others.

    Both read the same annotations, and pydantic says in words what is wrong; a test compares them. `renewed` makes
    today's record of one of an earlier loadlab.
    """

    def __init__(self, form: type[T], renewed: Callable[[T], T] | None = None) -> None:
        self._form = form
        self._renewed = renewed

    @cached_property
    def _adapter(self) -> TypeAdapter[T]:
        from pydantic import TypeAdapter  # noqa: PLC0415  see above

        return TypeAdapter(self._form)

    def written(self, record: T) -> bytes:
        """The record as JSON."""
        return self._adapter.dump_json(record)

    def read(self, value: object) -> T:
        """What a JSON value says.

        Raises:
            DamagedFileError: it is something else.
        """
        try:
            record = self.plainly(value)
        except (msgspec.ValidationError, ValueError):
            record = self.explained(value)
        return self._renewed(record) if self._renewed else record

    def plainly(self, value: object) -> T:
        """The same by msgspec.

        Raises:
            msgspec.ValidationError, ValueError: it may be something else.
        """
        return msgspec.convert(value, self._form, dec_hook=_unpacked)

    def explained(self, value: object) -> T:
        """The same by pydantic.

        Raises:
            DamagedFileError: it is something else.
        """
        from pydantic import ValidationError  # noqa: PLC0415  see above

        try:
            return self._adapter.validate_python(value)
        except ValidationError as error:
            first = error.errors()[0]
            raise DamagedFileError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error


def _unpacked(_: type, value: object) -> Sequence[float]:
    """A column: the only class in records that JSON does not have."""
    return unpack(value)


SCHEDULE_RECORDS: Final = Records(Schedule)
TRIAL_RECORDS: Final = Records(Trial, as_today)
RESTART_RECORDS: Final = Records(list[Restart])
OPENS_RECORDS: Final = Records(Opens)
HOLDING_RECORDS: Final = Records(Holding)
SESSION_RECORDS: Final = Records(LabSession)
ENVIRONMENTS: Final = Records(dict[str, dict[str, Scalar]])


def read_record(path: Path, kind: str, records: Records[T]) -> T:
    """What a sealed file holds.

    Raises:
        DamagedFileError: the file is not what was written.
        OSError: it cannot be read.
        UsageError: a newer loadlab wrote it.
    """
    return records.read(read_value(path, kind))


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
    if isinstance(error, FileNotFoundError):
        return "it is missing"
    if isinstance(error, UnicodeDecodeError):
        return f"it is not UTF-8 text (byte {error.start})"
    if isinstance(error, OSError):
        return str(error.strerror or error)
    return str(error)
