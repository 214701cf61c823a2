"""Each limit of a figure is said, with what to do about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from every import every
from factories.trials import (
    CLOSED,
    KEPT,
    Behaviour,
    Queue,
    ages,
    at_rate,
    case,
    caveats_of,
    default_plan,
    findings,
    noisy,
    replica,
    run_summary,
    strategy_case,
    through_pooler,
    trial,
    with_waits,
)

from loadlab.analysis import analyse
from loadlab.model.caveats import Caveat, CaveatKind
from loadlab.model.findings import Findings, LeftOut
from loadlab.report.prose.caveats import WORDS

if TYPE_CHECKING:
    from loadlab.model.config import Scalar

BALANCED = Behaviour(requests=1600, seconds=2.0, response=0.01, opened=2, reused=1598)  # 8 users: N = X R


def texts(found: Findings, *, about: str) -> list[str]:
    return [caveat.text for caveat in caveats_of(found) if about in caveat.text]


def quiet() -> Findings:
    """A run with nothing to warn of."""
    base, finite, _ = ages()
    finite = case(max_age=0.5)
    swift = replace(BALANCED, requests=3200, response=0.005)
    trials = [trial(of, block, like) for of, like in ((base, BALANCED), (finite, swift)) for block in range(1, 9)]
    return findings([base, finite], trials, trials_planned=16, trials_done=16)


def test_a_clean_run_has_no_caveats() -> None:
    assert quiet().caveats == ()


def test_what_the_projects_settings_do_to_all_figures_comes_first() -> None:
    environment = {"project": {"settings": "shop.settings", "note 1": "DEBUG is on."}, "machine": {"note 1": "small"}}
    cases, trials = [case()], [trial(case(), 1)]
    found = analyse(run=run_summary(), environment=environment, cases=cases, trials=trials)
    assert (caveats_of(found)[0].line) == "project: DEBUG is on."
    assert [one.subject for one in caveats_of(found)].count("project") == 1
    now = {"project notes": {"debug": "DEBUG is on."}}
    assert analyse(run=run_summary(), environment=now, cases=cases, trials=trials).caveats[0] == found.caveats[0]


@pytest.mark.parametrize(
    ("machine", "busy"),
    [
        ({"cores": 2, "load_average_at_start": 24.64}, True),
        ({"cores": 2, "load_average_at_start": 24.64, "load_average_before_run": 0.4}, False),  # its own, of before
        ({"cores": 32, "load_average_before_run": 24.64}, False),
        ({"cores": 2, "load_average_before_run": 2.0}, True),
        ({}, False),
    ],
)
def test_a_machine_that_was_busy_before_the_run_is_a_caveat(machine: dict[str, Scalar], *, busy: bool) -> None:
    found = analyse(run=run_summary(), environment={"machine": machine}, cases=[case()], trials=[trial(case(), 1)])
    said = [caveat.text for caveat in caveats_of(found) if caveat.subject == "machine"]
    assert len(said) == busy
    assert all(text.startswith("It was busy when the run began: load 2") and "on 2 cores" in text for text in said)


def test_a_worker_of_a_target_elsewhere_that_ended_in_the_window_is_named() -> None:
    one = trial(case(), 1, KEPT)
    connections, ended = one.connections, {"process_exit": 3}
    there = replace(connections, stopped=False, window_end=replace(connections.window_end, closed=ended))
    found = findings([case()], [replace(one, connections=there)])
    assert texts(found, about="ended during") == [
        "A worker of the target ended during the window and took 3 connections with it."
    ]
    here = replace(one, connections=replace(there, stopped=True))
    assert not texts(findings([case()], [here]), about="ended during")


def test_counts_that_do_not_reconcile_are_named_with_case_and_block() -> None:
    found = findings([case()], [trial(case(), 3, replace(KEPT, sessions=5))])
    (caveat,) = [one for one in caveats_of(found) if "reconcile" in one.text]
    assert caveat.subject == f"{case().id}, block 3"
    assert caveat.text == "The counts do not reconcile: opened 2 but PostgreSQL counted 5 sessions."


@every("state", ["invalid", "failed"])
def test_trials_that_do_not_count_are_kept_with_their_reason(state: str) -> None:
    broken = Behaviour(state=state, reason="generator too busy")  # type: ignore[arg-type]
    found = findings([case()], [trial(case(), 2, broken)])
    assert texts(found, about="generator") == [f"This trial is {state}: generator too busy."]
    assert [(one.state, one.reason) for one in found.trials] == [(state, "generator too busy")]


def test_missing_trials_are_counted() -> None:
    found = findings(ages(), [trial(case())], trials_planned=24, trials_done=1)
    assert texts(found, about="Missing") == ["Missing: 23 of 24 trials."]
    assert len(texts(found, about="No complete trial")) == 2


def test_a_run_with_too_few_blocks_says_how_many_it_takes() -> None:
    (caveat,) = [one for one in caveats_of(default_plan(blocks=7)) if "smallest" in one.text]
    assert caveat.text == (
        "7 complete blocks cannot prove a difference: with 6 comparisons, the smallest possible p is 0.094 after "
        "Holm's correction, and a proof needs less than 0.05."
    )
    assert caveat.advice == "Set blocks to 8 or more, or compare fewer cases."
    assert not texts(default_plan(blocks=8), about="smallest")


def test_a_run_cut_short_is_told_to_resume() -> None:
    base, finite, _ = ages()
    trials = [*noisy(base, 100, blocks=3, like=CLOSED), *noisy(finite, 600, blocks=3)]
    (caveat,) = [one for one in caveats_of(findings([base, finite], trials)) if "smallest" in one.text]
    assert caveat.advice == "Resume the run."


def test_a_comparison_short_of_blocks_is_named_where_others_are_not() -> None:
    base, finite, unlimited = ages()
    trials = [*noisy(base, 100, like=CLOSED), *noisy(finite, 600), *noisy(unlimited, 600, blocks=4)]
    found = findings([base, finite, unlimited], trials)
    short = [one for one in caveats_of(found) if one.text.startswith("Only 4 blocks of 8")]
    assert {one.subject for one in short} == {unlimited.id}


@every(("rate", "told"), [(100, []), (120, ["1.20×"])])
def test_a_replica_that_differs_from_its_twin_is_the_noise_floor(rate: float, told: list[str]) -> None:
    twins = ((case(), 100.0), (replica(case()), rate))
    trials = [
        trial(of, block, at_rate(middle * (1 + 0.01 * (block % 2)))) for of, middle in twins for block in range(1, 9)
    ]
    found = findings([case(), replica(case())], trials)
    noise = texts(found, about="this case differs from itself: throughput")
    assert [text.split(" throughput ")[1].split()[0] for text in noise] == told


def test_failures_are_told_and_so_are_blocks_in_which_nothing_succeeded() -> None:
    lost = Behaviour(requests=400, failed=400)
    found = findings([case()], [trial(case(), 1, replace(lost, failed=4)), trial(case(), 2, lost)])
    assert texts(found, about="failed") == ["404 of 800 requests failed (50.5 %)."]
    (text,) = texts(found, about="Nothing was served")
    assert text == "Nothing was served in block 2: the throughput is 0 there, and there is no latency."


def test_a_block_without_any_request_is_told_though_nothing_failed() -> None:
    found = findings([case()], [trial(case(), 1), trial(case(), 2, Behaviour(requests=0))])
    assert texts(found, about="Nothing was served in block 2")


def test_a_pair_in_which_neither_side_served_anything_is_told() -> None:
    base, finite, _ = ages()
    trials = [
        trial(of, block, Behaviour(requests=0) if block == 3 else KEPT)
        for of in (base, finite)
        for block in range(1, 8)
    ]
    found = findings([base, finite], trials)
    assert texts(found, about="In block 3 neither this case nor")
    assert found.comparisons[0].blocks == 6


def test_medians_that_contradict_the_paired_ratio_are_told() -> None:
    base, finite, _ = ages()
    rates = {1: 100.0, 2: 110.0, 3: 116.0, 4: 116.5, 5: 150.0, 6: 160.0, 7: 170.0}
    trials = [trial(base, block, at_rate(rate)) for block, rate in rates.items()]
    trials += [trial(finite, block, at_rate(rate * (1.05 if block == 4 else 0.97))) for block, rate in rates.items()]
    (text,) = texts(findings([base, finite], trials), about="The median throughput")
    assert text.startswith("The median throughput is 122 requests/s, against 117 for ")
    assert text.endswith("the ratio is 0.97×.")
    agreeing = [
        trial(of, block, at_rate(rate * (0.97 if of is finite else 1)))
        for of in (base, finite)
        for block, rate in rates.items()
    ]
    assert not texts(findings([base, finite], agreeing), about="The median throughput")


def test_a_noise_floor_is_told_for_the_metric_that_is_judged_alone() -> None:
    base = case()
    trials = [*noisy(base, 100), *noisy(replica(base), 150)]
    slow = [trial(base, 9, Behaviour(response=0.01)), trial(replica(base), 9, Behaviour(response=0.03))]
    found = findings([base, replica(base)], [*trials, *slow])
    (text,) = texts(found, about="This is the noise floor")
    assert text.startswith("Measured twice, this case differs from itself: throughput 1.47×")


@every(("cpu_seconds", "told"), [(1.79, 0), (1.9, 1)])
def test_a_generator_above_90_percent_of_a_core_is_told(cpu_seconds: float, told: int) -> None:
    found = findings([case()], [trial(case(), 1, Behaviour(seconds=2.0, generator_cpu=cpu_seconds))])
    assert len(texts(found, about="95 % of a core")) == told


@every(("response", "told"), [(0.01, 0), (0.0096, 0), (0.0094, 1), (0.0106, 1)])
def test_little_s_law_flags_a_gap_above_5_percent(response: float, told: int) -> None:
    found = findings([case()], [trial(case(), 1, replace(BALANCED, response=response))])
    assert len(texts(found, about="number of users")) == told


def test_little_s_law_is_not_asked_where_requests_failed() -> None:
    found = findings([case()], [trial(case(), 1, replace(BALANCED, response=0.002, failed=1))])
    assert not texts(found, about="number of users")


def test_withheld_percentiles_are_named_with_what_they_take() -> None:
    found = findings([case()], [trial(case(), 1, Behaviour(requests=58))])
    assert [text.split(",")[0] for text in texts(found, about="is not shown")] == [
        "p95 is not shown: it needs 59 successful requests in the window",
        "p99 is not shown: it needs 299 successful requests in the window",
    ]


def test_expiry_not_seen_is_told_once_per_age() -> None:
    expiry = [one for one in caveats_of(default_plan()) if "expire" in one.text]
    assert [one.subject for one in expiry] == ["3 cases"]


def test_damaged_records_come_last() -> None:
    damaged = Caveat(kind=CaveatKind.DAMAGED, subject="trials/7.json", figures={"fault": "it is empty", "remedy": ""})
    found = analyse(run=run_summary(), environment={}, cases=ages(), trials=[], damaged=[damaged])
    assert found.caveats[-1] == damaged
    assert len(caveats_of(found)) > 1


@every(("cpu", "expected"), [(1.3, True), (1.1, False)])
def test_a_proxy_near_its_ceiling_is_named(cpu: float, expected: bool) -> None:  # noqa: FBT001
    far = replace(case(), round_trip_ms=5.0)
    one = trial(far, 1, KEPT)
    found = findings([far], [replace(one, cpu_seconds=replace(one.cpu_seconds, proxy=cpu))])
    assert bool(texts(found, about="proxy that adds the round trip used up to 65 % of a core")) is expected


@every(("seconds", "expected"), [(1.0, True), (0.1, False)])
def test_waiting_for_a_pool_is_named_where_it_is_a_share_of_the_response(seconds: float, expected: bool) -> None:  # noqa: FBT001
    pool = strategy_case("gthread", "pool")
    found = findings([pool], [with_waits(trial(pool, 1, KEPT), waits=1000, seconds=seconds)])
    waited = "waited 1.00 ms for a connection on average; the median response is 8.0 ms"
    assert bool(texts(found, about=waited)) is expected


def test_waiting_at_a_pooler_is_named_too() -> None:
    bouncer = strategy_case("gthread", "pgbouncer")
    found = findings(
        [bouncer], [through_pooler(trial(bouncer, 1, KEPT), clients=8, servers=5, queue=Queue(waited=4.08))]
    )
    (caveat,) = [one for one in caveats_of(found) if "waited 4.0 ms" in one.text]
    assert caveat.advice.startswith("The size of the pooler limits this case")


def test_a_pooler_that_counts_otherwise_than_the_project_is_a_mismatch() -> None:
    bouncer = strategy_case("gthread", "pgbouncer")
    one = through_pooler(trial(bouncer, 1, KEPT), clients=8, servers=5)
    pooler = one.connections.pooler
    assert pooler is not None
    odd = replace(pooler, after_stop=replace(pooler.after_stop, clients_opened=9))
    found = findings([bouncer], [replace(one, connections=replace(one.connections, pooler=odd))])
    assert texts(found, about="reconcile") == [
        "The counts do not reconcile: opened 8 but the pooler counted 9 clients."
    ]


def test_expiry_that_no_window_could_show_is_named_per_strategy() -> None:
    leased = strategy_case("asgi", "leased_threads")
    found = findings([leased], [trial(leased, 1, KEPT)])
    assert texts(found, about="connections expire") == [
        "The window was too short to see connections expire: it was shorter than 3 × 60 s.",
    ]


def test_an_excluded_strategy_is_named_once_with_modes_and_reason() -> None:
    why = "the pool needs psycopg 3"
    left_out = tuple(LeftOut(server=server, strategy="pool", why=why) for server in ("sync", "gevent"))
    found = analyse(run=run_summary(left_out=left_out), environment={}, cases=[], trials=[])
    (caveat,) = caveats_of(found)
    assert caveat.line == "pool: Left out of sync and gevent: the pool needs psycopg 3."


def test_every_kind_of_caveat_has_its_words_and_is_found_by_its_code() -> None:
    kinds = {one.kind for one in default_plan(blocks=7).caveats}
    assert {CaveatKind.BLOCKS_TOO_FEW, CaveatKind.PERCENTILE_WITHHELD, CaveatKind.EXPIRY_UNSEEN} <= kinds
    assert list(CaveatKind) == list(WORDS)
