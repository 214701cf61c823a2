"""What the costs of keeping and of opening a connection come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.model.break_even import BYTES_PER_CORE, SOLD_APART, even_rate
from loadlab.model.holding import HoldingCosts, Pays

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.model.holding import Holding

AGES: Final = (60.0, 600.0, None)
HOUR: Final = 3600.0
PRICES: Final = (BYTES_PER_CORE, SOLD_APART)


def holding_costs(measured: Holding | None) -> HoldingCosts | None:
    """With the break-even by age, where both costs are known."""
    return None if measured is None else HoldingCosts(measured=measured, break_even=tuple(_break_even(measured)))


def _break_even(measured: Holding) -> Iterator[Pays]:
    held, opening = measured.connection_bytes, measured.opening
    if held is None or opening is None or opening.both <= 0:
        return
    for age in AGES:
        rates = ((price, even_rate(age, opening.both, held, price) * HOUR) for price in PRICES)
        yield Pays(max_age=age, per_hour=tuple(rates))
