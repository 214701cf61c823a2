"""The verdicts as every format shows them: the advice, and the figures of the arm that it points at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.model.reasons import Ground
from loadlab.report import numbers
from loadlab.report.content import matrix, ranking
from loadlab.report.content.matrix import BASELINE, measured_once, primary_comparisons
from loadlab.report.content.table import Column, Table
from loadlab.report.labels import Labels, Mode
from loadlab.report.prose import verdicts as prose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison
    from loadlab.model.findings import Arm, Findings, Recommendation, Snippet, Verdict
    from loadlab.report.content.ranking import Rank

# How sure a verdict for CONN_MAX_AGE = 0 is, where nothing leaks.
SURE: Final[Mapping[Ground, str]] = {
    Ground.NO_GAIN: "proven: every eligible age is equivalent or worse",
    Ground.ALL_REJECTED: "certain: failures are counted, not estimated",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Second:
    """The runner-up: what it is, and its figures."""

    setting: str
    rest: str
    ratio: str
    peak: str
    snippets: tuple[Snippet, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Advice:
    """One verdict in words: `setting` is the value of CONN_MAX_AGE or another strategy, `rest` what belongs to it.

    `ratio`, `throughput`, `opens` and `peak` are those of the recommended arm, if `measured`. Where ages alone were
    measured, `fact` is what decided, and `sure` how sure that is, or what to do next. `leaks` names the strategies that
    leak in this mode, and `untold` those that opened too few connections to tell. `ranks` and `figures` are of all
    strategies, where there are several.
    """

    mode: Mode
    cases: tuple[Case, ...]
    decided: bool
    measured: bool
    setting: str
    rest: str
    headline: str
    why: tuple[str, ...]
    snippets: tuple[Snippet, ...]
    ratio: str
    throughput: str
    opens: str
    peak: str
    fact: str
    sure: str
    leaks: tuple[str, ...]
    untold: tuple[str, ...]
    second: Second | None
    gives_up: tuple[str, ...]
    ranks: tuple[Rank, ...]
    figures: Table

    @property
    def recommendation(self) -> str:
        return self.setting + self.rest

    @property
    def leak_words(self) -> str:
        """E.g. "60 s", "no" or "60 s: cannot tell"."""
        untold = f"{', '.join(self.untold)}: cannot tell" if self.untold else ""
        return "; ".join(filter(None, [", ".join(self.leaks), untold])) or "no"

    @property
    def in_question(self) -> tuple[Rank, ...]:
        """What may be recommended, if its figures carry it."""
        return tuple(rank for rank in self.ranks if rank.place not in ranking.RULED_OUT)

    @property
    def ruled_out(self) -> tuple[Rank, ...]:
        return tuple(rank for rank in self.ranks if rank.place in ranking.RULED_OUT)

    @property
    def several_files(self) -> bool:
        """Whether a reader must be told which file each snippet is for."""
        return len(self.snippets) > 1


def none(findings: Findings) -> str:
    """Why there is no verdict on how connections should live."""
    if findings.between_sides:
        return "None: with one strategy there is nothing to choose. The two sides are compared."
    return "None: no server mode has enough trials for a verdict."


def build(findings: Findings) -> tuple[Advice, ...]:
    names = Labels.of(findings)
    return tuple(_advice(findings, names, verdict) for verdict in findings.verdicts)


def overview(findings: Findings) -> Table:
    """All verdicts of a run with several strategies, one line each; no rows for any other run."""
    advice = [item for item in build(findings) if item.ranks]
    return ranking.overview(findings, tuple(_line(item) for item in advice))


def _line(item: Advice) -> tuple[str, ...]:
    second = item.second
    return (
        str(item.mode),
        item.recommendation,
        item.ratio,
        item.peak,
        second.setting + second.rest if second else "none",
        second.ratio if second else numbers.MISSING,
        item.leak_words,
    )


def _advice(findings: Findings, names: Labels, verdict: Verdict) -> Advice:
    arms = [arm for arm in measured_once(findings.arms) if arm.case in verdict.cases]
    arm = _recommended(verdict.recommend, arms)
    ranks = ranking.ranks(findings, verdict)
    fact, sure = ("", "") if ranks else _grounds(findings, names, verdict, arms)
    return Advice(
        mode=names.mode(verdict.condition),
        cases=verdict.cases,
        decided=verdict.recommend is not None,
        measured=arm is not None,
        setting=numbers.setting(verdict.recommend, _name(names, arm)),
        rest=numbers.rest_of_recommendation(verdict.recommend),
        headline=_sentence(prose.clause(verdict, names)),
        why=prose.why(verdict, names),
        snippets=verdict.recommend.snippets if verdict.recommend else (),
        ratio=_ratio(findings, arm),
        throughput=numbers.figure(arm.throughput.value if arm and arm.throughput else None),
        opens=numbers.figure(arm.opens_per_request) if arm else numbers.MISSING,
        peak=matrix.held(arm) if arm else numbers.MISSING,
        fact=fact,
        sure=sure,
        leaks=_leaking(names, arms),
        untold=tuple(names.strategy(other.case.strategy) for other in arms if other.leak == "cannot tell"),
        second=_second(findings, names, verdict, arms),
        gives_up=_gives_up(findings, verdict),
        ranks=ranks,
        figures=ranking.table(findings, verdict),
    )


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


def _second(findings: Findings, names: Labels, verdict: Verdict, arms: Sequence[Arm]) -> Second | None:
    arm = _recommended(verdict.runner_up, arms)
    if verdict.runner_up is None or arm is None:
        return None
    return Second(
        setting=numbers.setting(verdict.runner_up, _name(names, arm)),
        rest=numbers.rest_of_recommendation(verdict.runner_up),
        ratio=_ratio(findings, arm),
        peak=matrix.held(arm),
        snippets=verdict.runner_up.snippets,
    )


def _gives_up(findings: Findings, verdict: Verdict) -> tuple[str, ...]:
    """Of the recommended strategy, where it was weighed against others."""
    chosen = verdict.ranking[:1] if ranking.ranks(findings, verdict) else ()
    return next((standing.gives_up for standing in chosen if standing.place == "recommended"), ())


def _name(names: Labels, arm: Arm | None) -> str:
    return names.strategy(arm.case.strategy) if arm else ""


def _recommended(recommend: Recommendation | None, arms: Sequence[Arm]) -> Arm | None:
    return next((arm for arm in arms if recommend and arm.case == recommend.case), None)


def _ratio(findings: Findings, arm: Arm | None) -> str:
    if arm is None:
        return numbers.MISSING
    compared = primary_comparisons(findings)
    if any(comparison.baseline == arm.case for comparison in compared.values()):
        return BASELINE
    return numbers.ratio_of(compared.get(arm.case))


def to_set(findings: Findings) -> Table:
    """What to set under each server mode, why, and how sure that is: the answer at a glance.

    No rows where strategies are ranked: there, `overview` has more to say.
    """
    titles = ("Served by", "Set", "Against CONN_MAX_AGE = 0", "Why", "How sure")
    return Table(
        caption="What to set",
        columns=tuple(Column(title=title) for title in titles),
        rows=tuple(
            (str(item.mode), item.recommendation, item.ratio, item.fact, item.sure)
            for item in build(findings)
            if not item.ranks
        ),
    )


def _grounds(findings: Findings, names: Labels, verdict: Verdict, arms: Sequence[Arm]) -> tuple[str, str]:
    """The fact that decides, and how sure it is; of an inconclusive verdict, what to do next."""
    chosen = _recommended(verdict.recommend, arms)
    leaking = [arm for arm in arms if arm.leaks]
    if chosen is None:
        return prose.clause(verdict, names), prose.NEXT.get(verdict.kind, "")
    if _ratio(findings, chosen) != BASELINE:
        fact = f"{_reused(chosen)}, at most {numbers.plural(chosen.clients_peak or chosen.peak, 'connection')} open"
        return fact, _sure_of(primary_comparisons(findings).get(chosen.case))
    if leaking:
        worst = max(leaking, key=lambda arm: arm.clients_peak or arm.peak)
        return f"{_listed(names, leaking)}: {_crowd(worst)}", "certain: connections are counted, not estimated"
    return prose.clause(verdict, names), SURE.get(verdict.kind, "")


def _leaking(names: Labels, arms: Sequence[Arm]) -> tuple[str, ...]:
    return tuple(names.strategy(arm.case.strategy) for arm in arms if arm.leaks)


def _listed(names: Labels, leaking: Sequence[Arm]) -> str:
    """E.g. "60 s and unlimited leak"."""
    leaks = [names.arm(arm.case) for arm in leaking]
    return numbers.listed(leaks) + (" leak" if leaks[1:] else " leaks")


def _crowd(arm: Arm) -> str:
    usable = arm.usable
    open_at_once = f"{numbers.count(arm.clients_peak or arm.peak)} connections open"
    return open_at_once if usable is None else f"{open_at_once}, but the server can use only {numbers.count(usable)}"


def _reused(arm: Arm) -> str:
    return f"{numbers.percentage(arm.reuse)} of requests reuse a connection"


def _sure_of(comparison: Comparison | None) -> str:
    if comparison is None or comparison.p_holm is None:
        return "not compared"
    return f"proven: {numbers.p_value(comparison.p_holm)} over {numbers.plural(comparison.blocks, 'block')}"


def brief(findings: Findings) -> str:
    """All recommendations in a few words, e.g. for a browser's tab: "gunicorn sync 60, gunicorn gevent 0"."""
    names = Labels.of(findings)
    decided = ((one, one.recommend) for one in findings.verdicts if one.recommend)
    return ", ".join(f"{names.mode(one.condition)} {_in_brief(names, advice)}" for one, advice in decided)


def _in_brief(names: Labels, recommend: Recommendation) -> str:
    if recommend.strategy == "max_age":
        return numbers.python_number(recommend.max_age)
    return names.strategy(recommend.case.strategy)
