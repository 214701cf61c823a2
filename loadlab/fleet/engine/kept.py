"""Connections that threads keep: one event for each opening, for all threads of a fleet at once.

It holds where any idle thread is as likely as another to get the next request. Then what a thread does is independent
of what the others do: it is idle for an exponential time, serves a request, and is idle again. How often it is used
while its connection is young decides nothing, so that the model goes from an opening to the first use at which the
connection is too old.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from loadlab.fleet.engine.breaks import Breaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from loadlab.fleet.engine.sessions import SessionTally
    from loadlab.fleet.engine.uses import Holds, ThreadUses
    from loadlab.model.fleet import Counts, Keeping, Numbers, Scene


@dataclass(frozen=True, kw_only=True, slots=True)
class _Lives:
    """What becomes of connections without breaks: when each closes (inf: never), and when its thread opens another.

    Requests find it from `usable` to `until`.
    """

    usable: Numbers
    until: Numbers
    closes: Numbers
    reopens: Numbers


class KeptConnections:
    """All threads of a fleet, each at its next opening. It runs once.

    `reused` and `failed` count requests.
    """

    def __init__(self, keeping: Keeping, scene: Scene, uses: ThreadUses, holds: Holds, sessions: SessionTally) -> None:
        self._age = inf if keeping.max_age is None else keeping.max_age
        self._health_checks = keeping.health_checks
        self._uses = uses
        self._holds = holds
        self._sessions = sessions
        self._random = uses.random
        self._end = scene.rates.seconds
        self._breaks = Breaks(scene)
        threads = scene.hosts * keeping.processes * (keeping.threads or 1)
        self._hosts = np.arange(threads) % scene.hosts
        self._passed = np.zeros(threads, dtype=np.int64)
        self._expected_uses = 0.0
        self.failed = 0

    def run(self) -> int:
        """Counts all sessions; gives how many requests found their connection open."""
        who = np.arange(len(self._hosts))
        opens = self._uses.after(np.zeros(len(who)))
        while len(who):
            opens = self._round(who, opens)
            going = opens <= self._end
            who, opens = who[going], opens[going]
        return int(self._random.poisson(self._expected_uses))

    def _round(self, who: Counts, opens: Numbers) -> Numbers:
        """Each thread opens a connection, or meets a break before; gives when each opens its next."""
        if not self._breaks.any:
            self._sessions.open(opens)
            return self._close(opens, self._lives(opens))
        limits = self._breaks.at[self._hosts[who], self._passed[who]]
        broken = opens >= limits
        following = np.empty(len(who))
        following[broken] = self._pass(who[broken])
        following[~broken] = self._open(who[~broken], opens[~broken], limits[~broken])
        return following

    def _open(self, who: Counts, opens: Numbers, limits: Numbers) -> Numbers:
        """They open before their next breaks, at `limits`, which some of their connections meet."""
        self._sessions.open(opens)
        lives = self._lives(opens)
        cut = lives.closes > limits
        lives.until[cut] = np.minimum(lives.until[cut], limits[cut])
        lives.reopens[cut] = self._cut(who[cut], opens[cut])
        whole = ~cut
        self._close(opens[whole], _part(lives, whole))
        self._expected_uses += self._uses.expected(lives.usable[cut], lives.until[cut])
        return lives.reopens

    def _lives(self, opens: Numbers) -> _Lives:
        usable = opens + self._holds.opening(len(opens))
        if self._age == inf:
            never = np.full(len(opens), inf)
            return _Lives(usable=usable, until=np.full(len(opens), self._end), closes=never, reopens=never.copy())
        expires = opens + self._age
        first = usable >= expires  # the request that opened it closes it
        been, lasts = self._holds.under_way(len(opens))
        busy = self._random.random(len(opens)) < self._uses.busy_at(expires)
        busy &= expires - been >= usable
        closes = np.where(first, usable, expires + lasts)
        at_end = first | busy
        reopens = self._uses.after(np.where(at_end, closes, expires))
        closes = np.where(at_end, closes, reopens)
        return _Lives(usable=usable, until=np.minimum(expires, self._end), closes=closes, reopens=reopens)

    def _close(self, opens: Numbers, lives: _Lives) -> Numbers:
        """They close as Django closes them."""
        if self._age < inf:
            self._sessions.close(lives.closes, opens, "expired")
        self._expected_uses += self._uses.expected(lives.usable, lives.until)
        return lives.reopens

    def _cut(self, who: Counts, opened: Numbers) -> Numbers:
        """Their connections meet the next break; gives when each opens its next."""
        host, passed = self._hosts[who], self._passed[who]
        gone, lost = self._breaks.gone[host, passed], self._breaks.lost[host, passed]
        self._sessions.close(gone[lost], opened[lost], "lost")
        self._sessions.close(gone[~lost], opened[~lost], "process_end")
        start = self._breaks.at[host, passed]
        following = self._pass(who)
        if not self._health_checks:
            found_out = lost & (opened + self._age > following) & ~self._used_during(start, host, passed)
            self.failed += int(np.count_nonzero(found_out & (following <= self._end)))
            following[found_out] = self._uses.after(following[found_out])
        return following

    def _used_during(self, start: Numbers, hosts: Counts, passed: Counts) -> NDArray[np.bool_]:
        """Whether a request came to the thread during the outage, so that it knows of its lost connection."""
        chance = self._uses.chance(start, self._breaks.again[hosts, passed])
        used: NDArray[np.bool_] = self._random.random(len(start)) < chance
        return used

    def _pass(self, who: Counts) -> Numbers:
        """Their next break is behind them; gives when each opens its next connection, if no other break comes."""
        again = self._breaks.again[self._hosts[who], self._passed[who]]
        self._passed[who] += 1
        return self._uses.after(again)


def _part(lives: _Lives, which: NDArray[np.bool_]) -> _Lives:
    return _Lives(
        usable=lives.usable[which], until=lives.until[which], closes=lives.closes[which], reopens=lives.reopens[which]
    )
