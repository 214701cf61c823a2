"""Verdicts follow from the evidence: a leak overrules, a proven gain decides, doubt recommends nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from every import every
from factories.trials import CLOSED, KEPT, LEAKING, Behaviour, ages, at_rate, case, default_plan, findings, noisy, trial

from . import said

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings, Recommendation, Verdict


def the(found: Findings) -> Verdict:
    (verdict,) = found.verdicts
    return verdict


def recommended(found: Findings) -> float | str | None:
    """The age; "nothing" when inconclusive."""
    recommend = the(found).recommend
    return "nothing" if recommend is None else recommend.max_age


def essence(recommend: Recommendation | None) -> tuple[str, float | None, bool] | None:
    return None if recommend is None else (recommend.strategy, recommend.max_age, recommend.conn_health_checks)


def run(*arms: tuple[Case, float, Behaviour], blocks: int = 8) -> Findings:
    trials = [one for of, rate, like in arms for one in noisy(of, rate, like=like, blocks=blocks)]
    return findings([of for of, _, _ in arms], trials, blocks=blocks)


def test_the_default_plan_keeps_in_sync_and_closes_where_connections_leak() -> None:
    found = {verdict.condition.server.name: essence(verdict.recommend) for verdict in default_plan().verdicts}
    assert found["sync"] == ("max_age", 60, True)
    for server in ("threaded", "gevent"):
        assert found[server] == ("max_age", 0, False)


def test_a_leak_overrules_any_speed() -> None:
    base, finite, _ = ages(usable=8)
    swift = replace(LEAKING, refused=0, failed=0)
    found = run((base, 100, CLOSED), (finite, 900, swift))
    assert found.comparisons[0].verdict == "better"
    assert recommended(found) == 0
    assert "leak" in said.headline(found)


def test_a_faster_case_is_not_recommended_until_its_leak_is_known() -> None:
    base, finite, _ = ages("gevent", usable=8)
    thin = replace(KEPT, opened=6, reused=0, held=6, requests=6)
    found = run((base, 100, CLOSED), (finite, 900, thin))
    assert found.comparisons[0].verdict == "better"
    assert recommended(found) == "nothing"
    assert "too few connections to tell whether it leaks" in said.headline(found)
    assert "too few were opened to tell whether they leak" in " ".join(said.why(found))
    assert {arm.leak for arm in found.arms} == {"no", "cannot tell"}


def test_no_verdict_contradicts_how_many_connections_were_open() -> None:
    base, finite, _ = ages("gthread", usable=8)
    own = replace(KEPT, opened=9, reused=991, held=9)  # a process's own thread has one
    found = run((base, 100, CLOSED), (finite, 600, own))
    (words,) = (why for why in said.why(found) if "open at rest" in why and why.startswith("60 s"))
    assert words.endswith(
        "9 open at rest, 8 usable: no leak (the 1 above that can belong to the project's other threads)."
    )


def test_a_leak_that_the_collector_hides_names_what_it_had_to_close() -> None:
    base, finite, _ = ages("gevent", usable=8)
    like = replace(LEAKING, refused=0, failed=0, held=7)
    trials = [*noisy(base, 100, like=CLOSED), *noisy(finite, 600, like=like)]
    collected = [
        replace(
            one,
            connections=replace(
                one.connections,
                at_rest=replace(one.connections.at_rest, closed={"garbage_collected": 153}),
            ),
        )
        if one.case == finite
        else one
        for one in trials
    ]
    found = findings([base, finite], collected, blocks=8)
    assert recommended(found) == 0
    assert "leak (only the garbage collector closed 1,224 connections)" in said.headline(found)


def test_one_refused_connection_disqualifies_an_arm() -> None:
    base, finite, unlimited = ages()
    found = run((base, 100, CLOSED), (finite, 600, replace(KEPT, refused=1)), (unlimited, 500, KEPT))
    assert recommended(found) is None


def test_more_failures_than_the_baseline_disqualify_an_arm() -> None:
    base, finite, _ = ages()
    assert recommended(run((base, 100, CLOSED), (finite, 600, replace(KEPT, failed=50)))) == 0
    assert recommended(run((base, 100, CLOSED), (finite, 600, replace(KEPT, failed=5)))) == 60


@every(("blocks", "age"), [(1, "nothing"), (2, 0)])
def test_a_leak_counts_after_two_trials_and_needs_no_timing(blocks: int, age: float | str) -> None:
    base, finite, unlimited = ages(usable=8)
    found = run((base, 100, CLOSED), (finite, 95, LEAKING), (unlimited, 95, LEAKING), blocks=blocks)
    assert recommended(found) == age


def test_five_blocks_without_a_leak_recommend_nothing_and_say_why() -> None:
    base, finite, _ = ages()
    found = run((base, 100, CLOSED), (finite, 600, KEPT), blocks=5)
    assert recommended(found) == "nothing"
    assert said.headline(found) == "sync: inconclusive, because only 5 blocks are complete, and a verdict needs 6."
    assert the(found).settings == ""


def test_where_keeping_gains_nothing_closing_is_recommended() -> None:
    base, finite, unlimited = ages()
    found = run((base, 100, CLOSED), (finite, 100, KEPT), (unlimited, 80, KEPT))
    assert [one.verdict for one in found.comparisons if one.p_holm and one.question == "keep"] == [
        "equivalent",
        "worse",
    ]
    assert recommended(found) == 0
    assert "gains nothing" in said.headline(found)


def test_an_inconclusive_arm_leaves_the_verdict_open() -> None:
    base, finite, _ = ages()
    uneven = [trial(finite, block, at_rate(80 if block % 2 else 140)) for block in range(1, 9)]
    found = findings([base, finite], [*noisy(base, 100, like=CLOSED), *uneven])
    assert found.comparisons[0].verdict == "inconclusive"
    assert recommended(found) == "nothing"
    assert "inconclusive (8 blocks detect 1.41× with 80 % power)" in said.why(found)[0]


def test_the_smallest_age_that_is_not_proven_worse_is_chosen() -> None:
    base, short, middle, long = (case(max_age=age) for age in (0, 1, 60, 600))
    found = run((base, 100, CLOSED), (short, 300, KEPT), (middle, 600, KEPT), (long, 605, KEPT))
    assert recommended(found) == 60


@every(("rate", "age"), [(600, 60), (900, None)])
def test_unlimited_is_chosen_only_if_proven_better_than_the_finite_age(rate: float, age: float | None) -> None:
    base, finite, unlimited = ages()
    assert recommended(run((base, 100, CLOSED), (finite, 600, KEPT), (unlimited, rate, KEPT))) == age


def test_without_a_baseline_nothing_is_recommended() -> None:
    _, finite, unlimited = ages()
    found = run((finite, 600, KEPT), (unlimited, 600, KEPT))
    assert recommended(found) == "nothing"
    assert "no trial with CONN_MAX_AGE = 0 is complete" in said.headline(found)


def test_a_baseline_alone_answers_nothing() -> None:
    assert "no case keeps connections" in said.headline(run((case(), 100, CLOSED)))


def test_where_every_request_failed_nothing_is_recommended() -> None:
    lost = Behaviour(requests=400, failed=400)
    cases = ages()[:2]
    found = findings(cases, [trial(of, block, lost) for of in cases for block in range(1, 9)])
    assert recommended(found) == "nothing"
    assert "no request succeeded" in said.headline(found)


def test_a_baseline_that_is_refused_is_not_recommended_either() -> None:
    base, finite, _ = ages(usable=8)
    found = run((base, 100, replace(CLOSED, refused=3)), (finite, 95, LEAKING))
    assert recommended(found) == "nothing"


def test_invalid_trials_decide_nothing() -> None:
    base, finite, _ = ages(usable=8)
    invalid = replace(LEAKING, state="invalid", reason="generator too busy")
    assert recommended(run((base, 100, CLOSED), (finite, 95, invalid))) == "nothing"


@every(
    ("age", "rate", "expected"),
    [
        (60, 600, {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}),
        (0.5, 600, {"CONN_MAX_AGE": 0.5, "CONN_HEALTH_CHECKS": True}),
        (None, 600, {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}),
        (60, 50, {"CONN_MAX_AGE": 0}),
    ],
    ids=["60 s", "half a second", "unlimited", "kept is worse"],
)
def test_settings_can_be_pasted_as_they_are(age: float | None, rate: float, expected: dict[str, object]) -> None:
    found = run((case(), 100, CLOSED), (case(max_age=age), rate, KEPT))
    databases: dict[str, dict[str, object]] = {"default": {}}
    exec(the(found).settings, {"DATABASES": databases})  # noqa: S102  the text was made here
    assert databases["default"] == expected


def test_the_headline_gives_ratio_interval_connections_and_leak() -> None:
    base, finite, _ = ages()
    headline = said.headline(run((base, 100, CLOSED), (finite, 600, KEPT)))
    assert headline == "sync: keep connections for 60 s: 6.0× the throughput (5.8–6.3), 2 connections held, no leak."


def test_the_reasons_carry_their_figures() -> None:
    found = default_plan()
    why = "\n".join(next(said.why(found, v) for v in found.verdicts if v.condition.server.name == "sync"))
    for figure in (
        "60 s: 6.0× the throughput of age 0",
        "at most 2 connections open at once, 2 open at rest, 2 usable: no leak",
        "requests with age 0, 60 s, unlimited (95 % upper bound of the share that fails: ",
        "application 1.00 ms against 5.0 ms, database 0.50 ms against 2.50 ms",
        "99.8 % of requests reused a connection",
        "the window was too short to see connections expire",
        "at 1 request/s per connection it needs 19.0 s",
        "Unlimited: 1.00× the throughput of 60 s",
        "this run did not measure the cost",
    ):
        assert figure in why


def test_the_reasons_begin_with_what_decides() -> None:
    found = default_plan()
    first = {verdict.condition.server.name: said.why(found, verdict)[0] for verdict in found.verdicts}
    assert first["sync"].startswith("60 s: 6.0× the throughput of age 0")
    for server in ("threaded", "gevent"):
        assert first[server].startswith("60 s: at most ")
        assert "8 usable: a leak" in first[server]
    base, finite, _ = ages()
    failing = run((base, 100, CLOSED), (finite, 600, replace(KEPT, failed=50)))
    assert " requests failed (" in said.why(failing)[0]


def test_no_reason_is_given_twice() -> None:
    found = default_plan()
    for verdict in found.verdicts:
        why = said.why(found, verdict)
        assert len(why) == len(set(why))


def test_the_cost_of_health_checks_is_given_where_it_was_measured() -> None:
    found = run((case(), 100, CLOSED), (case(max_age=60), 600, KEPT), (case(max_age=60, checks=True), 540, KEPT))
    assert "With health checks: 0.92× the throughput of the same age without them (0.88–0.95)" in "\n".join(
        said.why(found)
    )


def test_expiry_is_reported_as_observed_in_a_long_window() -> None:
    found = run((case(), 100, CLOSED), (case(max_age=0.1), 600, KEPT))
    assert "0.1 s: the window was long enough to see connections expire" in "\n".join(said.why(found))


def test_verdicts_differ_by_keep_alive() -> None:
    closed, kept = ([case("gevent", age, usable=8, keep_alive=alive) for age in (0, 60)] for alive in (False, True))
    found = run((closed[0], 100, CLOSED), (closed[1], 95, LEAKING), (kept[0], 100, CLOSED), (kept[1], 600, KEPT))
    ages_by_client = {
        verdict.condition.keep_alive: verdict.recommend.max_age for verdict in found.verdicts if verdict.recommend
    }
    assert ages_by_client == {False: 0, True: 60}
    assert said.headline(found).startswith("gevent with keep-alive off: ")


def test_too_few_blocks_for_the_comparisons_are_named_as_the_reason() -> None:
    base, finite, _ = ages()
    others = [case(max_age=age) for age in (1, 5, 30, 120, 600, 3600, 7200)]
    found = run((base, 100, CLOSED), (finite, 600, KEPT), *((of, 600, KEPT) for of in others), blocks=7)
    assert (
        said.headline(found)
        == "sync: inconclusive, because only 7 blocks are complete, and a verdict on 8 comparisons needs 9."
    )
