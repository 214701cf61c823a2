"""The record of a trial: all columns of its requests, and the extract that stands for them in an analysis.

The extract is written with the columns, and believed for these very columns alone. A record of an earlier loadlab has
none, and gets it when it is read.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Final
from zlib import adler32

from loadlab.model.extract import VERSION, extract_of
from loadlab.model.requests import NO_REQUESTS
from loadlab.store.records import TRIAL_RECORDS, read_value, require_whole_columns
from loadlab.system.files import plain_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from loadlab.model.case import Case
    from loadlab.model.samples import Trial

KIND: Final = "trial"
COLUMNS: Final = ("ended", "response", "failed", "due", "sent", "dropped", "no_answer")
# What an analysis needs of a series: what was open, and all counts where nothing else says how much has a use.
OPEN: Final = ("open",)
COUNTS: Final = ("opened", "reused", "open")


def body_of(trial: Trial) -> bytes:
    """The record as JSON, with its extract if JSON can hold that."""
    body = TRIAL_RECORDS.written(replace(trial, extract=None))
    record: Any = plain_json(body)
    extract = asdict(replace(extract_of(trial), columns=_checksum(record)))
    with suppress(ValueError):  # a sample may be no number
        return json.dumps({**record, "extract": extract}, separators=(",", ":"), allow_nan=False).encode()
    return body


class KnownCases:
    """Cases by what records say of them: the trials of a case share one, that of the schedule if it is there."""

    def __init__(self, planned: Iterable[Case] = ()) -> None:
        self._planned = {case: case for case in planned}
        self._by_text: dict[str, Case] = {}

    def trial_of(self, record: Any) -> Trial:  # noqa: ANN401  any JSON
        """The trial of a record.

        Raises:
            DamagedFileError: no lab could have measured it.
        """
        if not isinstance(record, dict):
            return _checked(record)
        text = repr(record.get("case"))
        trial = _checked(record | {"case": self._by_text.get(text, record.get("case"))})
        if text not in self._by_text:
            self._by_text[text] = self._planned.get(trial.case, trial.case)
        return trial


def read_trial(path: Path, known: KnownCases) -> Trial:
    """The trial with all of its columns.

    Raises:
        DamagedFileError: the file is not what was written, or no lab could have measured it.
        OSError: it cannot be read.
        UsageError: a newer loadlab wrote it.
    """
    record = read_value(path, KIND)
    return known.trial_of(record | {"extract": None} if isinstance(record, dict) else record)


def read_extract(path: Path, known: KnownCases) -> Trial:
    """The same with an extract in place of the columns that it stands for.

    Raises:
        DamagedFileError, OSError, UsageError: as above.
    """
    record = _without_columns(read_value(path, KIND))
    return in_extract(known.trial_of(record))


def in_extract(trial: Trial) -> Trial:
    """The trial without the columns that its extract stands for."""
    if trial.extract:
        return trial
    series = replace(trial.series, values=_kept(trial.series.values, trial.case.usable_connections))
    return replace(trial, extract=extract_of(trial), requests=NO_REQUESTS, series=series)


def _checked(record: object) -> Trial:
    trial = TRIAL_RECORDS.read(record)
    require_whole_columns(trial)
    return trial


def _without_columns(record: Any) -> object:  # noqa: ANN401  any JSON
    """The record without the columns that its extract stands for, or without the extract if that is not theirs."""
    try:
        extract, series = record["extract"], record["series"]
        if (extract["version"], extract["columns"]) != (VERSION, _checksum(record)):
            return {**record, "extract": None}
        values = _kept(series["values"], record["case"]["usable_connections"])
    except (LookupError, TypeError, AttributeError):
        return record | {"extract": None} if isinstance(record, dict) else record
    return {**record, "requests": NO_REQUESTS, "series": {**series, "values": values}}


def _kept(values: Mapping[str, Any], usable: int | None) -> dict[str, Any]:
    names = COUNTS if usable is None else OPEN
    return {name: column for name, column in values.items() if name in names}


def _checksum(record: Mapping[str, Any]) -> int:
    """Of all columns, as they are packed."""
    return adler32("\n".join(_packed(record)).encode())


def _packed(record: Mapping[str, Any]) -> Iterable[str]:
    yield from (record["requests"][name] for name in COLUMNS)
    yield record["series"]["at"]
    yield from record["series"]["values"].values()
