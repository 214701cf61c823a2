"""Cases with a fault answer another question: verdicts, comparisons and departures are as if they were not there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from factories.trials import LEAKING, Behaviour, ages, at_rate, case, findings, replica, trial

from loadlab.analysis.departures import Departures
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.model.planned_fault import PlannedFault
from loadlab.model.schedule import Schedule, Step
from loadlab.report.content.matrix import groups, measured_once

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.samples import Trial

BLOCKS = 12
RESTART = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=0.5)
STEADY = [*ages(), replica(case())]


def faulted(of: Case) -> Case:
    return replace(of, fault=RESTART)


def steady_trials() -> list[Trial]:
    """Keeping pays off in each block; no two blocks are quite alike."""
    return [
        trial(each, block, at_rate((700.0 if each.max_age != 0 else 100.0) + block % 3, Behaviour()))
        for each in STEADY
        for block in range(1, BLOCKS + 1)
    ]


def under_faults() -> list[Trial]:
    """Far slower, noisy, and leaking: each would change a verdict, a family or the noise floor."""
    return [
        trial(faulted(each), block, at_rate(10.0 * block, LEAKING)) for each in ages() for block in range(1, BLOCKS + 1)
    ]


def test_verdicts_and_comparisons_are_those_of_the_cases_without_faults() -> None:
    alone = findings(STEADY, steady_trials())
    cases = [*STEADY, *map(faulted, ages())]
    beside = findings(cases, [*steady_trials(), *under_faults()])
    assert alone.verdicts
    assert alone.comparisons
    assert (beside.verdicts, beside.comparisons, beside.answer) == (alone.verdicts, alone.comparisons, alone.answer)
    assert [arm.case for arm in beside.arms] == cases
    assert groups(beside) == groups(alone)
    assert [arm.case for arm in measured_once(beside.arms)] == [arm.case for arm in measured_once(alone.arms)]


def test_a_run_of_faults_alone_recommends_nothing_and_does_not_say_that_nothing_is_known() -> None:
    found = findings([faulted(case())], under_faults()[:2])
    assert found.verdicts == ()
    assert [answer.kind for answer in found.answer] == ["only_faults"]


def test_a_case_with_a_fault_stays_to_the_last_block() -> None:
    cases = [*STEADY, *map(faulted, ages())]
    steps = [Step(order=0, block=block, case=index) for block in range(BLOCKS) for index in range(len(cases))]
    schedule = Schedule(id="r", started="", version="", cases=cases, steps=steps, fixed=False)
    departures = Departures(Plan(blocks=BLOCKS, min_blocks=2))
    trials = [replace(one, order=number) for number, one in enumerate([*steady_trials(), *under_faults()])]
    gone = {each for after in (2, 4, 6, 8, 10) for each in departures.after(after, schedule, _until(trials, after))}
    assert gone
    assert all(each.fault is None for each in gone)


def _until(trials: list[Trial], blocks: int) -> list[Trial]:
    return [one for one in trials if one.block <= blocks]
