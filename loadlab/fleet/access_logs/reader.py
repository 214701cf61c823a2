"""Counts the lines of logs by the second of their time, block by block."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.fleet.access_logs.counts import LONGEST_DAYS, SecondCounts
from loadlab.fleet.access_logs.files import lines_of, named
from loadlab.fleet.access_logs.times import expected, recognised, second_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.fleet.access_logs.times import LogFormat, Search, Stamp

SKIP: Final = "Set skip_unreadable = true to leave out such lines."


@dataclass(kw_only=True, slots=True)
class LogReader:
    """Counts the requests of one or several logs, and the lines that were read and left out.

    A request counts if its path matches one of `only`, where there are any, and none of `without`. An unreadable line
    ends the reading, unless `skip_unreadable` is set.
    """

    time_key: str | None = None
    only: list[str] = field(default_factory=list)
    without: list[str] = field(default_factory=list)
    skip_unreadable: bool = False
    counts: SecondCounts = field(default_factory=SecondCounts)
    lines: int = 0
    unreadable: int = 0

    def read(self, patterns: list[str]) -> None:
        """Read all files of these names and globs.

        Raises:
            UsageError: one of them, or one of their lines, cannot be read.
        """
        for name in named(patterns):
            self._read_file(name)

    def _read_file(self, name: str) -> None:
        selection: _Selection | None = None
        before = 0
        for lines in lines_of(name):
            selection = selection or self._selection(lines)
            stamps = selection.stamps(lines) if selection else [None] * len(lines)
            self._count(_Block(name=name, before=before, lines=lines, stamps=stamps), selection)
            before += len(lines)
        self.lines += before

    def _selection(self, lines: Sequence[bytes]) -> _Selection | None:
        """What counts in a file; its format is that of the first line that has a time."""
        formats = (recognised(line, self.time_key) for line in lines)
        found = next((one for one in formats if one), None)
        return _Selection.of(found, self.only, self.without) if found else None

    def _count(self, block: _Block, selection: _Selection | None) -> None:
        counted = selection.counted(block) if selection else Counter(block.stamps)
        for stamp, requests in counted.items():
            second = second_of(stamp)
            if second is None:
                self._leave_out(block, stamp, selection.log.expected if selection else expected(self.time_key))
            elif not self.counts.add(second, requests):
                place = f"{block.name}, line {block.numbers(stamp)[0]}"
                raise UsageError(
                    f"{place}: its time is more than {LONGEST_DAYS} days from others. Give the files of fewer days."
                )

    def _leave_out(self, block: _Block, stamp: Stamp | None, what: str) -> None:
        """Never says what the line has: it may be personal."""
        numbers = block.numbers(stamp)
        if numbers and not self.skip_unreadable:
            raise UsageError(f"{block.name}, line {numbers[0]}: no time can be read. Expected: {what}. {SKIP}")
        self.unreadable += len(numbers)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """Some lines of a file, `before` of them come before, and the stamp of each; None where none is found."""

    name: str
    before: int
    lines: Sequence[bytes]
    stamps: Sequence[Stamp | None]

    def numbers(self, stamp: Stamp | None) -> list[int]:
        """The lines that have this stamp; blank ones are left out."""
        numbered = enumerate(zip(self.lines, self.stamps, strict=True), self.before + 1)
        return [number for number, (line, one) in numbered if one == stamp and line.strip()]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Selection:
    """The lines of a file that count."""

    log: LogFormat
    only: Search | None
    without: Search | None

    @classmethod
    def of(cls, log: LogFormat, only: list[str], without: list[str]) -> _Selection:
        return cls(log=log, only=log.paths(only) if only else None, without=log.paths(without) if without else None)

    def stamps(self, lines: Sequence[bytes]) -> list[Stamp | None]:
        search = self.log.search
        return [found.group(1, 2) if (found := search(line)) else None for line in lines]

    def counted(self, block: _Block) -> Counter[Stamp | None]:
        """How many lines of each stamp are wanted; 0 of those that belong to the log's time alone."""
        if self.only is None and self.without is None:
            return Counter(block.stamps)
        counted = Counter(dict.fromkeys(block.stamps, 0))
        pairs = zip(block.stamps, block.lines, strict=True)
        counted.update(stamp for stamp, line in pairs if self._wants(line))
        return counted

    def _wants(self, line: bytes) -> bool:
        return (self.only is None or bool(self.only(line))) and not (self.without and self.without(line))
