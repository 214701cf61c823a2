"""From what a run has recorded to its findings: the order in which all questions are asked."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from loadlab.analysis.added_latency import added_latency
from loadlab.analysis.aftermaths import aftermaths
from loadlab.analysis.answer import Decided, answer
from loadlab.analysis.arms import MeasuredTrial, arm
from loadlab.analysis.caveats import caveats, remarks
from loadlab.analysis.comparisons import Rules, compare_all, family_size
from loadlab.analysis.decisions import decide
from loadlab.analysis.departures import spared
from loadlab.analysis.deployed import undecided
from loadlab.analysis.evidence import Evidence
from loadlab.analysis.failures import failure_rows
from loadlab.analysis.gate_evidence import questions_of
from loadlab.analysis.gates import decide as decide_gates
from loadlab.analysis.holding import beside_idle, holding_costs
from loadlab.analysis.noise import bars
from loadlab.analysis.over_an_hour import over_an_hour
from loadlab.analysis.run_summary import driver_of, environment_of, record_caveats, run_summary
from loadlab.analysis.scalars import scalars
from loadlab.analysis.trials import refused, summarise
from loadlab.analysis.verdicts import verdict
from loadlab.model.findings import Findings
from loadlab.model.gates import Gates
from loadlab.plan.gates import undecided_fails, with_more
from loadlab.plan.parse import read_measured_plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.analysis.judgement import Bar
    from loadlab.analysis.scalars import Scalars
    from loadlab.model.answers import Answer
    from loadlab.model.case import Case
    from loadlab.model.caveats import Caveat
    from loadlab.model.comparison import Comparison
    from loadlab.model.condition import Condition
    from loadlab.model.config import Config, Scalar
    from loadlab.model.departure import Departure
    from loadlab.model.findings import Arm, RunSummary
    from loadlab.model.holding import Holding
    from loadlab.model.opens import Opens
    from loadlab.model.recorded import RecordedRun
    from loadlab.model.samples import Recovery, Restart, Trial


@dataclass(frozen=True, kw_only=True, slots=True)
class _Compared:
    """All trials in scalars, what counts as a difference in each metric, and the comparisons made by it."""

    table: Scalars
    bar_of: Mapping[str, Bar]
    comparisons: tuple[Comparison, ...]


def findings_of(recorded: RecordedRun, more_gates: Sequence[str] = ()) -> Findings:
    """What a run says, as far as it has come, and what that means for the gates of its plan and `more_gates`.

    Raises:
        UsageError: its plan cannot be read, or one of `more_gates`.
    """
    plan = read_measured_plan(recorded.plan, recorded.plan_path)
    gates = with_more(plan, more_gates, recorded.schedule.cases)
    environment = environment_of(recorded)
    found = analyse(
        run=run_summary(recorded, plan, driver_of(plan, environment)),
        environment=environment,
        cases=recorded.schedule.cases,
        trials=recorded.trials,
        damaged=tuple(record_caveats(recorded)),
        restarts=recorded.restarts,
        opens=recorded.opens,
        holding=recorded.holding,
        left=recorded.schedule.left,
    )
    results = decide_gates(questions_of(found, gates))
    return replace(found, gates=Gates(results=results, undecided_fails=undecided_fails(plan)))


def analyse(  # noqa: PLR0913  all that a run folder holds
    *,
    run: RunSummary,
    environment: dict[str, dict[str, Scalar]],
    cases: Sequence[Case],
    trials: Sequence[Trial],
    damaged: Sequence[Caveat] = (),
    restarts: Sequence[Restart] = (),
    opens: Opens | None = None,
    holding: Holding | None = None,
    left: Mapping[Case, Departure] | None = None,
) -> Findings:
    """Everything a report may show.

    `cases` are all that were planned, measured or not; `restarts` of the database are what they were put to; `damaged`
    are caveats about records that could not be read, and come last; `left` are cases that left early. The same samples
    always give the same findings.
    """
    everything = [MeasuredTrial(trial=trial, summary=summarise(trial)) for trial in trials]
    arms = _arms(cases, everything, restarts)
    compared = _compared(run, cases, everything, left or {})
    decided = [Decided(evidence=one, decision=decide(one)) for one in _evidence(run, cases, everything, arms, compared)]
    about_run = caveats(run, everything, arms, compared.comparisons)
    return Findings(
        run=run,
        environment=environment,
        answer=_answer(decided, cases, arms),
        verdicts=tuple(verdict(one.evidence, one.decision) for one in decided),
        arms=arms,
        comparisons=compared.comparisons,
        failures=failure_rows(everything),
        caveats=(*remarks(environment), *about_run, *spared(left or {}, run.blocks), *damaged),
        trials=tuple(one.summary for one in everything),
        added_latency=added_latency(decided),
        departures=left or {},
        opens=opens,
        holding=holding_costs(holding),
        beside_idle=beside_idle(cases, [one.summary for one in everything]),
        over_an_hour=over_an_hour(trials),
        aftermaths=aftermaths(cases, trials),
    )


def _answer(decided: Sequence[Decided], cases: Sequence[Case], arms: Sequence[Arm]) -> tuple[Answer, ...]:
    """What was decided; without that, what an external target shows. Two sides of one strategy decide nothing."""
    if decided:
        return answer(decided)
    return () if _two_sided(cases) else undecided(arms)


def _arms(cases: Sequence[Case], everything: Sequence[MeasuredTrial], restarts: Sequence[Restart]) -> tuple[Arm, ...]:
    trials: dict[Case, list[MeasuredTrial]] = {case: [] for case in cases}
    for one in everything:
        trials.setdefault(one.trial.case, []).append(one)
    return tuple(arm(case, trials[case], _recovery(case, restarts)) for case in cases)


def _recovery(case: Case, restarts: Sequence[Restart]) -> Recovery | None:
    return next((one.recovery for one in restarts if one.concerns(case)), None)


def _compared(
    run: RunSummary, cases: Sequence[Case], everything: Sequence[MeasuredTrial], left: Mapping[Case, Departure]
) -> _Compared:
    table = scalars(one.summary for one in everything)
    bar_of = bars(cases, table, run.equivalence_margin)
    rules = Rules(bars=bar_of, primary=run.primary_metric, min_blocks=run.min_blocks, blocks=run.blocks)
    comparisons = compare_all(cases, table, rules, left)
    return _Compared(table=table, bar_of=bar_of, comparisons=comparisons)


def _evidence(
    run: RunSummary,
    cases: Sequence[Case],
    everything: Sequence[MeasuredTrial],
    arms: Sequence[Arm],
    compared: _Compared,
) -> list[Evidence]:
    """All that one verdict is made of, for each condition that has one.

    An external target has one strategy, and there is nothing to choose among. What a fault does is no such question,
    and neither is one strategy of a run that compares two sides.
    """
    of_group = partial(
        Evidence,
        overruns=_overruns(everything),
        scalars=compared.table,
        metric=run.primary_metric,
        bar=compared.bar_of[run.primary_metric],
        driver=run.driver,
        limits=run.limits,
        has_others=any(case.strategy.name != "max_age" for case in cases),
        family=family_size(compared.comparisons, run.primary_metric),
        rivals=_rivals(cases),
        failing=_failing(everything),
    )
    return [
        of_group(
            condition=group,
            arms=[one for one in arms if one.case.group == group],
            comparisons=[one for one in compared.comparisons if one.case.group == group],
        )
        for group in _asked(cases)
    ]


def _asked(cases: Sequence[Case]) -> list[Condition]:
    strategies: dict[Condition, set[Config]] = {}
    for case in cases:
        if not case.external and case.fault is None:
            strategies.setdefault(case.group, set()).add(case.strategy)
    fewest = 2 if _two_sided(cases) else 1
    return [group for group, choices in strategies.items() if len(choices) >= fewest]


def _two_sided(cases: Sequence[Case]) -> bool:
    return not all(case.is_this_side for case in cases)


def _rivals(cases: Sequence[Case]) -> int:
    """In each group, every candidate but the best may be compared with that."""
    per_group = Counter(case.group for case in cases if case.is_candidate)
    return sum(count - 1 for count in per_group.values())


def _failing(everything: Sequence[MeasuredTrial]) -> dict[Case, list[float]]:
    """Per case, the share of requests that failed in each complete trial that had any."""
    shares: dict[Case, list[float]] = {}
    for one in everything:
        if one.complete and one.summary.requests:
            shares.setdefault(one.trial.case, []).append(one.summary.failures / one.summary.requests)
    return shares


def _overruns(everything: Sequence[MeasuredTrial]) -> Counter[Case]:
    """Per case, the trials that leaked, and the complete ones that had connections refused."""
    return Counter(one.trial.case for one in everything if one.leaked or (one.complete and refused(one.trial)))
