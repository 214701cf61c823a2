"""Counters: what all ledgers of a directory say together, of processes that live and of those that have ended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from loadlab.instrumentation import layout
from loadlab.instrumentation.archive import Archive
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.model.counts import ConnectionCounts
from loadlab.model.holders import COUNTED, Holder
from loadlab.model.metrics import CONNECTION, CloseReason, ConnectError, ProcessRole, UnitKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Kind = TypeVar("Kind", UnitKind, ProcessRole)


@dataclass(frozen=True, slots=True)
class Totals:
    """The cells of one database alias; durations in seconds, histograms as counts per bucket (last one: +Inf)."""

    cells: tuple[int, ...]

    @property
    def closed(self) -> dict[CloseReason, int]:
        return {reason: self.cells[layout.CLOSED_AT + reason] for reason in CloseReason}

    @property
    def open(self) -> int:
        return self.cells[layout.OPEN_AT]

    @property
    def opened(self) -> int:
        return sum(self.closed.values()) + self.open

    @property
    def unsettled(self) -> int:
        """Attempts to connect that are under way, or were when their process was killed."""
        return self.cells[layout.UNSETTLED_AT]

    @property
    def connect_errors(self) -> dict[ConnectError, int]:
        return {kind: self.cells[layout.FAILED_AT + kind] for kind in ConnectError}

    @property
    def requests_opened(self) -> int:
        """Requests that were the first of their connection."""
        return self.cells[layout.OPENED_FOR_AT]

    @property
    def requests_reused(self) -> int:
        """Requests whose connection had served others before."""
        return self.cells[layout.REQUESTED_AT] - self.cells[layout.OPENED_FOR_AT]

    @property
    def units(self) -> dict[UnitKind, tuple[int, int]]:
        """Units of work of each kind: how many were the first of their connection, and how many found one in use.

        What an earlier loadlab has counted, which knew no kinds, counts as requests.
        """
        all_units = (self.requests_opened, self.requests_reused)
        return _with_rest(UnitKind.REQUEST, all_units, self._pairs(UnitKind, layout.UNITS_AT))

    @property
    def roles(self) -> dict[ProcessRole, tuple[int, int]]:
        """Connections by what their process is for: how many are open, and how many were opened."""
        return _with_rest(ProcessRole.OTHER, (self.open, self.opened), self._pairs(ProcessRole, layout.ROLES_AT))

    @property
    def holders(self) -> dict[Holder, int]:
        """Open connections by who holds them."""
        return {holder: self.cells[layout.HOLDERS_AT + holder] for holder in COUNTED}

    def _other_units(self) -> dict[str, int]:
        """Those that are no requests, by the words that a metric has for them."""
        pairs = self._pairs(UnitKind, layout.UNITS_AT).items()
        counts = {f"{kind.label}_{how}": n for kind, pair in pairs for how, n in zip(CONNECTION, pair, strict=True)}
        return {name: count for name, count in counts.items() if count}

    def _pairs(self, kinds: type[Kind], at: int) -> dict[Kind, tuple[int, int]]:
        starts = {kind: at + layout.PAIR * (kind - 1) for kind in kinds if kind}
        return {kind: (self.cells[start], self.cells[start + 1]) for kind, start in starts.items()}

    @property
    def connect_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.CONNECT_AT : layout.CONNECT_SUM_US_AT]

    @property
    def connect_seconds(self) -> float:
        return self.cells[layout.CONNECT_SUM_US_AT] / 1e6

    @property
    def age_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.AGE_AT : layout.AGE_SUM_US_AT]

    @property
    def age_seconds(self) -> float:
        return self.cells[layout.AGE_SUM_US_AT] / 1e6

    @property
    def request_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.REQUESTS_AT : layout.REQUESTS_SUM_AT]

    @property
    def pool_size(self) -> int:
        return self.cells[layout.POOLED_AT]

    @property
    def pool_available(self) -> int:
        return self.cells[layout.AVAILABLE_AT]

    @property
    def pool_waiting(self) -> int:
        return self.cells[layout.WAITING_AT]

    @property
    def wait_buckets(self) -> tuple[int, ...]:
        return self.cells[layout.WAIT_AT : layout.WAIT_SUM_US_AT]

    @property
    def wait_seconds(self) -> float:
        return self.cells[layout.WAIT_SUM_US_AT] / 1e6

    @property
    def pooled(self) -> bool:
        """Whether a pool holds any of the connections, or has ever lent one."""
        return bool(self.pool_size or self.pool_waiting or any(self.wait_buckets))

    @property
    def requests(self) -> int:
        """Requests served by connections that have closed."""
        return self.cells[layout.REQUESTS_SUM_AT]

    @property
    def counts(self) -> ConnectionCounts:
        """All but the histograms, as the rest of loadlab counts; a histogram's sum and number of values stay."""
        return ConnectionCounts(
            opened=self.opened,
            reused=self.requests_reused,
            closed={reason.label: count for reason, count in self.closed.items() if count},
            open=self.open,
            holders={holder.label: count for holder, count in self.holders.items() if count},
            connect_errors={kind.label: count for kind, count in self.connect_errors.items() if count},
            unsettled=self.unsettled,
            connect_seconds_sum=self.connect_seconds,
            waits=sum(self.wait_buckets),
            wait_seconds_sum=self.wait_seconds,
            first_uses=self.requests_opened,
            units=self._other_units(),
            connects=sum(self.connect_buckets),
            ended=sum(self.age_buckets),
            ended_seconds_sum=self.age_seconds,
            pool_size=self.pool_size,
            pool_available=self.pool_available,
            pool_waiting=self.pool_waiting,
        )


def _with_rest(
    rest: Kind, everything: tuple[int, int], pairs: Mapping[Kind, tuple[int, int]]
) -> dict[Kind, tuple[int, int]]:
    """All pairs, and first what is left of everything for the kind that has no cells."""
    first, second = (
        whole - sum(each) for whole, each in zip(everything, zip(*pairs.values(), strict=True), strict=True)
    )
    return {rest: (first, second), **pairs}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the ledgers say at one instant: totals by alias, live processes, and files that had to be set aside.

    `cut_off` says by alias how many attempts to connect were under way when their processes ended.
    """

    aliases: dict[str, Totals]
    processes: int
    damaged: int
    cut_off: dict[str, int] = field(default_factory=dict)

    def of(self, aliases: Iterable[str]) -> Totals:
        """The totals of several aliases together; all zero for those that were not used."""
        known = [self.aliases[alias].cells for alias in aliases if alias in self.aliases]
        return Totals(tuple(map(sum, zip([0] * layout.CELLS, *known, strict=True))))

    def counts(self, aliases: Iterable[str]) -> ConnectionCounts:
        """Those of several aliases together."""
        names = list(aliases)
        return replace(self.of(names).counts, cut_off=sum(self.cut_off.get(name, 0) for name in names))


class CounterSet:
    """Reads the ledgers of `directory`."""

    def __init__(self, directory: Path, archive: type[Archive] = Archive) -> None:
        self._ledgers = archive(directory, LEDGERS)

    def read(self) -> Snapshot:
        """Count everything once; safe at any time, from any process, several at once.

        Raises:
            OSError: the directory cannot be read or written.
        """
        sums = self._ledgers.read()
        aliases = {alias: Totals(tuple(cells)) for alias, cells in sorted(sums.cells.items())}
        cut_off = {alias: cells[layout.UNSETTLED_AT] for alias, cells in sums.ended.items()}
        return Snapshot(aliases, sums.processes, sums.damaged, cut_off)


def counts_of(directory: Path, aliases: Iterable[str]) -> ConnectionCounts:
    """The connections of these aliases together, over all processes of a directory of ledgers."""
    return CounterSet(directory).read().counts(aliases)


def counts_by_alias(directory: Path, aliases: Iterable[str]) -> dict[str, ConnectionCounts]:
    """The same for each of them that was used."""
    known = CounterSet(directory).read().aliases
    return {alias: known[alias].counts for alias in aliases if alias in known and known[alias].opened}
