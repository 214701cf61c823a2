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

    from loadlab.model.fleet import Counts, Numbers

Text = Annotated[str, Bounds(min_length=1)]
Share = Annotated[float, Bounds(gt=0, le=1, description="a share, more than 0 and at most 1")]
Factor = Annotated[float, Bounds(gt=0, le=1_000_000, description="a factor, more than 0")]
Files = Annotated[list[Text], Bounds(min_length=1), Before(lambda given: [given] if isinstance(given, str) else given)]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessLog(Traffic):
    """The rate of a log, second by second; within a second, requests arrive at random.

    `files` are paths, globs, or "-" for standard input: one log in the combined or common format, gunicorn's format, or
    JSON lines, also in several parts and compressed. JSON has its time under `time_key`, or under a usual key.

    Only requests whose path matches one of the globs in `only` count, and none that matches one in `without`. Of these,
    `database_share` use the database. `scale` multiplies them. The rate changes every `step_seconds`. A line without a
    time is an error, or left out with `skip_unreadable`. The simulated time is as long as the log, unless another is
    asked for: then the log is repeated or cut.
    """

    files: Files
    time_key: Text | None = None
    only: list[Text] = field(default_factory=list)
    without: list[Text] = field(default_factory=list)
    database_share: Share = 1.0
    scale: Factor = 1.0
    step_seconds: Annotated[int, Bounds(ge=1, le=3600, description="whole seconds, from 1 to 3600")] = 1
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
        edges, per_second = self._repeated(counts, length)
        return Rates(edges=edges, per_second=per_second, remarks=tuple(self._remarks(reader, counts, length)))

    def _repeated(self, counts: Counts, length: float) -> tuple[Numbers, Numbers]:
        """The edges and rates of the steps of the log, over and over until the end."""
        starts = np.arange(0, counts.size, self.step_seconds)
        rates = np.add.reduceat(counts, starts) / np.diff(starts, append=counts.size)
        turns = np.arange(np.ceil(length / counts.size)) * counts.size
        steps = np.add.outer(turns, starts).ravel()
        within = steps < length
        per_second = np.tile(rates, turns.size)[within] * (self.scale * self.database_share)
        return np.append(steps[within], length), per_second

    def _nothing(self, reader: LogReader) -> str:
        asked = " whose path matches only and without" if self.only or self.without else ""
        return (
            f"Of {reader.lines:,} lines of the access log, none is a request{asked}. Name another log, or other paths."
        )

    def _remarks(self, reader: LogReader, counts: Counts, length: float) -> Iterator[str]:
        if self.only or self.without:
            yield f"{counts.sum():,} of {reader.lines:,} lines of the access log count, by their paths."
        if reader.unreadable:
            yield f"{reader.unreadable:,} of {reader.lines:,} lines of the access log were unreadable and left out."
        if length > counts.size:
            yield f"The access log covers {counts.size:,} s, and is repeated until {length:,.0f} s are over."
        if length < counts.size:
            yield f"Of the {counts.size:,} s of the access log, the first {length:,.0f} s are used."
