"""What share of the trials was predicted near enough: of all, by server mode, by strategy and by what happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.fleet.validation.comparison import OF_REQUESTS, missed
from loadlab.model.fleet_validation import JUDGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from loadlab.model.config import Config
    from loadlab.model.fleet_validation import Configuration, FleetFigures, Validation, ValidationTrial

WANTED: Final = 0.9  # of the trials, for each figure
TELLING: Final = ("max_age", "pool_mode")  # the parameters by which strategies are told apart here


@dataclass(frozen=True, kw_only=True, slots=True)
class Compared:
    """A trial that was measured, with its configuration and its prediction."""

    configuration: Configuration
    predicted: FleetFigures
    trial: ValidationTrial

    @property
    def missed(self) -> tuple[str, ...]:
        return missed(self.predicted, self.trial.measured) if self.trial.measured else ()

    @property
    def exact(self) -> bool:
        """Whether nothing makes its figures doubtful."""
        return self.trial.measured is not None and not self.trial.measured.gaps


@dataclass(frozen=True, kw_only=True, slots=True)
class Share:
    """How many of so many `trials` were near enough: each figure by itself, and all figures `together`."""

    trials: int
    near: Mapping[str, int]
    together: int

    @property
    def enough(self) -> bool:
        """Whether each figure is near enough in 90 % of the trials."""
        return all(near >= WANTED * self.trials for near in self.near.values())


def compared(validation: Validation) -> list[Compared]:
    """The trials that were measured, by number."""
    of = {one.configuration.number: one for one in validation.predictions}
    return [
        Compared(configuration=of[trial.number].configuration, predicted=of[trial.number].mean, trial=trial)
        for trial in sorted(validation.trials, key=lambda trial: trial.number)
        if trial.measured is not None
    ]


def share(trials: Sequence[Compared]) -> Share:
    return Share(
        trials=len(trials),
        near={name: sum(name not in one.missed for one in trials) for name in JUDGED},
        together=sum(not one.missed for one in trials),
    )


def near_by_count(trials: Sequence[Compared]) -> dict[str, int]:
    """In how many trials reuse and refusals are near enough by their counts alone: within 10 %, or 2 requests."""
    wrong = [missed(one.predicted, one.trial.measured, least_share=0.0) for one in trials if one.trial.measured]
    return {name: sum(name not in figures for figures in wrong) for name in OF_REQUESTS}


def by_server(trials: Sequence[Compared]) -> dict[str, Share]:
    names = sorted({one.configuration.server.name for one in trials})
    return {name: share([one for one in trials if one.configuration.server.name == name]) for name in names}


def by_strategy(trials: Sequence[Compared]) -> dict[Config, Share]:
    """By what tells them apart: CONN_MAX_AGE alone, PgBouncer's pool mode, or the strategy's name."""
    kinds = sorted({_kind(one.configuration.strategy) for one in trials}, key=_order)
    return {kind: share([one for one in trials if _kind(one.configuration.strategy) == kind]) for kind in kinds}


def by_event(trials: Sequence[Compared]) -> dict[tuple[str, ...], Share]:
    """By the events of a configuration; without any first."""
    kinds = sorted({_events(one) for one in trials}, key=lambda kinds: (len(kinds), kinds))
    return {kind: share([one for one in trials if _events(one) == kind]) for kind in kinds}


def _events(one: Compared) -> tuple[str, ...]:
    return tuple(event.kind for event in one.configuration.events)


def _kind(strategy: Config) -> Config:
    telling = TELLING if strategy.name == "max_age" else TELLING[1:]
    return strategy.without(*(key for key in strategy.parameters if key not in telling))


def _order(kind: Config) -> tuple[str, str, float]:
    age = kind.parameters.get("max_age", 0)
    return kind.name, str(kind.parameters.get("pool_mode", "")), float("inf") if age is None else float(age)


def unfinished(validation: Validation) -> Iterator[ValidationTrial]:
    """The trials that did not come to an end."""
    return (trial for trial in validation.trials if trial.measured is None)
