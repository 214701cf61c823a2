"""What a target showed that is served elsewhere: there is nothing beside it, so nothing is recommended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.answers import AsDeployed, CompareNext, NothingKnown, OnlyFaults

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.answers import Answer
    from loadlab.model.findings import Arm


def undecided(arms: Sequence[Arm]) -> tuple[Answer, ...]:
    """What there is to say where no setting is asked for: of external targets, or of faults alone."""
    if any(arm.trials for arm in arms) and all(arm.case.fault for arm in arms):
        return (OnlyFaults(),)
    return as_deployed(arms)


def as_deployed(arms: Sequence[Arm]) -> tuple[Answer, ...]:
    """One for each case with a complete trial, and what to do next."""
    measured = [arm for arm in arms if arm.trials]
    return (*map(_of, measured), CompareNext()) if measured else (NothingKnown(),)


def _of(arm: Arm) -> AsDeployed:
    return AsDeployed(
        case=arm.case,
        throughput=arm.throughput.value if arm.throughput else None,
        p50_seconds=arm.p50_seconds.value if arm.p50_seconds else None,
        reuse=arm.reuse,
        peak=arm.peak,
        leak=arm.leak,
    )
