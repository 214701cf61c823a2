"""What a kept connection costs comes to a rate from which on it pays; and idle connections beside a case."""

from __future__ import annotations

from dataclasses import replace

import pytest
from every import every
from factories.trials import KEPT, findings, noisy, strategy_case, trial
from hypothesis import given
from hypothesis import strategies as some

from loadlab.analysis.closed_forms import reuse
from loadlab.analysis.holding import holding_costs
from loadlab.analysis.pairs import declared_pairs
from loadlab.model.break_even import BYTES_PER_CORE, SOLD_APART, even_rate
from loadlab.model.holding import ClientSide, Holding, IdleBackends, MedianEstimate, OpeningCpu
from loadlab.model.samples import CpuSeconds
from loadlab.report.content.holding import beside_idle


def exactly(value: float) -> MedianEstimate:
    return MedianEstimate(value=value, low=None, high=None, count=1)


BACKENDS = IdleBackends(
    reading="pss", resident=exactly(3.0 * 2**20), private=exactly(2.0**20), page_tables=exactly(2.0**20), files=9.0
)
MEASURED = Holding(
    used=BACKENDS,
    client=ClientSide(resident=exactly(0.0), files=1.0),
    opening=OpeningCpu(client=exactly(0.001), database=exactly(0.003)),
)


def test_an_hour_of_4_mib_costs_as_much_as_879_openings_of_4_ms() -> None:
    found = holding_costs(MEASURED)
    assert found is not None
    rates = {one.max_age: dict(one.per_hour) for one in found.break_even}
    assert rates[None][BYTES_PER_CORE] == pytest.approx(3600 * 2**-10 / 0.004)
    assert rates[None][SOLD_APART] == pytest.approx(rates[None][BYTES_PER_CORE] * BYTES_PER_CORE / SOLD_APART)
    assert rates[60.0][BYTES_PER_CORE] > rates[600.0][BYTES_PER_CORE] > rates[None][BYTES_PER_CORE]


@given(
    age=some.floats(min_value=0.1, max_value=1e6),
    opening=some.floats(min_value=1e-5, max_value=1.0),
    held=some.floats(min_value=1e3, max_value=1e9),
)
def test_at_the_break_even_the_saved_cpu_costs_as_much_as_the_memory(age: float, opening: float, held: float) -> None:
    rate = even_rate(age, opening, held)
    assert rate * reuse(rate, age) * opening == pytest.approx(held / BYTES_PER_CORE, rel=1e-6)


@every(
    "lacking",
    [
        replace(MEASURED, used=None),
        replace(MEASURED, opening=None),
        replace(MEASURED, opening=OpeningCpu(client=exactly(0.0), database=exactly(0.0))),
        Holding(unknown="given"),
    ],
)
def test_without_both_costs_there_is_no_break_even(lacking: Holding) -> None:
    found = holding_costs(lacking)
    assert found is not None
    assert found.break_even == ()


def test_memory_that_a_client_gives_back_is_no_gain() -> None:
    shrunk = replace(MEASURED, client=ClientSide(resident=exactly(-4096.0), files=1.0))
    assert shrunk.connection_bytes == BACKENDS.held == 4.0 * 2**20


def test_each_case_beside_idle_connections_is_compared_with_itself_alone() -> None:
    alone = [strategy_case("sync", "max_age", max_age=age) for age in (0, 60)]
    beside = [replace(case, idle_percent=percent) for case in alone for percent in (50, 90)]
    pairs = [pair for pair in declared_pairs([*alone, *beside]) if pair.question == "idle"]
    assert [(pair.case, pair.baseline) for pair in pairs] == [(case, replace(case, idle_percent=0)) for case in beside]
    assert [pair.question for pair in declared_pairs(alone)] == ["keep"]


def test_a_slowdown_beside_idle_connections_is_found_and_told() -> None:
    alone = strategy_case("sync", "max_age", max_age=60)
    beside = replace(alone, idle_percent=90)
    trials = [*noisy(alone, 100.0, like=KEPT, blocks=12), *noisy(beside, 80.0, like=KEPT, blocks=12)]
    found = findings([alone, beside], trials, blocks=12)
    ((name, ratio, *_, verdict, _),) = beside_idle(found).rows
    assert "90 % held idle" in name
    assert ratio.startswith("0.8")
    assert verdict == "worse"


def test_cpu_beside_idle_connections_is_compared_block_by_block() -> None:
    alone = strategy_case("sync", "max_age", max_age=60)
    beside = replace(alone, idle_percent=90)
    trials = [
        replace(one, cpu_seconds=CpuSeconds(app=1.0, database=spent * (1 + one.block), generator=0.1))
        for case, spent in ((alone, 0.1), (beside, 0.15))
        for one in (trial(case, block) for block in range(8))
    ]
    (one,) = findings([alone, beside], trials, blocks=8).beside_idle
    assert (one.case, one.blocks) == (beside, 8)
    assert (one.cpu_ratio, one.low, one.high) == pytest.approx((1.5, 1.5, 1.5))
    assert beside_idle(findings([alone, beside], trials, blocks=8)).rows[0][-1] == "1.50× (1.50–1.50)"
