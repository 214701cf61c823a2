"""The analysis as a whole: pure, complete and quick."""

from __future__ import annotations

import subprocess
import sys
from time import process_time

import numpy as np
import pytest
from factories.trials import Behaviour, case, default_plan, findings, trial


def test_the_same_samples_give_the_same_findings() -> None:
    assert default_plan(blocks=10) == default_plan(blocks=10)


def test_every_planned_case_has_an_arm_and_every_trial_a_summary() -> None:
    found = default_plan()
    assert len(found.arms) == 10
    assert {arm.trials for arm in found.arms} == {8}
    assert len(found.trials) == 80


def test_a_planned_case_without_trials_is_shown_as_such() -> None:
    found = findings([case(), case(max_age=60)], [trial(case())])
    assert [arm.trials for arm in found.arms] == [1, 0]


def seconds_of_analysis(blocks: int) -> float:
    """The processor's time, for so many trials of each of fifteen cases."""
    cases = [case(f"mode{number // 3}", (0, 60, None)[number % 3]) for number in range(15)]
    generator = np.random.default_rng(23)
    trials = [
        trial(of, block, Behaviour(requests=2000, seconds=float(2 * np.exp(generator.normal(0, 0.1)))))
        for of in cases
        for block in range(1, blocks + 1)
    ]
    before = process_time()
    assert len(findings(cases, trials).trials) == 15 * blocks
    return process_time() - before


@pytest.mark.thorough
def test_five_times_as_many_trials_take_no_more_than_their_share() -> None:
    few = min(seconds_of_analysis(4) for _ in range(3))
    assert min(seconds_of_analysis(20) for _ in range(2)) < 3 * 5 * few


@pytest.mark.process
def test_the_analysis_needs_no_scipy() -> None:
    program = "import sys, loadlab.analysis; print('scipy' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
