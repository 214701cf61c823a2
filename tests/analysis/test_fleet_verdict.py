"""Of the strategies that fit at all times, the one that opens least; of those alike, the simplest."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from factories import fleet_answers
from factories.fleet_answers import MEASURED, scene

from loadlab.analysis.fleet_answer import fleet_answer
from loadlab.analysis.fleet_verdict import fleet_verdict
from loadlab.model.fleet import Pooler
from loadlab.model.fleet_outcome import Band, FleetOutcome, FleetVerdict

if TYPE_CHECKING:
    from loadlab.model.fleet import Application


def simulated() -> tuple[FleetOutcome, ...]:
    """At CONN_MAX_AGE 0, 60 and unlimited."""
    return fleet_answers.answer().outcomes


def opening(one: FleetOutcome, per_second: float) -> FleetOutcome:
    return replace(one, opens_per_second=Band(middle=per_second, low=per_second * 0.99, high=per_second * 1.01))


def verdict(*outcomes: FleetOutcome) -> FleetVerdict:
    return fleet_verdict(outcomes, MEASURED, scene(), "psycopg")


def test_the_one_that_opens_least_is_taken_with_its_settings() -> None:
    found = fleet_answers.answer().verdict
    assert (found.kind, found.chosen, found.rival) == ("best", 2, 1)
    assert found.recommend is not None
    assert '"CONN_MAX_AGE": None' in found.recommend.snippets[0].text
    assert found.recommend.conn_health_checks


def test_what_opens_less_by_less_than_a_hundredth_is_no_better() -> None:
    zero, sixty, unlimited = simulated()
    found = verdict(opening(zero, 12.0), opening(sixty, 0.11), opening(unlimited, 0.02))
    assert (found.kind, found.chosen, found.alike) == ("best", 1, (1, 2))


def test_overlapping_bands_are_no_difference() -> None:
    zero, sixty, _ = simulated()
    wide = Band(middle=6.0, low=1.0, high=12.0)
    found = verdict(replace(zero, opens_per_second=wide), replace(sixty, opens_per_second=replace(wide, middle=5.0)))
    assert (found.kind, found.chosen, found.alike) == ("no_difference", 0, (0, 1))


def test_a_strategy_that_is_refused_is_not_taken_however_little_it_opens() -> None:
    zero, sixty, _ = simulated()
    found = verdict(zero, replace(sixty, fits=False, needed=30))
    assert (found.kind, found.chosen, found.rival) == ("only_one_fits", 0, 1)


def test_one_strategy_alone_fits_or_not() -> None:
    assert verdict(simulated()[1]).kind == "only_one"
    assert verdict(replace(simulated()[1], fits=False)).kind == "none_fits"


def test_where_none_fits_the_verdict_says_what_would() -> None:
    found = fleet_answers.answer(60, None, max_connections=10)
    assert found.verdict.kind == "none_fits"
    assert found.verdict.recommend is None
    remedies = {one.kind: one.count for one in found.verdict.remedies}
    # 12 threads; 7 are free. Two threads of each host, or one host of four threads, would do.
    assert remedies == {"pooler": 3, "fewer_threads": 1, "max_connections": 15, "fewer_hosts": 1}


def test_what_was_not_measured_is_a_caveat() -> None:
    known = replace(MEASURED, closed_loop=True)
    unknown = replace(MEASURED, database_cpu_per_connect=None, idle_backend_bytes=None)
    assert kinds(known) == ["closed_loop", "few_repeats"]
    assert kinds(unknown) == ["cpu_not_measured", "memory_not_measured", "few_repeats"]


def kinds(application: Application) -> list[str]:
    asked = replace(fleet_answers.asked(60), application=application, repeats=2)
    return [one.kind for one in fleet_answer(asked).caveats]


def test_an_answer_has_its_questions_answered() -> None:
    found = fleet_answers.answer()
    assert found.smallest_age is not None
    assert found.smallest_age.seconds == pytest.approx(19, rel=0.15)
    assert found.break_even is not None
    assert [age for age, _ in found.break_even.by_age] == [60.0, 600.0, None]
    assert [one.largest.hosts for one in found.outcomes if one.largest][1:] == [4, 4]
    assert [one.moment.name for one in found.outcomes[0].after] == ["start", "database_restart"]


def test_a_pool_that_fails_requests_is_not_taken_however_little_it_opens() -> None:
    zero, sixty, _ = simulated()
    failing = replace(opening(sixty, 0.001), failed=Band(middle=900.0, low=880.0, high=920.0))
    assert verdict(zero, failing).chosen == 0


def test_where_pgbouncer_refuses_clients_more_connections_are_no_remedy() -> None:
    pooler = Pooler(pool_mode="transaction", size=1, most_clients=1, wait=5.0)
    refused = replace(simulated()[0], keeping=replace(simulated()[0].keeping, pooler=pooler), fits=False, needed=2)
    assert [(one.kind, one.count) for one in verdict(refused).remedies] == [("max_client_conn", 4)]
