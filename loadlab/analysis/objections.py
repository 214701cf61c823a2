"""What speaks against a case at any speed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.reasons import (
    Fails,
    Harm,
    Leaks,
    LeakUnknown,
    OverLimit,
    Refused,
    SharedObjection,
    Silent,
    Unmeasured,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.analysis.evidence import Evidence
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm
    from loadlab.model.reasons import Objection


def objection(evidence: Evidence, arm: Arm) -> Objection | None:
    """Why an arm may not be recommended, the gravest first; None where it may."""
    if not arm.trials:
        return Unmeasured()
    if arm.leaks:
        return leak(arm)
    if arm.refused:
        return Refused(attempts=arm.refused)
    return _unserved(evidence, arm) or _doubted(evidence, arm)


def _unserved(evidence: Evidence, arm: Arm) -> Objection | None:
    if dead := len(evidence.silent(arm)):
        return Silent(trials=dead, tried=evidence.tried(arm))
    return Fails(share=evidence.failed_share(arm)) if evidence.fails_more(arm) else None


def _doubted(evidence: Evidence, arm: Arm) -> Objection | None:
    if arm.leak == "cannot tell":
        return LeakUnknown()
    need = evidence.need(arm)
    return OverLimit(need=need) if need and need.fits is False else None


def leak(arm: Arm) -> Leaks:
    """More and more open after bursts, more open than are usable, or else what the garbage collector had to close."""
    bursts = arm.open_after_bursts
    if bursts and max(bursts) > bursts[0]:
        return Leaks(held=max(arm.peak, *bursts), usable=arm.usable, bursts=bursts)
    held = arm.peak if arm.clients_peak is None else arm.clients_peak
    too_many = arm.usable is None or held > arm.usable or not arm.collected
    return Leaks(held=held, usable=arm.usable, collected=0 if too_many else arm.collected)


def against(evidence: Evidence) -> Iterator[SharedObjection]:
    """What was ruled out; cases with the same objection are together."""
    found: dict[Objection, list[Case]] = {}
    for arm in evidence.candidates:
        if why := objection(evidence, arm):
            found.setdefault(why, []).append(arm.case)
    yield from (SharedObjection(cases=tuple(cases), objection=why) for why, cases in found.items())


def harm(evidence: Evidence) -> Harm:
    """What kept connections do wrong here; some arm must be rejected."""
    rejected = [arm for arm in evidence.kept if not evidence.fit(arm)]
    worst = max(rejected, key=lambda arm: (arm.leaks, arm.peak))
    refused = sum(arm.refused for arm in rejected)
    dead = max((len(evidence.silent(arm)) for arm in rejected), default=0)
    return Harm(
        case=worst.case,
        effect="leak" if worst.leaks else "refused" if refused else "silent" if dead else "fail",
        leak=leak(worst) if worst.leaks else None,
        refused=refused,
        silent_trials=dead,
        failures=worst.failures,
        requests=worst.requests,
    )
