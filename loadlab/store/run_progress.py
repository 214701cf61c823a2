"""How a run has gone so far: the one fold of its events, for everything that follows a run."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from loadlab.store.progress import (
    FaultApplied,
    FaultLifted,
    Noticed,
    Preparing,
    RunBegan,
    RunEnded,
    Sampled,
    TrialBegan,
    TrialEnded,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.store.progress import Event

MOST_NOTICES: Final = 30
MOST_CHARACTERS: Final = 600  # of a notice


@dataclass(kw_only=True, slots=True)
class TrialProgress:
    """One trial: that it has begun, its latest sample, its fault, and that it has ended."""

    began: TrialBegan
    sampled: Sampled | None = None
    fault: FaultApplied | None = None
    lifted: FaultLifted | None = None
    ended: TrialEnded | None = None

    def take(self, event: Sampled | FaultApplied | FaultLifted | TrialEnded) -> None:
        match event:
            case Sampled():
                self.sampled = event
            case FaultApplied():
                self.fault = event
            case FaultLifted():
                self.lifted = event
            case TrialEnded():
                self.ended = event


@dataclass(kw_only=True, slots=True)
class RunProgress:
    """The state that a run's events add up to.

    `ended` is None while a lab works at the run, or was killed at it. `trials` are those that have begun, by their
    orders, the last to begin last. `current` is the last one since the lab began; None before it. `doing` says what
    happens between trials. `latest` is the instant of the latest event.
    """

    began: RunBegan | None = None
    ended: RunEnded | None = None
    trials: dict[int, TrialProgress] = field(default_factory=dict)
    current: TrialProgress | None = None
    doing: str = ""
    notices: deque[str] = field(default_factory=lambda: deque(maxlen=MOST_NOTICES))
    latest: float = 0.0
    _left_out: float = 0.0

    def take(self, event: Event) -> None:
        if isinstance(event, RunBegan):
            self._left_out += event.at - self.latest
        self.latest = event.at
        match event:
            case RunBegan():
                self.began, self.ended, self.current = event, None, None
            case RunEnded():
                self.ended, self.doing = event, ""
            case Preparing():
                self.doing = event.what[:MOST_CHARACTERS]
            case Noticed():
                self.notices.append(event.what[:MOST_CHARACTERS])
            case TrialBegan():
                self.trials.pop(event.order, None)  # made once more: then it is the last
                self.trials[event.order] = self.current = TrialProgress(began=event)
                self.doing = ""
            case _ if event.order in self.trials:
                self.trials[event.order].take(event)

    @property
    def worked_seconds(self) -> float:
        """How long labs had worked at the run at the latest event; time between two sessions does not count."""
        return self.latest - self._left_out

    @property
    def in_trial(self) -> bool:
        """Whether a trial runs, as far as the events tell."""
        return self.current is not None and self.current.ended is None and self.ended is None


def progress_of(events: Iterable[Event]) -> RunProgress:
    """The fold of all events from the first on."""
    progress = RunProgress()
    for event in events:
        progress.take(event)
    return progress
