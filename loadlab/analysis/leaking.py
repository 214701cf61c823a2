"""Whether connections leak: one rule with a known number of usable connections, one without.

A connection leaks when it stays open and no later request can find it. The rules account for every opened connection:
closed in order, closed by the garbage collector, or still open. docs/explanation/why-it-leaks.md explains
them and gives error rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.counts import ConnectionCounts
    from loadlab.model.findings import Leak

COLLECTED, EXITED, EXPIRED = "garbage_collected", "process_exit", "max_age"
FEWEST: Final = 20  # openings, or uses, below which a share of them says nothing
LOST_SHARE: Final = 0.1  # of the openings: more that nothing can find again is a leak
HARDLY_REUSED: Final = 0.05
GROWN_SHARE: Final = 0.2  # of the openings: open connections also grow with the number of requests at once
STEADY: Final = 0.8  # growth per use of the later half against the earlier; new threads open less and less
FEW: Final = 5  # open connections of ended threads; the garbage collector may close fewer at any time
LONG: Final = 200  # uses; a server that still starts threads after so many has more than 400 of them

_MOST_PEAK: Final = 1.5  # a response is sent slightly before its connection closes, so a few more may be open
_SPARE_PEAK: Final = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """How many open connections have a use: `in_use` at one instant, `lasting` while no request is served.

    `lasting` connections belong to threads, processes or pools that serve again. Up to `spare` more may belong to a
    project's own threads, such as the main thread of a process that reads the database while it loads.
    """

    in_use: int
    lasting: int
    spare: int

    @property
    def most(self) -> int:
        return max(self.in_use, self.lasting)

    @property
    def busy(self) -> int:
        """What may be open besides the lasting ones when a load ends and some requests have no response yet."""
        return max(0, self.in_use - self.lasting)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """What became of the connections that `counts` has, and of its open ones, which are those at rest.

    `requests` are all that were sent: code that closes old connections within a request may have the instrumentation
    count one request several times as `reused`, so the smaller counts. A request that closed a connection because it
    was too old had found it. `collected_early` are those of the collected that no request still held: the load went on,
    and none had failed. `peak` is the most that were open at once.
    """

    counts: ConnectionCounts
    collected_early: int = 0
    peak: int = 0
    requests: int | None = None

    @property
    def collected(self) -> int:
        return self.counts.closed.get(COLLECTED, 0)

    @property
    def exited(self) -> int:
        """Those that ended with their process."""
        return self.counts.closed.get(EXITED, 0)

    @property
    def found_again(self) -> int:
        reused, opened = self.counts.reused, self.counts.opened
        once = reused if self.requests is None else max(0, min(reused, self.requests - opened))
        return once + self.counts.closed.get(EXPIRED, 0)


def judge(account: Account, room: Room, *, keeps: bool) -> Leak:
    """Whether connections leak, by what became of each; `keeps` says whether any may outlive its request.

    At most `room.busy` of those that are left may belong to requests without a response yet, so fewer prove nothing.
    """
    left = max(0, account.counts.open - room.lasting)
    lost = left + account.collected
    if left > room.busy + room.spare:
        return "yes"
    if lost > room.busy + room.spare and account.collected > LOST_SHARE * account.counts.opened:
        return "yes"
    if keeps and account.collected_early > max(room.spare, LOST_SHARE * account.counts.opened):
        return "yes"
    if keeps and lost > room.busy and 2 * lost > account.counts.opened + account.found_again:
        return "yes"
    if account.peak > _MOST_PEAK * room.most + _SPARE_PEAK and lost + account.exited > room.most + room.spare:
        return "yes"
    return "no" if _shows_none(account, room, lost) else "cannot tell"


def _shows_none(account: Account, room: Room, lost: int) -> bool:
    """Whether a leak would have shown: too few connections can be lost to make a tenth of the uses."""
    if not account.counts.opened and not account.counts.reused:
        return False
    kept = min(account.counts.open, room.lasting)
    # Where fewer requests found a connection than were kept, some of the kept ones may never have been found again.
    suspects = lost + (kept if account.found_again < kept else 0)
    return suspects <= LOST_SHARE * (account.counts.opened + account.found_again)


def judge_growth(
    points: Sequence[ConnectionCounts], *, requests: float | None = None, busy: float = 0.0, threads: int | None = None
) -> Leak:
    """The same without a known number of usable connections: from counts since any fixed instant, earliest first.

    `requests` is how many the site has answered in that time, `busy` how many connections requests need at once,
    `threads` how many threads may keep one each. Where the site says who holds its connections, those whose threads
    have ended are evidence by themselves.
    """
    once = _share_of_reuse(points[-1] - points[0], requests)
    whole = _Growth.between(points[0], points[-1], busy, once)
    early, late = _halves(points, busy, once)
    leaks = whole.opened >= FEWEST and whole.left_behind > LOST_SHARE * whole.opened
    if leaks or _holds_leaked(points):
        return "yes"
    if whole.shows_none or (late is not None and late.shows_none and not whole.collected):
        return "no"
    if whole.opened < FEWEST or whole.lost < max(FEWEST, GROWN_SHARE * whole.opened):
        return "cannot tell"
    if threads is not None and points[-1].open <= threads and not whole.collected:
        return "cannot tell"
    if whole.found <= HARDLY_REUSED * whole.uses:
        return "yes"
    steady = early and late and late.lost * early.uses >= STEADY * early.lost * late.uses
    return "yes" if steady and whole.uses >= LONG else "cannot tell"


def _holds_leaked(points: Sequence[ConnectionCounts]) -> bool:
    """Whether connections of ended threads are many on average: their number falls whenever garbage is collected."""
    leaked, held = sum(one.leaked for one in points), sum(one.open for one in points)
    return leaked >= FEW * len(points) and leaked > LOST_SHARE * held


@dataclass(frozen=True, kw_only=True, slots=True)
class _Growth:
    """What happened between two points; `left_behind` by threads that ended, `lost` in any way."""

    opened: float
    reused: float
    found: float
    collected: float
    left_behind: float
    lost: float

    @classmethod
    def between(cls, first: ConnectionCounts, last: ConnectionCounts, busy: float, once: float) -> _Growth:
        grown = last - first
        collected, reused = grown.closed.get(COLLECTED, 0), grown.reused * once
        left_behind = collected + max(0, last.leaked - first.leaked)
        known = first.holders_known and last.holders_known
        kept = last.unused - first.unused if known else last.open - first.open - busy
        return cls(
            opened=grown.opened,
            reused=reused,
            # One that was too old when it was found has been found.
            found=reused + grown.closed.get(EXPIRED, 0),
            collected=collected,
            left_behind=left_behind,
            lost=max(left_behind, collected + kept),
        )

    @property
    def uses(self) -> float:
        return self.opened + self.reused

    @property
    def shows_none(self) -> bool:
        return self.uses >= FEWEST and self.lost <= LOST_SHARE * self.uses


def _share_of_reuse(grown: ConnectionCounts, requests: float | None) -> float:
    """How much of the reuse is by requests: no more uses than requests, see `Account`."""
    if requests is None or grown.reused <= 0 or grown.reused + grown.opened <= requests:
        return 1.0
    return max(0.0, requests - grown.opened) / grown.reused


def _halves(
    points: Sequence[ConnectionCounts], busy: float, once: float
) -> tuple[_Growth, _Growth] | tuple[None, None]:
    """Before and after the reading that is nearest to half of the uses; nothing where there is none in between."""
    if len(points) < 3:  # noqa: PLR2004  both ends and one between them
        return None, None

    def uses(point: ConnectionCounts) -> float:
        return point.opened + point.reused * once

    half = (uses(points[0]) + uses(points[-1])) / 2
    middle = min(points[1:-1], key=lambda one: abs(uses(one) - half))
    return _Growth.between(points[0], middle, busy, once), _Growth.between(middle, points[-1], busy, once)
