"""Counts the active users: in a request or about to send one, not in a pause of their scenario."""

from __future__ import annotations

from array import array
from itertools import islice
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
import numpy as np

import loadlab

if TYPE_CHECKING:
    from types import FrameType

    from gevent.pool import Group

    from loadlab.model.window import Window

MOST_LOOKED_AT: Final = 200  # users at one instant; more are told from these
CERTAIN: Final = 3.0  # standard errors
RELATED: Final = 2.0  # looks that say as much as one, as who pauses at one look does so at the next
# A user that waits for a response is deep in one of these; one that waits for anything else is in code of its scenario.
CLIENTS: Final = (f"{Path(gevent.__file__).parent}/", f"{Path(loadlab.__file__).parent}/load/")


class ActiveUsers:
    """Looks at the users' greenlets, a few times a second; a window is one on the clock of `look`."""

    def __init__(self) -> None:
        self._at = array("d")
        self._users = array("d")

    def look(self, now: float, users: Group) -> None:
        seen = list(islice(users, MOST_LOOKED_AT))
        working = sum(is_working(user.gr_frame) for user in seen)
        self.take(now, working * len(users) / len(seen) if seen else 0.0)

    def take(self, now: float, working: float) -> None:
        self._at.append(now)
        self._users.append(working)

    def at_least(self, window: Window) -> float:
        """How many were at work on average over a window, less what chance may have added; 0 without a sample.

        Users who never pause are always seen at work. Of others a few looks tell little.

        >>> from loadlab.model.window import Window
        >>> def seen(*working):
        ...     looks = ActiveUsers()
        ...     for at, users in enumerate(working):
        ...         looks.take(float(at), users)
        ...     return looks.at_least(Window(0, 100))
        >>> seen(8, 8, 8, 8)
        8.0
        >>> seen(0, 1, 0, 2)
        0.0
        """
        inside = np.asarray(self._users)[window.holds(self._at)]
        if not inside.size:
            return 0.0
        chance = CERTAIN * float(inside.std()) * sqrt(RELATED / inside.size)
        return max(0.0, float(inside.mean()) - chance)


def is_working(frame: FrameType | None) -> bool:
    """Of a user whose greenlet stands at that frame: it has one only if it has begun and waits."""
    if frame is None:
        return False
    if frame.f_code is gevent.sleep.__code__:
        return bool(frame.f_locals["seconds"] <= 0)  # its next turn comes as soon as those of others are over
    return frame.f_code.co_filename.startswith(CLIENTS)
