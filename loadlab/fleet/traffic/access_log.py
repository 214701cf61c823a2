"""The requests of a real access log, second by second."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Self

import numpy as np

from loadlab.errors import UsageError
from loadlab.fleet.access_logs.files import beside
from loadlab.fleet.access_logs.reader import LogReader
from loadlab.fleet.traffic.base import Traffic
from loadlab.model.bounds import Before, Bounds
from loadlab.model.fleet import Rates

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.model.fleet import Counts

Text = Annotated[str, Bounds(min_length=1)]
Share = Annotated[float, Bounds(gt=0, le=1, description="a share, more than 0 and at most 1")]
Factor = Annotated[float, Bounds(gt=0, le=1_000_000, description="a factor, more than 0")]
Files = Annotated[list[Text], Bounds(min_length=1), Before(lambda given: [given] if isinstance(given, str) else given)]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessLog(Traffic):
    """How many requests each second of the log has; within a second, they arrive at random.

    `files` are paths, globs, or "-" for standard input: one log in the combined or common format, gunicorn's format, or
    JSON lines, also in several parts and compressed. JSON has its time under `time_key`, or under a usual key.

    Only requests whose path matches one of the globs in `only` count, and none that matches one in `without`. Of these,
    `database_share` use the database. `scale` multiplies them. A line without a time is an error, or left out with
    `skip_unreadable`. The simulated time is as long as the log, unless another is asked for: then the log is repeated
    or cut.
    """

    files: Files
    time_key: Text | None = None
    only: list[Text] = field(default_factory=list)
    without: list[Text] = field(default_factory=list)
    database_share: Share = 1.0
    scale: Factor = 1.0
    skip_unreadable: Annotated[bool, Bounds(description="true or false")] = False

    def beside(self, folder: Path) -> Self:
        return replace(self, files=[beside(folder, name) for name in self.files])

    def rates(self, seconds: float | None) -> Rates:
        reader = LogReader(
            time_key=self.time_key, only=self.only, without=self.without, skip_unreadable=self.skip_unreadable
        )
        reader.read(self.files)
        counts = reader.counts.by_second()
        if not counts.any():
            raise UsageError(self._nothing(reader))
        length = float(counts.size) if seconds is None else seconds
        steps = np.arange(np.ceil(length))
        return Rates(
            edges=np.append(steps, length),
            per_second=np.resize(counts.astype(float), steps.size) * (self.scale * self.database_share),
            remarks=tuple(self._remarks(reader, counts, length)),
        )

    def _nothing(self, reader: LogReader) -> str:
        asked = " whose path matches only and without" if self.only or self.without else ""
        return f"Of {reader.lines:,} lines of the access log, none is a request{asked}."

    def _remarks(self, reader: LogReader, counts: Counts, length: float) -> Iterator[str]:
        if self.only or self.without:
            yield f"{counts.sum():,} of {reader.lines:,} lines of the access log count, by their paths."
        if reader.unreadable:
            yield f"{reader.unreadable:,} of {reader.lines:,} lines of the access log were unreadable and left out."
        if length > counts.size:
            yield f"The access log covers {counts.size:,} s, and is repeated until {length:,.0f} s are over."
        if length < counts.size:
            yield f"Of the {counts.size:,} s of the access log, the first {length:,.0f} s are used."
