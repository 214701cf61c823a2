"""What each step of a staircase of users gave: requests per second and response times, to see where the knee is."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from statistics import median

HEADING = f"{'users':>7} {'requests/s':>12} {'median ms':>11} {'95% ms':>9}"


@dataclass(kw_only=True, slots=True)
class StaircaseStep:
    """So many users from `began` until `ended`, both in seconds of one clock; response times in milliseconds."""

    users: int
    began: float
    ended: float
    response: array[float] = field(default_factory=lambda: array("d"))

    def __str__(self) -> str:
        rate = len(self.response) / (self.ended - self.began)
        ordered = sorted(self.response)
        return f"{self.users:7} {rate:12.1f} {median(ordered):11.1f} {ordered[int(0.95 * (len(ordered) - 1))]:9.1f}"


class Staircase:
    """A request belongs to the step in which it ends."""

    def __init__(self) -> None:
        self._steps: list[StaircaseStep] = []

    def clear(self) -> None:
        self._steps.clear()

    def stand(self, users: int, at: float) -> None:
        """There are so many users now, and from now on if that is new."""
        if self._steps:
            self._steps[-1].ended = at
        if not self._steps or self._steps[-1].users != users:
            self._steps.append(StaircaseStep(users=users, began=at, ended=at))

    def add(self, response_time: float, at: float) -> None:
        if self._steps:
            self._steps[-1].response.append(response_time)
            self._steps[-1].ended = max(self._steps[-1].ended, at)

    def lines(self) -> list[str]:
        """A table; no lines where there was no request, as on a master, whose workers make them."""
        steps = [step for step in self._steps if step.response and step.ended > step.began]
        return [HEADING, *map(str, steps)] if steps else []
