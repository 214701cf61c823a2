"""Two runs side by side."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from every import every
from factories.reports import findings
from factories.trials import Behaviour, at_rate, case, trial
from factories.trials import findings as analysed

from loadlab.analysis import contrast
from loadlab.analysis.counterparts import counterparts
from loadlab.analysis.regressions import regressions
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.departure import Departure, Why
from loadlab.model.regressions import RegressionKind
from loadlab.report import comparison
from loadlab.report.prose.regressions import said

if TYPE_CHECKING:
    from loadlab.model.contrasts import Contrast
    from loadlab.model.findings import Findings


def test_a_run_beside_itself_shows_ratios_of_one_and_no_differences() -> None:
    run = findings()
    found = contrast(run, run)
    assert {one.ratio for one in found.contrasts} == {1.0}
    assert (found.differences, found.only_before, found.only_after) == ((), (), ())
    assert all(one.low is None or one.low <= 1 <= (one.high or 0) for one in found.contrasts)


def test_a_version_that_changed_is_named_and_a_load_average_is_not() -> None:
    before = replace(findings(), environment={"versions": {"django": "5.2"}, "machine": {"load_average_at_start": 0.1}})
    after = replace(before, environment={"versions": {"django": "6.1"}, "machine": {"load_average_at_start": 0.9}})
    assert contrast(before, after).differences == (("versions: django", "5.2", "6.1"),)


def test_a_reworded_remark_on_a_project_is_no_difference_and_a_new_one_is() -> None:
    earlier = {"project": {"note 1": "The target is served elsewhere: what CPU it uses is not known."}}
    later = {"project notes": {"cpu_unknown": "The target is external.", "no_judge": "PostgreSQL was not asked."}}
    before, after = (replace(findings(), environment=environment) for environment in (earlier, later))
    assert contrast(before, after).differences == (("project notes: no_judge", "absent", "PostgreSQL was not asked."),)


def test_a_case_that_only_one_run_has_is_named() -> None:
    before = findings()
    after = replace(before, arms=before.arms[1:], trials=before.trials)
    assert contrast(before, after).only_before == (before.arms[0].case.id,)


def run_at(*rates: float) -> Findings:
    """One case at so many requests per second in each block; at 0 every request fails."""
    dead = Behaviour(requests=20, failed=20)
    return analysed([case()], [trial(case(), b, at_rate(rate) if rate else dead) for b, rate in enumerate(rates, 1)])


def throughput(before: Findings, after: Findings) -> Contrast:
    (one,) = [one for one in contrast(before, after).contrasts if one.metric == "throughput"]
    return one


def test_later_trials_that_fail_altogether_count_as_the_slowest() -> None:
    earlier = run_at(100, 101, 102, 100, 101, 102)
    one = throughput(earlier, run_at(150, 151, 152, 0, 0, 0))
    assert (one.ratio, one.low, one.trials) == (0.0, 0.0, (6, 6))
    one = throughput(earlier, run_at(150, 151, 152, 150, 151, 0))
    assert one.ratio == pytest.approx(1.485, abs=0.02)
    assert one.low == 0.0


def test_a_bimodal_machine_leaves_the_ratio_inside_its_interval() -> None:
    one = throughput(run_at(100, 200, 100, 200, 100, 100), run_at(100, 200, 200, 200, 100, 200))
    assert one.low is not None
    assert one.high is not None
    assert one.low <= one.ratio <= one.high


def test_three_trials_of_a_run_are_said_to_be_too_few() -> None:
    found = contrast(run_at(100, 101, 102), run_at(150, 151, 152))
    assert "too few trials for an interval" in comparison.text(found, 200, ("one", "other"))


def test_the_text_says_that_no_verdict_follows() -> None:
    run = findings()
    assert "For a verdict, measure both in one run" in comparison.text(contrast(run, run), 200, ("one", "other"))


def with_users(run: Findings, users: int) -> Findings:
    """The same run, as if every case of it had so many users."""

    def changed(case: Case) -> Case:
        return replace(case, users=users)

    return replace(
        run,
        arms=tuple(replace(arm, case=changed(arm.case)) for arm in run.arms),
        trials=tuple(replace(trial, case=changed(trial.case)) for trial in run.trials),
    )


def test_runs_that_differ_in_a_parameter_are_paired_and_say_so() -> None:
    before = findings()
    after = with_users(before, 4)
    found = contrast(before, after)
    assert found.changed == (("users", "8", "4"),)
    assert len(found.arms) == len(contrast(before, before).arms) > 0
    assert found.contrasts
    assert (found.only_before, found.only_after) == ((), ())
    assert "users" in comparison.text(found, 120, ("one", "other"))


CASE = Case(
    server=Config(name="gthread", parameters={"workers": 2, "threads": 4}),
    strategy=Config(name="max_age", parameters={"max_age": 0}),
    scenario="read_one",
    users=8,
    keep_alive=False,
    usable_connections=8,
)


def gthread(**parameters: int) -> Case:
    return replace(CASE, server=replace(CASE.server, parameters={**CASE.server.parameters, **parameters}))


@every(
    ("after", "changed"),
    [
        (gthread(threads=8), (("gthread: threads", "4", "8"),)),
        (gthread(keep_alive_seconds=5), (("gthread: keep_alive_seconds", "absent", "5"),)),
        (replace(CASE, server=Config(name="sync", parameters={"workers": 2})), (("server mode", "gthread", "sync"),)),
        (
            replace(CASE, scenario="mixed", keep_alive=True),
            (("scenario", "read_one", "mixed"), ("client keep-alive", "off", "on")),
        ),
        (replace(CASE, round_trip_ms=2.0), (("round_trip_ms", "0", "2"),)),
        (CASE, ()),
    ],
)
def test_what_differs_in_all_cases_is_a_change_and_separates_none(after: Case, changed: tuple[object, ...]) -> None:
    found = counterparts([CASE], [after])
    assert found.pairs == ((CASE, after),)
    assert found.changed == changed


def test_a_swept_parameter_pairs_the_values_that_both_runs_have() -> None:
    found = counterparts([gthread(threads=4), gthread(threads=8)], [gthread(threads=8), gthread(threads=16)])
    assert found.pairs == ((gthread(threads=8), gthread(threads=8)),)
    assert (found.only_before, found.only_after) == ((gthread(threads=4),), (gthread(threads=16),))
    assert found.changed == ()


def test_postgresqls_port_does_not_differ_between_runs() -> None:
    before = replace(findings(), environment={"PostgreSQL": {"setting port": "5432", "setting work_mem": "4096"}})
    after = replace(before, environment={"PostgreSQL": {"setting port": "6543", "setting work_mem": "8192"}})
    assert contrast(before, after).differences == (("PostgreSQL: setting work_mem", "4096", "8192"),)


def faster(run: Findings, factor: float) -> Findings:
    """The same run with another throughput, the same to the last trial."""
    return replace(run, trials=tuple(replace(trial, throughput=trial.throughput * factor) for trial in run.trials))


def test_a_gate_finds_slower_leaking_and_failing_runs_and_no_others() -> None:
    run = findings()
    assert regressions(contrast(run, run))[0] == ()
    assert regressions(contrast(run, faster(run, 2)))[0] == ()
    slower, _ = regressions(contrast(run, faster(run, 0.5)))
    assert slower
    assert all("throughput 0.50×" in said(one) for one in slower)
    sound = replace(run, arms=tuple(replace(arm, leaks=False) for arm in run.arms))
    leaking = replace(run, arms=tuple(replace(arm, leaks=True) for arm in run.arms))
    assert len(regressions(contrast(sound, leaking))[0]) == len(contrast(run, run).arms)
    assert regressions(contrast(leaking, leaking))[0] == ()
    dead = replace(sound, arms=tuple(replace(arm, failures=arm.requests) for arm in sound.arms), trials=())
    found, _ = regressions(contrast(sound, dead))
    assert {one.kind for one in found} == {RegressionKind.SERVES_NOTHING}


def test_a_gate_does_not_judge_what_has_no_interval() -> None:
    run = findings()
    few = replace(run, trials=tuple(trial for trial in run.trials if trial.block < 1))
    worse, unknown = regressions(contrast(run, few))
    assert worse == ()
    assert len(unknown) == len(contrast(run, run).arms)


def test_a_gate_asks_for_no_speed_of_a_case_that_left_both_runs_for_its_leak() -> None:
    """Two trials of each run have no interval. What leaks only now, or kept its speed unknown, does not pass."""
    of, gone = case(), {case(): Departure(case=0, blocks=2, spared=6, why=Why.LEAKS)}
    sound = analysed([of], [trial(of, block, at_rate(100 + block)) for block in (1, 2)])
    leaking = replace(sound, arms=tuple(replace(arm, leaks=True) for arm in sound.arms), departures=gone)
    assert regressions(contrast(leaking, leaking)) == ((), ())
    newly, unknown = regressions(contrast(sound, leaking))
    assert [one.kind for one in newly] == [RegressionKind.LEAKS]
    assert [one.kind for one in unknown] == [RegressionKind.TRIALS_TOO_FEW]
    alone = replace(sound, departures={of: replace(gone[of], why=Why.ALONE)})
    assert [one.kind for one in regressions(contrast(alone, alone))[1]] == [RegressionKind.TRIALS_TOO_FEW]


def test_a_gate_does_not_pass_a_run_with_more_trials_that_served_nothing() -> None:
    earlier = run_at(*[100.0 + block for block in range(14)])
    hung = run_at(*[0.0 if block == 5 else 100.0 + block for block in range(14)])
    worse, unknown = regressions(contrast(earlier, hung))
    assert worse == ()
    assert ["nothing was served in 1 of 14 trials, and in 0 of 14 before" in said(one) for one in unknown] == [True]
    assert regressions(contrast(hung, hung)) == regressions(contrast(hung, earlier)) == ((), ())


def test_a_gate_does_not_pass_what_did_not_keep_up_with_its_load() -> None:
    earlier = [trial(case(), block, at_rate(100 + block)) for block in range(1, 9)]
    later = [replace(one, state="invalid", reason="stood still", by_target=True) for one in earlier[:4]] + earlier[4:]
    worse, unknown = regressions(contrast(analysed([case()], earlier), analysed([case()], later)))
    assert worse == ()
    assert ["or did not keep up with the load" in said(one) for one in unknown] == [True]


def test_as_json_it_says_what_the_text_says() -> None:
    run = findings()
    told = comparison.as_json(contrast(run, with_users(run, 4)), ("one", "other"))
    assert told["changed"] == [{"fact": "users", "before": "8", "after": "4"}]
    assert json.loads(json.dumps(told)) == told
    assert {"throughput", "p50"} <= told["cases"][0]["metrics"].keys()
    assert len({case["name"] for case in told["cases"]}) == len(told["cases"])
