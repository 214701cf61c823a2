"""What happens when: the events of a simulation, the earliest first."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Action = Callable[[float, Any], None]


class Agenda:
    """Of two events at the same instant, the one that was entered first happens first."""

    __slots__ = ("_entered", "_events")

    def __init__(self) -> None:
        self._events: list[tuple[float, int, Action, Any]] = []
        self._entered = count()

    def at(self, when: float, action: Action, about: Any = None) -> None:  # noqa: ANN401  each action knows its own
        """Enter that `action(when, about)` happens at `when`, which is not before the present."""
        heappush(self._events, (when, next(self._entered), action, about))

    def run(self, arrivals: Iterable[float], arrive: Callable[[float], None], until: float) -> None:
        """Let all happen until `until`, with an `arrive(when)` at each of the sorted `arrivals`."""
        for arrival in arrivals:
            self._catch_up(arrival)
            arrive(arrival)
        self._catch_up(until)

    def _catch_up(self, until: float) -> None:
        events = self._events
        while events and events[0][0] <= until:
            when, _, action, about = heappop(events)
            action(when, about)
