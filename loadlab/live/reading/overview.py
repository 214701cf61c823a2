"""A run in a few figures: how far it is, what it does now, and how long it may still take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.live.reading.run_state import AT_WORK, TO_RESUME
from loadlab.live.reading.runs import inside
from loadlab.model.schedule import remaining_seconds
from loadlab.report import REPORTS
from loadlab.report.labels import Labels
from loadlab.store.run_progress import MOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from loadlab.live.reading.run_state import State
    from loadlab.model.condition import Factor
    from loadlab.model.schedule import Schedule
    from loadlab.store.reader import RunReader
    from loadlab.store.run_progress import RunProgress


TOLD: Final[tuple[Factor, ...]] = ("round_trip_ms", "idle_percent", "side", "fault")  # where a trial has them


@dataclass(frozen=True, kw_only=True, slots=True)
class CurrentTrial:
    """The trial that began last; `running` until its record is there.

    It is the `number`th of the run, which leaves out trials of cases that left: their `order` is not given again.
    """

    order: int
    number: int
    block: int
    case: int
    id: str
    label: str
    usable: int | None
    running: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """`recorded` has the number of records of each case, `remaining_seconds` is an estimate.

    `resume` is the command that goes on with the run, if it can be resumed.
    """

    run: str
    state: State
    reason: str
    started: str
    done: int
    total: int
    remaining_seconds: float | None
    doing: str
    trial: CurrentTrial | None
    notices: tuple[str, ...]
    recorded: tuple[int, ...]
    reports: tuple[str, ...]
    resume: str


def overview_of(
    run: RunReader, schedule: Schedule, progress: RunProgress, state: State, recorded: AbstractSet[int]
) -> Overview:
    """`recorded` are the orders of the trials whose records are there."""
    done, total = len(recorded), len(schedule.steps)
    counted = Counter(step.case for step in schedule.steps if step.order in recorded)
    return Overview(
        run=run.path.name,
        state=state,
        reason=progress.ended.reason[:MOST_CHARACTERS] if progress.ended else "",
        started=schedule.started,
        done=done,
        total=total,
        remaining_seconds=_remaining(progress, done, total) if state in AT_WORK else None,
        doing=progress.doing,
        trial=_current_trial(schedule, progress),
        notices=tuple(progress.notices),
        recorded=tuple(counted[index] for index in range(len(schedule.cases))),
        reports=tuple(name for name in _report_files() if inside(run.path, name)),
        resume=run.continuation().command(run.path) if state in TO_RESUME else "",
    )


def _remaining(progress: RunProgress, done: int, total: int) -> float | None:
    """As trials have gone since the lab last began, or as the plan says before there is one."""
    if progress.began is None:
        return None
    seconds = remaining_seconds(
        left=total - done,
        made=done - progress.began.done,
        elapsed_seconds=progress.latest - progress.began.at,
        expected_seconds=progress.began.trial_seconds,
    )
    return round(seconds / 5) * 5.0


def _current_trial(schedule: Schedule, progress: RunProgress) -> CurrentTrial | None:
    began = progress.current.began if progress.current else None
    if began is None or began.case >= len(schedule.cases):
        return None
    case = schedule.cases[began.case]
    strategy = Labels.of_cases(schedule.cases).strategy(case.strategy)
    told = [case.words(name) for name in TOLD if case.changes(name)]
    words = [case.server.name, strategy, case.words("keep_alive"), *told]
    return CurrentTrial(
        order=began.order,
        number=1 + sum(step.order < began.order for step in schedule.steps),
        block=began.block,
        case=began.case,
        id=case.id,
        label=", ".join([*words, "measured again"] if case.replica else words),
        usable=case.usable_connections,
        running=progress.in_trial,
    )


def _report_files() -> list[str]:
    return [filename for name in REPORTS if (filename := REPORTS[name].filename)]
