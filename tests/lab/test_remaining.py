"""What a run still has to make, and that those that leave are neither measured nor waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factories import plain
from factories.made_runs import MadeRun, made_run

from loadlab.lab.journal import Journal
from loadlab.lab.remaining import Remaining
from loadlab.model.departure import Why
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from loadlab.model.case import Case
    from loadlab.model.samples import Trial
    from loadlab.model.schedule import Schedule

CASES = [plain.case("sync", 0), plain.case("sync", 60), plain.case("gevent", 0), plain.case("gevent", 60)]


class Listener:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, what: str) -> None:
        self.notices.append(what)

    def preparing(self, what: str) -> None: ...
    def trial_begins(self, case: Case, done: int, total: int) -> None: ...
    def trial_ended(self, trial: Trial, done: int, total: int) -> None: ...


def gevent_leaks(blocks: int, planned: Schedule, trials: Iterable[Trial]) -> Mapping[Case, Why]:
    """After two blocks, as the lab's own rule would say of it."""
    assert len(list(trials)) >= len(CASES) * min(blocks, 2)
    leaking = {CASES[3]: Why.LEAKS, CASES[2]: Why.ALONE}
    return {case: why for case, why in leaking.items() if blocks == 2 and case not in planned.left}


def remaining_of(made: MadeRun, listener: Listener) -> Remaining:
    return Remaining(made.folder, Journal(made.folder, listener), gevent_leaks)


def measured(made: MadeRun, remaining: Remaining, at_most: int = 99) -> list[tuple[int, int, int]]:
    """(order, done, total) of each trial that is made."""
    seen = []
    for step in remaining.steps():
        if len(seen) == at_most:
            break
        made.record(step.order)
        remaining.made(next(one for one in made.folder.trials()[0] if one.order == step.order))
        seen.append((step.order, remaining.done, remaining.total))
    return seen


def test_what_leaves_is_measured_no_more_and_the_total_shrinks(tmp_path: Path) -> None:
    made, listener = made_run(tmp_path / "run", blocks=4, cases=CASES), Listener()
    seen = measured(made, remaining_of(made, listener))
    made_cases = [made.schedule.cases[made.schedule.steps[order].case] for order, *_ in seen]
    assert len(seen) == 2 * 4 + 2 * 2
    assert {case.server.name for case in made_cases[8:]} == {"sync"}
    assert [done for _, done, _ in seen] == list(range(1, 13))
    assert seen[6][2] == 16
    assert seen[7][2] == seen[-1][2] == 12
    (said,) = listener.notices
    assert said.startswith(
        "after 2 blocks, no further trials of gevent/max_age=60 (connections leak), gevent/max_age=0 ("
    )


def test_the_folder_keeps_who_left_and_why(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run", blocks=4, cases=CASES)
    measured(made, remaining_of(made, Listener()))
    kept = RunFolder.at(tmp_path / "run").schedule()
    assert {case: (one.why, one.blocks, one.spared) for case, one in kept.left.items()} == {
        CASES[3]: (Why.LEAKS, 2, 2),
        CASES[2]: (Why.ALONE, 2, 2),
    }
    assert len(kept.steps) == 12
    assert kept.key == RunFolder.at(tmp_path / "run").trials()[0][0].run


def test_a_run_that_is_resumed_within_a_block_does_not_look_once_more(tmp_path: Path) -> None:
    """A trial of the block that has begun would otherwise be a record that the schedule does not have."""
    made = made_run(tmp_path / "run", blocks=4, cases=CASES)
    first = Remaining(made.folder, Journal(made.folder, Listener()), None)
    measured(made, first, 9)
    measured(made, remaining_of(made, Listener()))
    trials, damaged = made.folder.trials()
    assert not made.folder.schedule().departures
    assert not damaged
    assert len(trials) == 16


def test_a_rule_sees_the_latest_trial_of_each_step_in_extract(tmp_path: Path) -> None:
    """One that failed is made once more; and thousands of trials with all their columns would fill the memory."""
    made = made_run(tmp_path / "run", blocks=3, cases=CASES[:2])
    made.record(0, state="failed", reason="no server")
    seen: list[Trial] = []

    def rule(_blocks: int, _planned: Schedule, trials: Iterable[Trial]) -> Mapping[Case, Why]:
        seen[:] = trials
        return {}

    measured(made, Remaining(made.folder, Journal(made.folder, Listener()), rule), 4)
    assert [(one.order, one.state) for one in seen] == [(order, "complete") for order in range(4)]
    assert all(one.extract is not None and len(one.requests) == 0 for one in seen)


def test_a_resumed_run_comes_to_the_same_schedule(tmp_path: Path) -> None:
    """Stopped in the middle, or just before cases would have left."""
    whole = made_run(tmp_path / "whole", blocks=4, cases=CASES)
    expected = [order for order, *_ in measured(whole, remaining_of(whole, Listener()))]
    for stop in (3, 8, 10):
        made = made_run(tmp_path / f"stopped-{stop}", blocks=4, cases=CASES)
        rule = gevent_leaks if stop != 8 else None  # stopped right after the eighth trial, before the look
        first = Remaining(made.folder, Journal(made.folder, Listener()), rule)
        orders = [order for order, *_ in measured(made, first, stop)]
        orders += [order for order, *_ in measured(made, remaining_of(made, Listener()))]
        assert orders == expected
