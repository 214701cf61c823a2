"""The flat tables of a report, as text: each format only lays them out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from loadlab.model.config import Scalar, spell
from loadlab.model.counts import total
from loadlab.probes import quantities as probed
from loadlab.report import numbers
from loadlab.report.content.table import Table, number_columns, text_columns
from loadlab.report.labels import Labels, title
from loadlab.report.prose.failures import example
from loadlab.report.prose.mismatches import mismatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.case import Case
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm, Estimate, FailureRow, Findings, TrialSummary
    from loadlab.model.opens import OpenTimes
    from loadlab.model.samples import Connections


def figures(findings: Findings) -> Table:
    """Every arm in numbers: the text alternative to the charts.

    Under an open load a latency counts from when a request was due. Beside it is the time from when it was sent.
    """
    names = Labels.of(findings)
    sent = SENT if any(arm.service for arm in findings.arms) else ()
    return Table(
        caption="Medians over trials, with 95 % intervals if there are enough trials",
        columns=(
            *text_columns("Server mode", "Strategy"),
            *number_columns("Trials", "Requests/s", "p50 ms", "p95 ms", "p99 ms", *sent, "Opens per request", "Reuse"),
            *number_columns("Connect", "Peak open", "Left open", "CPU app", "CPU database", "CPU generator"),
        ),
        rows=tuple(_figures_row(names, arm, from_sending=bool(sent)) for arm in findings.arms),
    )


def service(findings: Findings) -> Table:
    """Response beside service, in milliseconds; no rows but under an open load."""
    names = Labels.of(findings)
    return Table(
        caption="Milliseconds since a request was due / since it was sent: medians over trials",
        columns=(*text_columns("Case"), *number_columns("p50", "p95", "p99", "p99 send lag")),
        rows=tuple(_service_row(names, arm) for arm in findings.arms if arm.service and arm.trials),
    )


def _service_row(names: Labels, arm: Arm) -> tuple[str, ...]:
    *sent, lag = map(_in_ms, _from_sending(arm))
    due = map(_in_ms, (arm.p50_seconds, arm.p95_seconds, arm.p99_seconds))
    return (names.case(arm.case), *(f"{one} / {other}" for one, other in zip(due, sent, strict=True)), lag)


def _in_ms(estimate: Estimate | None) -> str:
    return numbers.figure(estimate.value * 1000 if estimate else None)


SENT: Final = ("p50 ms from sending", "p95 ms from sending", "p99 ms from sending", "p99 ms send lag")


def _from_sending(arm: Arm) -> tuple[Estimate | None, ...]:
    service = arm.service
    if service is None:
        return (None,) * len(SENT)
    return (service.p50_seconds, service.p95_seconds, service.p99_seconds, service.send_lag_p99_seconds)


def _figures_row(names: Labels, arm: Arm, *, from_sending: bool) -> tuple[str, ...]:
    cpu = arm.cpu_seconds_per_request
    parts = (cpu.app, cpu.database, cpu.generator) if cpu else (None, None, None)
    percentiles = (arm.p50_seconds, arm.p95_seconds, arm.p99_seconds, *(_from_sending(arm) if from_sending else ()))
    return (
        str(names.mode(arm.case)),
        names.strategy(arm.case.strategy) + (", again" if arm.case.replica else ""),
        numbers.count(arm.trials),
        numbers.estimate(arm.throughput),
        *map(_in_ms, percentiles),
        numbers.figure(arm.opens_per_request),
        numbers.percentage(arm.reuse),
        numbers.milliseconds(arm.connect_seconds),
        numbers.count(arm.peak),
        numbers.count(arm.left_open),
        *(numbers.milliseconds(part) for part in parts),
    )


def quantities(findings: Findings) -> Table:
    """What probes have read and no other table shows: a column for each quantity."""
    found = list(dict.fromkeys(name for arm in findings.arms for name in arm.quantities))
    names, known = Labels.of(findings), probed() if found else {}
    return Table(
        caption="Readings of the probes: medians over trials, with 95 % intervals if there are enough trials",
        columns=(
            *text_columns("Case"),
            *number_columns(*(known[name].heading if name in known else name for name in found)),
        ),
        rows=tuple(
            (names.case(arm.case), *(numbers.estimate(arm.quantities.get(name)) for name in found))
            for arm in findings.arms
            if arm.quantities
        ),
    )


def opens(findings: Findings) -> Table:
    """Where the time of an open goes, for each way to log in; no rows where it is not known."""
    times = findings.opens.times if findings.opens else ()
    return Table(
        caption="Milliseconds to open one connection, with nothing else under way: means of the middle half",
        columns=(
            *text_columns("Logs in"),
            *number_columns(
                "Opens", "Total", "Fork", "Authentication", "Server, rest", "Network, client", "Client CPU"
            ),
        ),
        rows=tuple(_opens_row(one) for one in times),
    )


def _opens_row(one: OpenTimes) -> tuple[str, ...]:
    parts = (one.total, one.fork, one.authentication, one.server, one.outside, one.client_cpu)
    how = f"by {one.strategy}" if one.strategy else "by password"
    return (how, numbers.count(one.opens), *(numbers.figure(part * 1000) for part in parts))


def accounts(findings: Findings) -> Table:
    """The counts of every case: what the application counted beside what PostgreSQL counted."""
    names = Labels.of(findings)
    sums: dict[Case, list[TrialSummary]] = {arm.case: [] for arm in findings.arms}
    for trial in findings.trials:
        sums.setdefault(trial.case, []).append(trial)
    return Table(
        caption="Connections summed over all trials of a case, counted by the application and by PostgreSQL",
        columns=(
            *text_columns("Case"),
            *number_columns("Trials", "Opened", "Sessions", "Reused"),
            *text_columns("Closed, by reason"),
            *number_columns("Open at rest", "Left open"),
            *text_columns("Exact"),
        ),
        rows=tuple(_account_row(names, trials) for trials in sums.values() if trials),
    )


def _account_row(names: Labels, trials: Sequence[TrialSummary]) -> tuple[str, ...]:
    counted = [trial.connections for trial in trials]
    at_rest = total(one.at_rest for one in counted)
    return (
        names.case(trials[0].case),
        numbers.count(len(trials)),
        numbers.count(at_rest.opened),
        numbers.count(_sum(one.sessions for one in counted)),
        numbers.count(at_rest.reused),
        reasons(at_rest.closed),
        numbers.count(at_rest.open),
        numbers.count(_sum(one.left_open for one in counted)),
        _exactness(trials),
    )


def _sum(values: Iterable[int | None]) -> int | None:
    """None where PostgreSQL was not asked."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def reasons(counts: dict[str, int]) -> str:
    """E.g. "request_end 1,200, max_age 3"; reasons that never occurred are left out."""
    return ", ".join(f"{reason} {numbers.count(n)}" for reason, n in counts.items() if n) or "none"


def _exactness(trials: Sequence[TrialSummary]) -> str:
    if not any(trial.connections.judged for trial in trials):
        return numbers.NOT_JUDGED
    found = [(trial.connections.judged, trial.connections.mismatches) for trial in trials]
    exact = sum(judged and not mismatches for judged, mismatches in found)
    mismatches = Counter(mismatch(one) for _, of_trial in found for one in of_trial)
    summary = "yes" if exact == len(trials) else f"{exact} of {len(trials)}"
    return "; ".join([summary, *(f"{text} ({n}×)" if n > 1 else text for text, n in mismatches.items())])


def bursts(findings: Findings) -> Table:
    """What quiet spells left open; no rows without any."""
    names = Labels.of(findings)
    shown = [arm for arm in findings.arms if arm.open_after_bursts]
    most = max((len(arm.open_after_bursts) for arm in shown), default=1)
    return Table(
        caption="Connections open at rest after the window, and after each burst that followed a pause: the most",
        columns=(*text_columns("Case"), *number_columns("Window", *(f"Burst {number}" for number in range(1, most)))),
        rows=tuple((names.case(arm.case), *map(numbers.count, arm.open_after_bursts)) for arm in shown),
    )


def failures(findings: Findings) -> Table:
    """Kinds of failed requests; no rows when every request succeeded."""
    names = Labels.of(findings)
    return Table(
        caption="Failed requests by kind, summed over the trials of a case",
        columns=(
            *text_columns("Case", "Kind"),
            *number_columns("Failures", "Share of requests"),
            *text_columns("Example"),
        ),
        rows=tuple(_failure_row(names, row) for row in findings.failures),
    )


def _failure_row(names: Labels, row: FailureRow) -> tuple[str, ...]:
    return (names.case(row.case), row.kind, numbers.count(row.count), numbers.percentage(row.share), example(row))


def modes(findings: Findings) -> Table:
    """Every server mode with all of its parameters: elsewhere a report names those that vary."""
    servers = dict.fromkeys(arm.case.server for arm in findings.arms)
    return Table(
        caption="server modes",
        columns=text_columns("Name", "Parameters"),
        rows=tuple((title(server.name), f"{server.name}: {_parameters(server)}") for server in servers),
    )


def _parameters(server: Config) -> str:
    return ", ".join(f"{name}={spell(value)}" for name, value in server.parameters.items()) or "no parameters"


def environment(findings: Findings) -> tuple[Table, ...]:
    """One table per part of the environment: versions, machine, database settings and so on."""
    return tuple(
        Table(caption=part, columns=text_columns("Name", "Value"), rows=_settings_rows(values))
        for part, values in findings.environment.items()
    )


def _settings_rows(values: dict[str, Scalar]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, spell(value)) for name, value in values.items())


def trials(findings: Findings, *, only_unusable: bool = False) -> Table:
    """Every trial in the order of execution, or only those that are part of no estimate."""
    names = Labels.of(findings)
    chosen = [trial for trial in findings.trials if not only_unusable or trial.state != "complete"]
    called = {case: names.case(case) for case in dict.fromkeys(trial.case for trial in chosen)}
    return Table(
        caption="Trials that no estimate uses" if only_unusable else "Every trial in the order of execution",
        columns=(
            *number_columns("Order", "Block"),
            *text_columns("Case", "State"),
            *number_columns("Requests", "Failures", "Requests/s", "p50 ms", "p95 ms", "p99 ms"),
            *number_columns("Opened", "Peak open", "Left open"),
            *text_columns("Exact", "Reason"),
        ),
        rows=tuple(_trial_row(called[trial.case], trial) for trial in sorted(chosen, key=lambda trial: trial.order)),
    )


def _trial_row(called: str, trial: TrialSummary) -> tuple[str, ...]:
    latency = trial.latency_seconds
    return (
        numbers.count(trial.order),
        numbers.count(trial.block),
        called,
        trial.state,
        numbers.count(trial.requests),
        numbers.count(trial.failures),
        numbers.figure(trial.throughput),
        *(numbers.figure(p and p * 1000) for p in (latency.p50, latency.p95, latency.p99)),
        numbers.count(trial.connections.at_rest.opened),
        numbers.count(trial.peak),
        numbers.count(trial.connections.left_open),
        _exact(trial.connections),
        trial.reason,
    )


def _exact(counts: Connections) -> str:
    if not counts.judged:
        return numbers.NOT_JUDGED
    return "yes" if counts.exact else "no"
