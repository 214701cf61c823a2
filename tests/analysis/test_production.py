"""What production may hold: the arithmetic is spelt out, and what has no room is not recommended."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import CLOSED, KEPT, Behaviour, findings, noisy, strategy_case, through_pooler, trial

from loadlab.analysis.production import need
from loadlab.model.plan import Limits
from loadlab.report.prose.needs import arithmetic as said_arithmetic

from . import said

if TYPE_CHECKING:
    from loadlab.model.findings import Findings, Need, Verdict

TWO_HOSTS = Limits(max_connections=60, hosts=2, workers=4, overlap=2)


def needed(server: str, strategy: str, limits: Limits, held: int = 2, **parameters: object) -> Need:
    case = strategy_case(server, strategy, **parameters)
    (arm,) = findings([case], [trial(case, 1, replace(KEPT, held=held, opened=held))]).arms
    found = need(arm, limits)
    assert found is not None
    return found


@every(
    ("server", "strategy", "parameters", "arithmetic"),
    [
        ("gthread", "pool", {}, "2 hosts × 4 workers × 4 (max_size) × 2 overlap = 64 > 60 − 3"),
        ("gthread", "pool", {"max_size": 2}, "2 hosts × 4 workers × 2 (max_size) × 2 overlap = 32 ≤ 60 − 3"),
        ("gthread", "pool", {"min_size": 4}, "2 hosts × 4 workers × 4 (max_size) × 2 overlap = 64 > 60 − 3"),
        ("gthread", "max_age", {"max_age": 60}, "2 hosts × 4 workers × 4 (usable at once) × 2 overlap = 64 > 60 − 3"),
        ("sync", "max_age", {"max_age": 60}, "2 hosts × 4 workers × 1 (usable at once) × 2 overlap = 16 ≤ 60 − 3"),
        ("asgi", "leased_threads", {}, "2 hosts × 4 workers × 8 (threads) × 2 overlap = 128 > 60 − 3"),
        ("gevent", "geventpool", {}, "2 hosts × 4 workers × 4 (max_conns) × 2 overlap = 64 > 60 − 3"),
        ("asgi", "max_age", {}, "2 hosts × 4 workers × 2 (measured with 8 users) × 2 overlap = 32 ≤ 60 − 3"),
        ("threaded", "max_age", {}, "2 hosts × 1 worker × 2 (measured with 8 users) × 2 overlap = 8 ≤ 60 − 3"),
        ("gevent", "pgbouncer", {}, "2 hosts × 1 PgBouncer × 5 (pool_size) = 10 ≤ 60 − 3"),
    ],
)
def test_the_arithmetic_takes_the_strategys_own_cap_or_what_was_measured(
    server: str, strategy: str, parameters: dict[str, object], arithmetic: str
) -> None:
    found = needed(server, strategy, TWO_HOSTS, **parameters)
    assert said_arithmetic(found) == arithmetic
    assert found.fits == ("≤" in arithmetic)


def test_what_was_measured_counts_where_it_is_more_than_the_cap() -> None:
    found = needed("gevent", "geventpool", Limits(max_connections=100), held=17)
    assert said_arithmetic(found) == "1 host × 2 workers × 9 (measured; max_conns is 4) = 18 ≤ 100 − 3"


def test_without_a_limit_the_need_is_given_and_not_judged() -> None:
    found = needed("gthread", "pool", Limits(workers=3))
    assert (said_arithmetic(found), found.fits) == ("1 host × 3 workers × 4 (max_size) = 12", None)


def test_the_last_connection_may_be_used() -> None:
    fits = [needed("gthread", "pool", Limits(max_connections=most, reserved=3)).fits for most in (10, 11)]
    assert fits == [False, True]


def run(limits: Limits, *arms: tuple[str, dict[str, object], float, Behaviour], server: str = "gthread") -> Findings:
    cases = [strategy_case(server, name, **parameters) for name, parameters, _, _ in arms]
    trials = [
        one
        for case, (_, _, rate, like) in zip(cases, arms, strict=True)
        for one in noisy(case, rate, like=like, blocks=10)
    ]
    return findings(cases, trials, blocks=10, limits=limits)


def the(found: Findings) -> Verdict:
    (verdict,) = found.verdicts
    return verdict


BASE = ("max_age", {"max_age": 0}, 100.0, CLOSED)


def test_a_strategy_without_room_in_production_is_rejected_with_figures() -> None:
    large, small = ("pool", {"max_size": 16}, 900.0, KEPT), ("pool", {"max_size": 2}, 600.0, KEPT)
    found = run(Limits(max_connections=30), BASE, large, small)
    assert the(found).recommend is not None
    assert the(found).recommend.parameters["max_size"] == 2
    places = {name: (one.place, said.objection(one)) for name, one in said.standings(found).items()}
    why = "needs more connections than production allows, 1 host × 2 workers × 16 (max_size) = 32 > 30 − 3"
    assert places["pool, max_size=16"] == ("over_limit", why)
    assert f"Ruled out: pool, max_size=16 ({why})." in said.why(found)


def test_where_only_the_baseline_has_room_it_is_recommended() -> None:
    pool = ("pool", {"max_size": 32}, 900.0, KEPT)
    found = run(Limits(max_connections=50), BASE, pool)
    recommend = the(found).recommend
    assert recommend is not None
    assert (recommend.strategy, recommend.max_age) == ("max_age", 0)
    assert (
        "pool needs more connections than production allows, 1 host × 2 workers × 32 (max_size) = 64 > 50 − 3"
        in said.headline(found)
    )


def test_where_the_baseline_has_no_room_what_is_as_good_is_recommended() -> None:
    pool = ("pool", {"max_size": 2}, 100.0, KEPT)
    found = the(run(Limits(max_connections=10), BASE, pool))
    assert [one.place for one in found.ranking] == ["recommended", "over_limit"]
    assert found.recommend is not None
    assert found.recommend.strategy == "pool"


def test_where_nothing_has_room_nothing_is_recommended() -> None:
    found = run(Limits(max_connections=5), BASE, ("pool", {}, 600.0, KEPT))
    assert the(found).recommend is None
    assert "needs more connections than production allows" in said.headline(found)


def test_ages_alone_are_held_to_the_limit_too() -> None:
    finite = ("max_age", {"max_age": 60}, 600.0, KEPT)
    found = run(Limits(max_connections=10, workers=4), BASE, finite, server="sync")
    assert "In production: 1 host × 4 workers × 1 (usable at once) = 4 ≤ 10 − 3." in said.why(found)
    tight = run(Limits(max_connections=6, workers=4), BASE, finite, server="sync")
    assert the(tight).recommend is None


def test_a_pooler_has_room_where_a_pool_per_worker_has_not() -> None:
    limits = Limits(max_connections=20, workers=8)
    cases = [strategy_case("gthread", name, **p) for name, p in (("max_age", {}), ("pool", {}), ("pgbouncer", {}))]
    trials = [
        *noisy(cases[0], 100, like=CLOSED, blocks=10),
        *noisy(cases[1], 600, blocks=10),
        *(through_pooler(one, clients=8, servers=5) for one in noisy(cases[2], 300, blocks=10)),
    ]
    found = findings(cases, trials, limits=limits)
    recommend = the(found).recommend
    assert recommend is not None
    assert recommend.strategy == "pgbouncer"
    assert "In production: 1 host × 1 PgBouncer × 5 (pool_size) = 5 ≤ 20 − 3." in said.why(found)
