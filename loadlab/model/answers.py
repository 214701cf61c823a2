"""What the analysis answers for a whole run, as codes and figures: which strategy, which age, and what stays open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlab.model.reasons import Finding

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.condition import Condition
    from loadlab.model.findings import Leak
    from loadlab.model.reasons import BesideUnlimited, Ground, Harm, TooFewBlocks


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer(Finding):
    """Part of the answer of a whole run; conditions are without a strategy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chosen(Finding):
    """What is recommended under one condition, and how many times as good as the baseline it is."""

    kind: ClassVar[str] = "chosen"
    condition: Condition
    case: Case
    gain: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BestStrategies(Answer):
    """Which strategy to use under which condition."""

    kind: ClassVar[str] = "best_strategies"
    chosen: tuple[Chosen, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Remedies(Answer):
    """Where CONN_MAX_AGE alone leaks, and what is recommended there."""

    kind: ClassVar[str] = "remedies"
    leaking: tuple[Condition, ...]
    chosen: tuple[Chosen, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class DefaultAge(Answer):
    """Whether 600 is a good default: where keeping pays, where it does `harm`, where it gains nothing.

    `measured` says whether 600 itself was, `leak` whether any kept arm leaks or may. An age of `enough_seconds` gives
    `wanted` reuse at this load.
    """

    kind: ClassVar[str] = "default_age"
    keeping: tuple[Condition, ...]
    leaking: tuple[Condition, ...]
    idle: tuple[Condition, ...]
    worst: Condition | None
    harm: Harm | None
    measured: bool
    leak: Leak
    enough_seconds: float | None
    wanted: float


@dataclass(frozen=True, kw_only=True, slots=True)
class UnlimitedHere(Finding):
    """Unlimited beside a finite age, under one condition."""

    kind: ClassVar[str] = "unlimited_here"
    condition: Condition
    beside: BesideUnlimited


@dataclass(frozen=True, kw_only=True, slots=True)
class UnlimitedAge(Answer):
    """Whether unlimited is better than a finite age; `leaks` says whether it leaks somewhere."""

    kind: ClassVar[str] = "unlimited_age"
    compared: tuple[UnlimitedHere, ...]
    leaks: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SafeAge(Answer):
    """What to set: the chosen ages, and whether kept connections do harm somewhere."""

    kind: ClassVar[str] = "safe_age"
    chosen: tuple[Chosen, ...]
    leaking: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Undecided(Finding):
    """Why one condition has no recommendation: `ground` is the kind of its verdict."""

    kind: ClassVar[str] = "undecided_here"
    condition: Condition
    ground: Ground
    blocks: TooFewBlocks | None


@dataclass(frozen=True, kw_only=True, slots=True)
class UndecidedConditions(Answer):
    """The conditions that stay undecided."""

    kind: ClassVar[str] = "undecided"
    conditions: tuple[Undecided, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AsDeployed(Answer):
    """What one case of an external target showed: there is nothing beside it, so nothing is recommended."""

    kind: ClassVar[str] = "as_deployed"
    case: Case
    throughput: float | None
    p50_seconds: float | None
    reuse: float | None
    peak: int
    leak: Leak


@dataclass(frozen=True, kw_only=True, slots=True)
class CompareNext(Answer):
    """An external target was measured as it is: only another run beside this one can recommend anything."""

    kind: ClassVar[str] = "compare_next"


@dataclass(frozen=True, kw_only=True, slots=True)
class OnlyFaults(Answer):
    """All cases of the run have a fault: they say what that does, and not which setting is faster."""

    kind: ClassVar[str] = "only_faults"


@dataclass(frozen=True, kw_only=True, slots=True)
class NothingKnown(Answer):
    """No trial of an external target is complete."""

    kind: ClassVar[str] = "nothing_known"
