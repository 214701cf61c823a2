"""What each CONN_MAX_AGE would do over an hour of the traffic that a run measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from loadlab.model.condition import Condition


@dataclass(frozen=True, kw_only=True, slots=True)
class AgeOverAnHour:
    """Expected values of one CONN_MAX_AGE (None: unlimited): connections `open` in the mean, and opened.

    `open` is None where requests never find a kept connection, and no arm shows how soon the garbage collector does.
    """

    max_age: float | None
    open: float | None
    opened: float
    opens_per_second: float
    reuse: float


@dataclass(frozen=True, kw_only=True, slots=True)
class OverAnHour:
    """One server mode at the `rate` of requests per second that use the database, for each age.

    `closed_loop`: the rate is the throughput of users who wait for their answers, the lowest of all strategies.
    """

    condition: Condition
    rate: float
    closed_loop: bool
    ages: tuple[AgeOverAnHour, ...]
