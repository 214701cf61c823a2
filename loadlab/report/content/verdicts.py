"""The verdicts as every format shows them: the advice, and the figures of the arm that it points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.report.content import naming, wording
from loadlab.report.content.matrix import BASELINE, measured_once, primary_comparisons
from loadlab.report.content.naming import Mode, Naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.findings import Arm, Findings, Recommendation, Verdict


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """One verdict in words: `setting` is the value of CONN_MAX_AGE, `rest` what belongs to it. `ratio`,
    `opens` and `peak` are those of the recommended arm, if `measured`; `leaks` names the strategies that leak in
    this mode, whichever is recommended.
    """

    mode: Mode
    decided: bool
    measured: bool
    setting: str
    rest: str
    headline: str
    why: tuple[str, ...]
    settings: str
    ratio: str
    opens: str
    peak: str
    leaks: tuple[str, ...]

    @property
    def recommendation(self) -> str:
        return self.setting + self.rest

    @property
    def leak_words(self) -> str:
        return ", ".join(self.leaks) if self.leaks else "no"


def build(findings: Findings) -> tuple[Advice, ...]:
    names = Naming.of(findings)
    return tuple(_advice(findings, names, verdict) for verdict in findings.verdicts)


def _advice(findings: Findings, names: Naming, verdict: Verdict) -> Advice:
    arms = [arm for arm in measured_once(findings.arms) if _concerns(verdict, arm)]
    arm = _recommended(verdict.recommend, arms)
    return Advice(
        mode=names.mode_of_verdict(verdict),
        decided=verdict.recommend is not None,
        measured=arm is not None,
        setting=wording.setting(verdict.recommend),
        rest=wording.rest_of_recommendation(verdict.recommend),
        headline=verdict.headline,
        why=verdict.why,
        settings=verdict.settings,
        ratio=_ratio(findings, arm),
        opens=wording.figure(arm.opens_per_request) if arm else wording.MISSING,
        peak=f"{wording.count(arm.peak)} of {wording.count(arm.case.usable_connections)}" if arm else wording.MISSING,
        leaks=tuple(naming.strategy(other.case.strategy) for other in arms if other.leaks),
    )


def _concerns(verdict: Verdict, arm: Arm) -> bool:
    case = arm.case
    load = (case.keep_alive, case.scenario, case.users)
    # Where one server mode is measured with several parameters, a verdict names it with them.
    return verdict.server in {case.server.name, str(case.server)} and load == (
        verdict.keep_alive,
        verdict.scenario,
        verdict.users,
    )


def _recommended(recommend: Recommendation | None, arms: Sequence[Arm]) -> Arm | None:
    if recommend is None:
        return None
    return next((arm for arm in arms if _is(recommend, arm)), None)


def _is(recommend: Recommendation, arm: Arm) -> bool:
    strategy = arm.case.strategy
    return strategy.name == recommend.strategy and arm.case.max_age == recommend.max_age


def _ratio(findings: Findings, arm: Arm | None) -> str:
    if arm is None:
        return wording.MISSING
    compared = primary_comparisons(findings)
    if any(comparison.baseline == arm.case.id for comparison in compared.values()):
        return BASELINE
    return wording.ratio_of(compared.get(arm.case.id))
