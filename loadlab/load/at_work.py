"""How many users are at work: in a request or about to send one, and not in a pause that their scenario gives them."""

from __future__ import annotations

from array import array
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
import numpy as np

import loadlab

if TYPE_CHECKING:
    from types import FrameType

    from gevent.pool import Group

MOST_LOOKED_AT: Final = 200  # users at one instant; more are told from these
# A user that waits for an answer is deep in one of these; one that waits for anything else is in code of its scenario.
CLIENTS: Final = (f"{Path(gevent.__file__).parent}/", f"{Path(loadlab.__file__).parent}/load/")


class AtWork:
    """Looks at the users' greenlets, a few times a second; `start` and `end` are instants on the clock of `look`."""

    def __init__(self) -> None:
        self._at = array("d")
        self._users = array("d")

    def look(self, now: float, users: Group) -> None:
        seen = list(islice(users, MOST_LOOKED_AT))
        working = sum(is_working(user.gr_frame) for user in seen)
        self._at.append(now)
        self._users.append(working * len(users) / len(seen) if seen else 0.0)

    def mean(self, start: float, end: float) -> float:
        """How many were at work, on average over a window; 0 where nobody has looked."""
        at = np.asarray(self._at)
        inside = np.asarray(self._users)[(at >= start) & (at < end)]
        return float(inside.mean()) if inside.size else 0.0


def is_working(frame: FrameType | None) -> bool:
    """Of a user whose greenlet stands at that frame: it has one only if it has begun and waits."""
    if frame is None:
        return False
    if frame.f_code is gevent.sleep.__code__:
        return bool(frame.f_locals["seconds"] <= 0)  # its next turn comes as soon as those of others are over
    return frame.f_code.co_filename.startswith(CLIENTS)
