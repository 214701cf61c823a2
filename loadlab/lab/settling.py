"""Waits until what is seen from several sides agrees and stays as it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

LOOKS: Final = 3  # as many in a row must agree

Seen = TypeVar("Seen")


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """How long to wait at most, and how long between two looks."""

    seconds: float
    poll_seconds: float


def settled(look: Callable[[], Seen], agrees: Callable[[Seen], bool], patience: Patience) -> Seen:
    """What is seen at rest: as soon as it agrees and stays as it is, or as it is when the time is up."""
    deadline = time.monotonic() + patience.seconds
    seen: list[Seen] = []
    while True:
        seen.append(look())
        if (agrees(seen[-1]) and seen[-LOOKS:] == [seen[-1]] * LOOKS) or time.monotonic() > deadline:
            return seen[-1]
        time.sleep(patience.poll_seconds)


def sleep_until(instant: float) -> None:
    """Until an instant of the monotonic clock; not at all when it has passed."""
    time.sleep(max(0.0, instant - time.monotonic()))
