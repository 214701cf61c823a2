"""The trials that a run still has to make: after a block, cases may leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from loadlab.model.case import Case
from loadlab.model.departure import Why
from loadlab.model.labels import short_names
from loadlab.model.samples import Trial, measured_for_good
from loadlab.model.schedule import Schedule
from loadlab.store.trial_records import in_extract

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.journal import Journal
    from loadlab.model.schedule import Step
    from loadlab.store.folder import RunFolder

# After so many blocks: the cases that leave a schedule, by all trials that there are.
Leaving = Callable[[int, Schedule, Iterable[Trial]], Mapping[Case, Why]]
BECAUSE: Final = {
    Why.LEAKS: "connections leak",
    Why.REFUSED: "connections are refused",
    Why.DECIDED: "decided",
    Why.ALONE: "nothing left to compare",
}


class Remaining:
    """The steps of a run that have no trial yet, in their order; `planned` is the schedule as it now is."""

    def __init__(self, folder: RunFolder, journal: Journal, leaving: Leaving | None) -> None:
        self.planned = folder.schedule()
        self._folder = folder
        self._journal = journal
        self._leaving = leaving
        self._trials = {trial.order: trial for trial in folder.trials_in_extract()[0]}
        present = {trial.order for trial in measured_for_good(list(self._trials.values()))}
        self._missing = [step for step in self.planned.steps if step.order not in present]

    def __len__(self) -> int:
        return len(self._missing)

    @property
    def total(self) -> int:
        return len(self.planned.steps)

    @property
    def done(self) -> int:
        return self.total - len(self._missing)

    def steps(self) -> Iterator[Step]:
        """The next step, as long as there is one; each has been `made` before the next comes."""
        self._look()
        while self._missing:
            yield self._missing[0]

    @property
    def following(self) -> tuple[Case, Step] | None:
        """What comes after the step that came last, unless its case leaves before that."""
        return next(((self.planned.cases[step.case], step) for step in self._missing[1:2]), None)

    def made(self, trial: Trial) -> None:
        """The trial of the step that came last; after the last one of its block, cases may leave."""
        step = self._missing.pop(0)
        self._trials[step.order] = in_extract(trial)
        if all(one.block > step.block for one in self._missing):
            self._look()

    def _look(self) -> None:
        """Once after each block: a resumed run that has trials of a later block has looked already."""
        if self._leaving is None or not self._missing:
            return
        blocks = min(step.block for step in self._missing)
        if any(trial.block >= blocks for trial in self._trials.values()):
            return
        leaving = self._leaving(blocks, self.planned, self._trials.values())
        if leaving:
            self.planned = self.planned.without(leaving, blocks)
            self._folder.write_schedule(self.planned)
            orders = {step.order for step in self.planned.steps}
            self._missing = [step for step in self._missing if step.order in orders]
            self._journal.notice(self._told(leaving, blocks))

    def _told(self, leaving: Mapping[Case, Why], blocks: int) -> str:
        names = short_names(self.planned.cases)
        each = ", ".join(f"{names[case]} ({BECAUSE[why]})" for case, why in leaving.items())
        return f"after {blocks} blocks, no further trials of {each}"
