"""Sets a prediction beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.fleet_validation import JUDGED

if TYPE_CHECKING:
    from loadlab.model.fleet_validation import FleetFigures

SHARE: Final = 0.10
LEAST: Final = 2.0  # connections, or requests


def within(predicted: float, measured: float) -> bool:
    """Whether a prediction is near enough: within 10 % of what was measured, or within 2 of it.

    >>> within(109, 100), within(112, 100), within(3.9, 2), within(0, 2.5)
    (True, False, True, False)
    """
    return abs(predicted - measured) <= max(SHARE * measured, LEAST)


def missed(predicted: FleetFigures, measured: FleetFigures) -> tuple[str, ...]:
    """The judged figures that are not near enough."""
    return tuple(name for name in JUDGED if not within(getattr(predicted, name), getattr(measured, name)))
