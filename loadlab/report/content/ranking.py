"""All strategies of a group side by side: in short for a glance, and in full."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.report import numbers
from loadlab.report.content import matrix
from loadlab.report.content.table import Column, Table
from loadlab.report.labels import Labels
from loadlab.report.prose import objections
from loadlab.report.prose.needs import arithmetic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.case import Case
    from loadlab.model.comparison import Comparison, Judgement
    from loadlab.model.findings import Arm, Findings, Leak, Place, Standing, Verdict, Waiting
    from loadlab.model.samples import Recovery

COLUMNS = (
    Column(title="Strategy"),
    Column(title="Place"),
    Column(title="Throughput", kind="number"),
    Column(title="p50", kind="number"),
    Column(title="p95", kind="number"),
    Column(title="Verdict", kind="judgement"),
    Column(title="Peak in PostgreSQL", kind="number"),
    Column(title="Per process", kind="number"),
    Column(title="Left at rest", kind="number"),
    Column(title="Clients of the pooler"),
    Column(title="Waits for a connection"),
    Column(title="Failed after a restart"),
    Column(title="CPU application", kind="number"),
    Column(title="CPU database", kind="number"),
    Column(title="CPU pooler", kind="number"),
    Column(title="Failed requests"),
    Column(title="Failed to connect"),
    Column(title="Need in production"),
    Column(title="Against it"),
    Column(title="Drawbacks"),
)
RULED_OUT: tuple[Place, ...] = ("over_limit", "unfit", "unmeasured")
CAPTION = "Every strategy against CONN_MAX_AGE = 0: ratios with 95 % intervals, connections, and CPU per request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rank:
    """One strategy in a line; `judgement` is None for the baseline and for what was not compared."""

    name: str
    place: Place
    ratio: str
    judgement: Judgement | None
    held: str
    leaks: bool
    leak: Leak
    against: str
    against_in_short: str
    need: str
    gives_up: tuple[str, ...]

    @property
    def in_short(self) -> str:
        """Its place, and in a word or two what speaks against it."""
        return numbers.place(self.place) + (f": {self.against_in_short}" if self.against else "")


def ranks(findings: Findings, verdict: Verdict) -> tuple[Rank, ...]:
    """Empty where nothing but CONN_MAX_AGE was measured and no limit was set: reasons say it all then."""
    if not _worth_it(findings, verdict):
        return ()
    arms = {arm.case: arm for arm in findings.arms}
    names, compared = Labels.of(findings), matrix.primary_comparisons(findings)
    return tuple(_rank(names, standing, arms.get(standing.case), compared) for standing in verdict.ranking)


def _worth_it(findings: Findings, verdict: Verdict) -> bool:
    others = any(standing.case.strategy.name != "max_age" for standing in verdict.ranking)
    return bool(verdict.ranking) and (others or findings.run.limits.max_connections is not None)


def _rank(names: Labels, standing: Standing, arm: Arm | None, compared: Mapping[Case, Comparison]) -> Rank:
    comparison = compared.get(standing.case)
    baseline = any(one.baseline == standing.case for one in compared.values())
    return Rank(
        name=names.arm(standing.case),
        place=standing.place,
        ratio=matrix.BASELINE if baseline else numbers.ratio_of(comparison),
        judgement=comparison.verdict if comparison else None,
        held=matrix.held(arm) if arm and arm.trials else numbers.MISSING,
        leaks=arm.leaks if arm else False,
        leak=arm.leak if arm else "no",
        against=objections.clause(standing.objection),
        against_in_short=objections.short(standing.objection),
        need=arithmetic(standing.need) if standing.need else "",
        gives_up=standing.gives_up,
    )


def table(findings: Findings, verdict: Verdict) -> Table:
    """Every figure of every strategy of the group; no rows where there is nothing to rank."""
    if not _worth_it(findings, verdict):
        return Table(caption=CAPTION, columns=COLUMNS, rows=())
    arms = {arm.case: arm for arm in findings.arms}
    kept = [one for one in findings.comparisons if one.question == "keep"]
    by_metric = {(one.case, one.metric): one for one in kept}
    baselines = {one.baseline for one in kept}
    failed = _failures(findings)
    rows = (
        _row(standing, arms[standing.case], by_metric, failed, is_baseline=standing.case in baselines, run=findings)
        for standing in verdict.ranking
        if standing.case in arms
    )
    return Table(caption=CAPTION, columns=COLUMNS, rows=tuple(rows))


def _failures(findings: Findings) -> Mapping[Case, str]:
    kinds: dict[Case, list[str]] = {}
    for row in findings.failures:
        kinds.setdefault(row.case, []).append(f"{row.kind} {numbers.count(row.count)}")
    return {case: ", ".join(parts) for case, parts in kinds.items()}


def _row(  # noqa: PLR0913  a row is where all of it meets
    standing: Standing,
    arm: Arm,
    by_metric: Mapping[tuple[Case, str], Comparison],
    failed: Mapping[Case, str],
    *,
    is_baseline: bool,
    run: Findings,
) -> tuple[str, ...]:
    cpu = arm.cpu_seconds_per_request
    primary = by_metric.get((standing.case, run.run.primary_metric))
    ratios = (numbers.ratio_of(by_metric.get((standing.case, metric))) for metric in ("throughput", "p50", "p95"))
    return (
        Labels.of(run).arm(standing.case),
        numbers.place(standing.place),
        *(matrix.BASELINE if is_baseline else ratio for ratio in ratios),
        primary.verdict if primary else numbers.MISSING,
        numbers.count(arm.peak),
        numbers.figure(arm.held_per_process),
        numbers.count(arm.left_open),
        _clients(arm),
        waits(arm.waiting),
        recovery(arm.recovery),
        *(numbers.milliseconds(part) for part in ((cpu.app, cpu.database) if cpu else (None, None))),
        numbers.milliseconds(cpu.pooler) if cpu and cpu.pooler else numbers.MISSING,
        failed.get(standing.case, "none"),
        ", ".join(f"{kind} {numbers.count(n)}" for kind, n in arm.connect_errors.items()) or "none",
        arithmetic(standing.need) if standing.need else numbers.MISSING,
        objections.clause(standing.objection) or "nothing",
        "; ".join(standing.gives_up) or "none",
    )


def _clients(arm: Arm) -> str:
    if arm.clients_peak is None or arm.clients_left is None:
        return numbers.MISSING
    return f"peak {numbers.count(arm.clients_peak)}, left {numbers.count(arm.clients_left)}"


def waits(waiting: Waiting | None) -> str:
    """E.g. "1,200 asked, 0.21 ms each" of a pool, or "2.10 ms per request, longest 80 ms" at a pooler."""
    if waiting is None:
        return numbers.MISSING
    if waiting.waits is not None:
        return f"{numbers.count(waiting.waits)} asked, {numbers.milliseconds(waiting.mean_seconds)} each"
    longest = "" if waiting.longest_seconds is None else f", longest {numbers.milliseconds(waiting.longest_seconds)}"
    return f"{numbers.milliseconds(waiting.seconds_per_request)} per request{longest}"


def recovery(seen: Recovery | None) -> str:
    """E.g. "8 of 8 open, 0 with health checks": requests that failed after a restart of the database."""
    if seen is None:
        return numbers.MISSING
    later = f", {numbers.count(seen.failed_later)} later" if seen.failed_later else ""
    checked = f"{numbers.count(seen.failed_checked)} with health checks"
    return f"{numbers.count(seen.failed)} of {numbers.count(seen.warm)} open{later}, {checked}"


def overview(findings: Findings, rows: tuple[tuple[str, ...], ...]) -> Table:
    """One line per verdict, where there are more than a glance takes in; `rows` are theirs."""
    return Table(
        caption=f"One line per server mode and client; ratios compare {numbers.metric(findings.run.primary_metric)}",
        columns=(
            Column(title="Server mode"),
            Column(title="Recommended"),
            Column(title="Ratio", kind="number"),
            Column(title="Peak open"),
            Column(title="Runner-up"),
            Column(title="Ratio", kind="number"),
            Column(title="Leaks"),
        ),
        rows=rows,
    )
