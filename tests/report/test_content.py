"""Words, names, tables and series that all formats share."""

from __future__ import annotations

import doctest
import json
from dataclasses import asdict, replace
from math import inf, nan

import pytest
from every import every
from factories import reports
from factories import trials as made

from loadlab.model.config import Config
from loadlab.model.findings import OverTime, Recommendation
from loadlab.model.fleet import Dispatch, Spread
from loadlab.model.uses import Uses
from loadlab.report import labels, markup, numbers
from loadlab.report.content import charts, comparisons, matrix, spread, story, tables, verdicts


def test_examples_of_tables_hold() -> None:
    result = doctest.testmod(spread)
    assert (result.attempted > 0, result.failed) == (True, 0)


def test_examples_of_markdown_hold() -> None:
    result = doctest.testmod(markup)
    assert (result.attempted > 0, result.failed) == (True, 0)


CASE = reports.CASES[0]


@every(
    ("recommend", "text"),
    [
        (None, "No recommendation"),
        (
            Recommendation(case=CASE, strategy="max_age", max_age=None, conn_health_checks=False),
            "CONN_MAX_AGE = None",
        ),
        (
            Recommendation(case=CASE, strategy="max_age", max_age=60.0, conn_health_checks=True),
            "CONN_MAX_AGE = 60 with health checks",
        ),
        (
            Recommendation(case=CASE, strategy="pool", max_age=0, conn_health_checks=True),
            "pool with health checks",
        ),
        (
            Recommendation(
                case=CASE,
                strategy="pgbouncer",
                max_age=None,
                conn_health_checks=True,
                parameters={"max_age": None, "pool_size": 5},
            ),
            "pgbouncer with CONN_MAX_AGE = None and health checks",
        ),
    ],
)
def test_a_recommendation_is_spelt_as_settings_spell_it(recommend: Recommendation | None, text: str) -> None:
    assert numbers.setting(recommend) + numbers.rest_of_recommendation(recommend) == text


def test_columns_go_by_age_and_then_by_other_strategies() -> None:
    pool = Config(name="pool", parameters={"max_size": 4})
    ages = [Config(name="max_age", parameters={"max_age": age}) for age in (None, 600, 0, 60)]
    base = reports.arm(reports.case("sync", 0), 8)
    arms = [replace(base, case=replace(base.case, strategy=choice)) for choice in (pool, *ages)]
    columns = [labels.strategy(choice) for choice in matrix.strategies(arms)]
    assert columns == ["age 0", "age 60 s", "age 600 s", "age unlimited", "pool,max_size=4"]


def test_two_finite_ages_wear_one_colour_in_two_shades() -> None:
    ages = [Config(name="max_age", parameters={"max_age": age}) for age in (0, 60, 600, None)]
    looks = [
        (heading.tone, heading.shade) for heading in matrix.headings(ages, labels.Labels.of(reports.findings(blocks=1)))
    ]
    assert looks == [("zero", 0), ("finite", 0), ("finite", 1), ("unlimited", 0)]


def test_scenario_and_users_are_named_only_where_they_differ() -> None:
    findings = reports.findings(blocks=1)
    assert str(matrix.build(findings).rows[1].mode) == "gunicorn sync"
    other = replace(findings.arms[0], case=replace(findings.arms[0].case, users=32))
    more = replace(findings, arms=(*findings.arms, other))
    assert str(matrix.build(more).rows[1].mode) == "gunicorn sync (8 users)"


def test_the_matrix_names_baselines_leaks_and_verdicts() -> None:
    rows = {row.mode.server: row.cells for row in matrix.build(reports.findings()).rows}
    baseline, finite, unlimited = rows["gevent"]
    assert (baseline.ratio, baseline.judgement, baseline.leaks) == ("baseline", None, False)
    assert (finite.judgement, finite.leaks, finite.peak) == ("worse", True, "96 (8 usable)")
    assert unlimited.ratio.startswith("0.86× (")


def test_the_replica_is_in_the_noise_floor_and_not_in_the_matrix() -> None:
    findings = reports.findings()
    assert len(matrix.build(findings).rows) == len(reports.SERVERS)
    (floor,) = story.noise_floor(findings)
    assert floor == (
        "Noise floor (the same case measured twice): throughput 1.00× (0.98–1.02). "
        "The run cannot tell a smaller difference from noise."
    )


def test_the_noise_floor_is_one_line_for_all_metrics() -> None:
    findings = reports.findings()
    control = next(one for one in findings.comparisons if one.question == "noise")
    p50 = replace(control, metric="p50", ratio=0.99, low=0.9, high=1.1)
    (line,) = story.noise_floor(replace(findings, comparisons=(*findings.comparisons, p50)))
    assert "throughput 1.00× (0.98–1.02), p50 response time 0.99× (0.90–1.10)." in line


def test_a_card_says_how_sure_its_verdict_is() -> None:
    threaded, sync, _ = verdicts.build(reports.findings())
    assert threaded.sure.startswith("certain: connections are counted")
    assert sync.sure.startswith("proven: p = ")


def test_a_verdict_shows_the_figures_of_the_arm_that_it_recommends() -> None:
    threaded, sync, _ = verdicts.build(reports.findings())
    assert (sync.ratio, sync.peak, sync.leaks) == ("2.47× (2.42–2.52)", "2 (2 usable)", ())
    assert (threaded.ratio, threaded.leak_words) == ("baseline", "age 60 s, age unlimited")


def test_a_ratio_of_another_metric_than_throughput_is_named_in_the_matrix() -> None:
    findings = reports.findings()
    compared = tuple(replace(c, metric="p95") for c in findings.comparisons)
    by_p95 = replace(findings, comparisons=compared, run=replace(findings.run, primary_metric="p95"))
    cell = matrix.build(by_p95).rows[1].cells[1]
    assert cell is not None
    assert cell.ratio.startswith("p95 response ")


def test_accounts_add_up_over_the_trials_of_a_case() -> None:
    findings = reports.findings()
    rows = {row[0]: row for row in tables.accounts(findings).rows}
    _, trials, opened, sessions, _, closed, at_rest, left, exact = rows["gunicorn sync, age 60 s"]
    assert (trials, opened, sessions, closed, at_rest, left, exact) == ("8", "16", "16", "none", "16", "16", "yes")


def test_counts_that_do_not_reconcile_show_the_identity_that_fails() -> None:
    findings = reports.findings(blocks=2)
    first = findings.trials[0]
    cooked = replace(first, connections=replace(first.connections, sessions=1))
    table = tables.accounts(replace(findings, trials=(cooked, *findings.trials[1:])))
    assert table.rows[0][-1].startswith("1 of 2; opened ")
    assert "but PostgreSQL counted 1 sessions" in table.rows[0][-1]


@every("variant", reports.VARIANTS)
@pytest.mark.thorough
def test_every_row_of_every_table_is_as_wide_as_its_head(variant: str) -> None:
    findings = reports.VARIANTS[variant]()
    builders = (tables.figures, tables.accounts, tables.failures, tables.trials, tables.modes, verdicts.to_set)
    compared = comparisons.build(findings)
    built = (build(findings) for build in builders)
    for table in (*built, compared.judged, compared.others, *tables.environment(findings)):
        assert {len(row) for row in table.rows} <= {len(table.columns)}, table.caption


def test_unusable_trials_can_be_listed_alone() -> None:
    assert tables.trials(reports.findings(), only_unusable=True).rows == ()
    assert len(tables.trials(reports.all_failed(), only_unusable=True).rows) == 20


def test_thinning_a_long_series_keeps_its_extremes() -> None:
    n = 10_000
    spike, dip = 7_777, 3_333
    series = OverTime(
        at=tuple(float(i) for i in range(n)),
        median=(5.0,) * n,
        low=tuple(0.0 if i == dip else 4.0 for i in range(n)),
        high=tuple(99.0 if i == spike else 6.0 for i in range(n)),
    )
    findings = reports.findings(blocks=1)
    arm = replace(findings.arms[0], open_over_time=series)
    line = charts.build(replace(findings, arms=(arm,))).arms[0].line
    assert line is not None
    assert len(line.at) <= charts.MOST_INSTANTS
    assert len(line.at) == len(line.median) == len(line.low) == len(line.high)
    assert (max(line.high), min(line.low), set(line.median)) == (99.0, 0.0, {5.0})


def test_charts_leave_out_arms_without_trials_and_missing_numbers() -> None:
    assert charts.build(reports.all_failed()).arms == ()
    findings = reports.findings(blocks=1)
    odd = replace(
        findings.arms[0], p50_seconds=reports.estimate(nan), throughput=replace(reports.estimate(1.0), value=inf)
    )
    series = charts.build(replace(findings, arms=(odd,)))
    assert (series.arms[0].percentiles[0], series.arms[0].throughput) == (None, None)
    json.dumps(asdict(series), allow_nan=False)


def test_only_the_declared_question_is_judged() -> None:
    found = reports.findings()
    secondary = replace(found.comparisons[0], metric="p50", p_holm=None, verdict="inconclusive")
    compared = comparisons.build(replace(found, comparisons=(found.comparisons[0], secondary)))
    assert [row[-1] for row in compared.judged.rows] == [found.comparisons[0].verdict]
    assert [row[-1] for row in compared.others.rows] == ["not judged"]


def test_every_mode_has_a_setting_with_its_reason_and_certainty() -> None:
    rows = {row[0]: row[1:] for row in verdicts.to_set(reports.findings()).rows}
    setting, ratio, why, sure = rows["gunicorn sync"]
    assert setting.startswith("CONN_MAX_AGE = 60")
    assert ratio == "2.47× (2.42–2.52)"
    assert "of requests reuse a connection" in why
    assert sure.startswith("proven: p = 0.")
    setting, ratio, why, sure = rows["gunicorn gevent"]
    assert (setting, ratio) == ("CONN_MAX_AGE = 0", "baseline")
    assert "leak" in why
    assert "the server can use only 8" in why
    assert sure == "certain: connections are counted, not estimated"


def test_a_mode_has_its_common_name_and_an_external_target_its_given_one() -> None:
    assert labels.title("asgi") == "uvicorn (ASGI)"
    assert labels.title("age 0") == "age 0"


def test_what_is_nearly_all_is_not_called_all() -> None:
    assert numbers.percentage(0.99999) == ">99.9 %"
    assert numbers.percentage(1.0) == "100 %"


def test_the_spread_of_a_mode_is_that_of_its_trial_with_most_requests() -> None:
    def seen(requests: int, *shares: float) -> Uses:
        spread = Spread(processes=Dispatch(recent=0.75, random=0.25), requests=requests, by_process=shares)
        return Uses(spread=spread, hold_seconds=None, connect_seconds=None)

    cases = made.ages()
    trials = [
        replace(made.trial(cases[0]), uses=seen(9, 1.0)),
        replace(made.trial(cases[1]), uses=seen(20, 0.75, 0.25)),
    ]
    table = spread.build(made.findings(cases, trials))
    assert [row[1:] for row in table.rows] == [("20", "75 %", "last used 75 %, random 25 %", "–", "–")]
    assert spread.build(made.findings(cases, [made.trial(each) for each in cases])).rows == ()
