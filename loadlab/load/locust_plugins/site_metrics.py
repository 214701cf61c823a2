"""Follows the metrics of the site under load: what its connections did between one look and the next."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.model.counts import ConnectionCounts
from loadlab.model.growth import began_anew, increase, without_gaps
from loadlab.scrape import scrape
from loadlab.system.fetching import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.reading import Reading

TOKEN_VARIABLE: Final = "LOADLAB_TARGET_METRICS_TOKEN"  # noqa: S105  where it is, not what it is
TIMEOUT_SECONDS: Final = 5.0
LOOKS_KEPT: Final = 1800  # an hour at one look every two seconds
REFUSALS: Final = {401: f"; its token goes into {TOKEN_VARIABLE}", 403: f"; its token goes into {TOKEN_VARIABLE}"}
NOTHING: Final = ConnectionCounts()

Source = tuple[str, str]  # a database alias, and the host, which has a name where one exposition holds several


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteSample:
    """One look at the metrics, `at` seconds of the epoch: what has grown in the `seconds` since the look before.

    A look that failed has a `fault`, and the first one nothing to compare with.
    """

    at: float
    seconds: float = 0.0
    grown: Mapping[Source, ConnectionCounts] = field(default_factory=dict)
    fault: str = ""
    restarted: bool = False


class History:
    """The latest looks, the oldest of which are forgotten, and what all of them add up to."""

    def __init__(self, looks_kept: int = LOOKS_KEPT) -> None:
        self.looks: deque[SiteSample] = deque(maxlen=looks_kept)
        self.sums: dict[Source, ConnectionCounts] = defaultdict(ConnectionCounts)
        self.restarts = 0
        self._known: dict[Source, ConnectionCounts] = {}
        self._read_at: float | None = None

    def add(self, reading: Reading, *, at: float) -> None:
        """A look that succeeded. Over looks that failed, rates are means."""
        known, then = self._known, self._read_at
        now = {
            (alias, host): without_gaps(known.get((alias, host), NOTHING), counts)
            for alias, hosts in reading.hosts.items()
            for host, counts in hosts.items()
        }
        # What one look misses was not begun anew: the next one is set beside what was there before.
        self._known, self._read_at = {**known, **now}, reading.at
        if then is None:
            self.looks.append(SiteSample(at=at))
            return
        restarted = any(began_anew(known[source], counts) for source, counts in now.items() if source in known)
        grown = {source: increase(_before(source, known, counts), counts) for source, counts in now.items()}
        for source, counts in grown.items():
            self.sums[source] += counts
        self.restarts += restarted
        seconds = max(reading.at - then, 1e-9)
        self.looks.append(SiteSample(at=at, seconds=seconds, grown=grown, restarted=restarted))

    def miss(self, fault: str, *, at: float) -> None:
        """A look that failed."""
        self.looks.append(SiteSample(at=at, fault=fault))


def _before(source: Source, known: Mapping[Source, ConnectionCounts], now: ConnectionCounts) -> ConnectionCounts:
    """An alias that comes into use counts from zero; what a host has counted before it joins others does not count."""
    joins = source not in known and any(alias == source[0] for alias, _ in known)
    return now if joins else known.get(source, NOTHING)


def look(history: History, url: str, token: str | None) -> None:
    """Look once at the metrics at `url`; a failure is part of the history."""
    try:
        reading = scrape(url, token, seconds=TIMEOUT_SECONDS)
    except UnreadableError as error:
        history.miss(f"{error.what}{REFUSALS.get(error.status or 0, '')}", at=time.time())
    else:
        history.add(reading, at=time.time())
