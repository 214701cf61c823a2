"""What a run, or two, say about the quantities that gates limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import inf, nan
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.analysis.counterparts import counterparts
from loadlab.analysis.gates import Counted, OverBlocks, OverRuns, OverTrials, Question
from loadlab.analysis.pairs import baseline_of, other_side_of
from loadlab.analysis.scalars import scalar
from loadlab.model.departure import Why
from loadlab.model.gates import Doubt
from loadlab.model.labels import short_names
from loadlab.stats.paired import log_ratios
from loadlab.stats.sequential import looks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from loadlab.analysis.gates import Evidence
    from loadlab.model.aftermath import Aftermath
    from loadlab.model.case import Case
    from loadlab.model.findings import Arm, Findings, TrialSummary
    from loadlab.model.gates import Gate
    from loadlab.stats.paired import ByBlock


def questions_of(findings: Findings, gates: Sequence[Gate]) -> tuple[Question, ...]:
    """Each gate on each case of a run that it is for."""
    arms = {arm.case: arm for arm in findings.arms}
    trials = _by_case(findings.trials)
    names, looks = short_names(list(arms)), _looks(findings)
    faults = {one.case: one.trials for one in findings.aftermaths.cases}
    seen = {
        case: MeasuredCase(arm=arm, trials=trials.get(case, ()), aftermaths=faults.get(case, ()))
        for case, arm in arms.items()
    }
    return tuple(
        Question(gate=gate, evidence=evidence, case=case, looks=looks)
        for gate in gates
        for case in arms
        if gate.concerns(case, names[case])
        and (evidence := _evidence(gate, seen[case], _baseline(case, seen), _within_run)) is not None
    )


def questions_between(before: Findings, after: Findings, gates: Sequence[Gate]) -> tuple[Question, ...]:
    """Each gate on each case of the second of two runs that it is for; the baseline is the same case of the first."""
    earlier, later = ({arm.case: arm for arm in run.arms} for run in (before, after))
    names = short_names(list(later))
    pairs = {second: first for first, second in counterparts(_competing(earlier), _competing(later)).pairs}
    ours, theirs = _by_case(after.trials), _by_case(before.trials)
    faults = {one.case: one.trials for one in after.aftermaths.cases}
    found = []
    for gate in gates:
        for case, arm in later.items():
            if gate.concerns(case, names[case]):
                first = pairs.get(case)
                seen = MeasuredCase(arm=arm, trials=ours.get(case, ()), aftermaths=faults.get(case, ()))
                past = MeasuredCase(arm=earlier[first], trials=theirs.get(first, ())) if first else None
                looks = max(_looks(before), _looks(after))
                evidence = _evidence(gate, seen, past, _between_runs) or Counted(None)
                found.append(Question(gate=gate, evidence=evidence, case=case, looks=looks))
    return tuple(found)


def _competing(arms: Mapping[Case, Arm]) -> list[Case]:
    return [case for case in arms if case.competes]


def _by_case(trials: Iterable[TrialSummary]) -> dict[Case, list[TrialSummary]]:
    found: dict[Case, list[TrialSummary]] = {}
    for one in trials:
        found.setdefault(one.case, []).append(one)
    return found


def _looks(findings: Findings) -> int:
    """How often the run could have ended: once, unless comparisons decided that cases left."""
    run = findings.run
    left = any(one.why in (Why.DECIDED, Why.ALONE) for one in findings.departures.values())
    return 1 + len(looks(run.min_blocks, run.blocks)) if left else 1


@dataclass(frozen=True, slots=True)
class MeasuredCase:
    """What was measured of a case."""

    arm: Arm
    trials: Sequence[TrialSummary]
    aftermaths: Sequence[Aftermath] = ()

    @property
    def telling(self) -> list[TrialSummary]:
        """The trials that say something of the target: not those that the lab or its generator spoilt."""
        return [one for one in self.trials if one.state == "complete" or one.outpaced or one.unanswered]

    def counted(self, quantity: str) -> Counted:
        if not self.telling:
            return Counted(None)
        if quantity == "leaks" and self.arm.leak == "cannot tell":
            return Counted(None, Doubt.LEAK_UNKNOWN)
        return Counted(COUNTS[quantity](self))

    def after(self, gate: Gate) -> Counted:
        """What a fault did, in the worst trial; per connection that it ended where the limit is so."""
        each = gate.limit.per_connection
        figures = [_per_connection(gate, one) if each else AFTER[gate.quantity](one) for one in self.aftermaths]
        known = [figure for figure in figures if figure is not None]
        if len(known) < len(figures) and gate.quantity == "recovered_after":
            return Counted(None, Doubt.NOISE_UNKNOWN)
        return Counted(None if len(known) < len(figures) or not known else max(known))

    def by_block(self, quantity: str) -> ByBlock:
        """Block → value; the later one counts where a block holds two."""
        values = {one.block: ESTIMATES[quantity](one) for one in self.trials}
        return {block: value for block, value in values.items() if value is not None}

    def values(self, quantity: str) -> NDArray[np.float64]:
        return np.array(list(self.by_block(quantity).values()), dtype=np.float64)


def _baseline(case: Case, seen: Mapping[Case, MeasuredCase]) -> MeasuredCase | None:
    """The other side of the run, if it has one: then that is the question. Else what closes after each request."""
    found = other_side_of(case, list(seen))
    if found is None and case.is_candidate:
        found = baseline_of(case, list(seen))
    return seen[found] if found else None


def _evidence(
    gate: Gate,
    seen: MeasuredCase,
    baseline: MeasuredCase | None,
    estimated: Callable[[str, MeasuredCase, MeasuredCase], Evidence],
) -> Evidence | None:
    """None where the gate is about a baseline and the case has none: it may be the baseline itself."""
    if not gate.limit.relative:
        return _absolute(gate, seen)
    if baseline is None:
        return None
    if not gate.measure.estimated:
        return _relative(seen.counted(gate.quantity), baseline.counted(gate.quantity))
    return estimated(gate.quantity, seen, baseline)


def _within_run(quantity: str, seen: MeasuredCase, baseline: MeasuredCase) -> Evidence:
    return OverBlocks(log_ratios(seen.by_block(quantity), baseline.by_block(quantity)))


def _between_runs(quantity: str, seen: MeasuredCase, baseline: MeasuredCase) -> Evidence:
    with np.errstate(divide="ignore"):
        return OverRuns(np.log(baseline.values(quantity)), np.log(seen.values(quantity)))


def _absolute(gate: Gate, seen: MeasuredCase) -> Evidence:
    if gate.fault is not None:
        return seen.after(gate)
    return OverTrials(seen.values(gate.quantity)) if gate.measure.estimated else seen.counted(gate.quantity)


def _relative(ours: Counted, theirs: Counted) -> Counted:
    """The ratio of two counts; of a count to none it is infinite, and two counts of 0 are the same."""
    if ours.figure is None or theirs.figure is None:
        return Counted(None, ours.doubt if ours.figure is None else theirs.doubt)
    if not theirs.figure:
        return Counted(inf if ours.figure else 1.0)
    return Counted(ours.figure / theirs.figure)


def _per_connection(gate: Gate, one: Aftermath) -> float | None:
    """For each connection that the fault ended; without any, every figure but 0 is too much.

    Of failed requests, those count that documentation promises anything of: not those for which no connection could be
    opened, because the database was away. They are divided by how many the fault ends of those that were open when it
    began: each failure ends one, so that those which ended would always be as many.
    """
    figure, connections = AFTER[gate.quantity](one), sum(one.lost.values())
    if gate.quantity == "failed_after" and one.promise is not None:
        figure, connections = one.promise.counted, one.promise.allowed or connections
    if not figure:
        return figure
    return figure / connections if connections else inf


def _failed_share(seen: MeasuredCase) -> float | None:
    requests = sum(one.requests for one in seen.telling)
    return sum(one.failures for one in seen.telling) / requests if requests else None


def _of_connections(figure: Callable[[Arm], float | None]) -> Callable[[MeasuredCase], float | None]:
    """What complete trials alone tell."""
    return lambda seen: figure(seen.arm) if seen.arm.trials else None


def _service(percentile: str) -> Callable[[TrialSummary], float | None]:
    def read(one: TrialSummary) -> float | None:
        if one.silent:
            return inf
        known = getattr(one.service_seconds, percentile, None) if one.state == "complete" else nan
        return known if known is not None else nan

    return read


def _cpu(one: TrialSummary) -> float | None:
    spent = one.cpu_seconds_per_request
    return spent.app if spent and one.state == "complete" else None


AFTER: Final[Mapping[str, Callable[[Aftermath], float | None]]] = {
    "failed_after": lambda one: one.failed,
    "lost_after": lambda one: sum(one.lost.values()),
    "left_after": lambda one: one.left_behind,
    "opened_after": lambda one: one.opened,
    "opens_per_second_after": lambda one: one.most_opened,
    "open_after": lambda one: one.most_open,
    "first_success_after": lambda one: inf if one.first_success is None else one.first_success,
    "recovered_after": lambda one: one.back_seconds,
}
COUNTS: Final[Mapping[str, Callable[[MeasuredCase], float | None]]] = {
    "leaks": lambda seen: sum(one.leak == "yes" for one in seen.telling),
    "failed": lambda seen: sum(one.failures for one in seen.telling),
    "failed_share": _failed_share,
    "refused": _of_connections(lambda arm: arm.refused),
    "connect_errors": _of_connections(lambda arm: sum(arm.connect_errors.values())),
    "opens_per_request": _of_connections(lambda arm: arm.opens_per_request),
    "reuse": _of_connections(lambda arm: arm.reuse),
    "open": lambda seen: seen.arm.peak,
    "left_open": lambda seen: seen.arm.left_open,
    "inexact": _of_connections(lambda arm: arm.trials - arm.exact_trials),
    "dropped": lambda seen: sum(one.dropped for one in seen.telling),
}
ESTIMATES: Final[Mapping[str, Callable[[TrialSummary], float | None]]] = {
    **{name: partial(scalar, metric=name) for name in ("throughput", "p50", "p95", "p99")},
    **{f"service_{name}": _service(name) for name in ("p50", "p95", "p99")},
    "cpu_per_request": _cpu,
}
