"""What the costs of keeping and of opening a connection come to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.analysis.pairs import declared_pairs
from loadlab.model.break_even import BYTES_PER_CORE, SOLD_APART, even_rate
from loadlab.model.holding import BesideIdle, HoldingCosts, Pays
from loadlab.stats.paired import paired_effect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.case import Case
    from loadlab.model.findings import TrialSummary
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


def beside_idle(cases: Sequence[Case], trials: Sequence[TrialSummary]) -> tuple[BesideIdle, ...]:
    """What idle connections do to PostgreSQL's work for a request: less noisy than throughput on a busy machine."""
    return tuple(
        _beside(pair.case, _database_cpu(pair.case, trials), _database_cpu(pair.baseline, trials))
        for pair in declared_pairs(cases)
        if pair.question == "idle"
    )


def _beside(case: Case, ours: dict[int, float], theirs: dict[int, float]) -> BesideIdle:
    effect = paired_effect(ours, theirs)
    ends = effect.interval
    return BesideIdle(
        case=case,
        cpu_ratio=effect.ratio,
        low=ends.low if ends else None,
        high=ends.high if ends else None,
        blocks=effect.blocks,
    )


def _database_cpu(case: Case, trials: Sequence[TrialSummary]) -> dict[int, float]:
    """By block; a trial whose CPU was below what the kernel tells is left out."""
    return {
        one.block: spent.database
        for one in trials
        if one.case == case and one.state == "complete" and (spent := one.cpu_seconds_per_request) and spent.database
    }
