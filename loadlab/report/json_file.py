"""Findings as report.json: the documented, versioned form that other tools may rely on."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, ClassVar

from loadlab.model.condition import varying
from loadlab.model.labels import server_label
from loadlab.model.text import escaped_in_json
from loadlab.report.base import Report
from loadlab.report.content import numbers
from loadlab.store import layout

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.condition import Condition, Variation
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm, DistanceEffect, Findings, TrialSummary, Verdict
    from loadlab.model.samples import Connections

SCHEMA = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonFile(Report):
    """One JSON object; assets/report.schema.json describes every key."""

    filename: ClassVar[str | None] = layout.report("json")

    def render(self, findings: Findings) -> str:
        among = varying(verdict.condition for verdict in findings.verdicts)
        document = {
            "schema": SCHEMA,
            "run": asdict(findings.run),
            "environment": findings.environment,
            "answer": findings.answer,
            "trials": [_trial(trial) for trial in findings.trials],
            "arms": [_arm(arm) for arm in findings.arms],
            "comparisons": [asdict(comparison) for comparison in findings.comparisons],
            "verdicts": [_verdict(verdict, among) for verdict in findings.verdicts],
            "distances": [_distances(effect, among) for effect in findings.distances],
            "failures": [asdict(failure) for failure in findings.failures],
            "caveats": [asdict(caveat) for caveat in findings.caveats],
        }
        text = json.dumps(_valid(document), indent=1, ensure_ascii=False, allow_nan=False)
        return numbers.writable(escaped_in_json(text) + "\n")


def _valid(value: object) -> object:
    """The same value as JSON can hold it: NaN and the infinities become null."""
    if isinstance(value, dict):
        return {str(key): _valid(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_valid(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _case(case: Case) -> dict[str, object]:
    return {
        "case": case.id,
        "server": case.server.name,
        "strategy": case.strategy.name,
        "parameters": {"server": case.server.parameters, "strategy": case.strategy.parameters},
        "max_age": case.max_age,
        "keep_alive": case.keep_alive,
        "scenario": case.scenario,
        "users": case.users,
        "open_load": asdict(case.open_load) if case.open_load else None,
        "usable_connections": case.usable_connections,
        "round_trip_ms": case.round_trip_ms,
        "replica": case.replica,
    }


def _trial(trial: TrialSummary) -> dict[str, object]:
    cpu = trial.cpu_seconds_per_request
    return _case(trial.case) | {
        "block": trial.block,
        "order": trial.order,
        "state": trial.state,
        "reason": trial.reason,
        "window_seconds": trial.window_seconds,
        "requests": trial.requests,
        "failures": trial.failures,
        "throughput": trial.throughput,
        "latency_seconds": asdict(trial.latency_seconds),
        "connections": _connections(trial.connections, trial.peak),
        "opens_per_request": trial.opens_per_request,
        "cpu_seconds_per_request": asdict(cpu) if cpu else None,
        "service_seconds": asdict(trial.service_seconds) if trial.service_seconds else None,
        "send_lag_p99_seconds": trial.send_lag_p99_seconds,
        "dropped": trial.dropped,
        "leak": trial.leak,
        "outpaced": trial.outpaced,
        "quantities": trial.quantities,
    }


def _connections(counts: Connections, peak: int) -> dict[str, object]:
    rest, stop, window = counts.at_rest, counts.after_stop, counts.in_window
    return {
        "opened": rest.opened,
        "reused": rest.reused,
        "closed": rest.closed,
        "open": rest.open,
        "sessions": counts.sessions,
        "peak": peak,
        "left_open": counts.left_open,
        "exact": counts.exact,
        "mismatches": [one.text for one in counts.mismatches],
        "unjudged": counts.unjudged,
        "connect_errors": rest.connect_errors,
        "waits": rest.waits,
        "wait_seconds_sum": rest.wait_seconds_sum,
        "pooler": asdict(counts.pooler) if counts.pooler else None,
        "after_stop": {"opened": stop.opened, "reused": stop.reused, "closed": stop.closed, "open": stop.open},
        "window": {"opened": window.opened, "reused": window.reused},
        "aliases": {
            alias: {"opened": one.opened, "reused": one.reused, "closed": one.closed, "open": one.open}
            for alias, one in counts.by_alias.items()
        },
    }


def _verdict(verdict: Verdict, among: Variation) -> dict[str, object]:
    figures = asdict(verdict)
    del figures["condition"]
    return (
        {"server": server_label(verdict.condition, among)}
        | _load(verdict.condition)
        | figures
        | {
            "cases": [case.id for case in verdict.cases],
            "ranking": [_named(asdict(standing), standing.strategy) for standing in verdict.ranking],
        }
    )


def _distances(effect: DistanceEffect, among: Variation) -> dict[str, object]:
    figures = asdict(effect)
    del figures["condition"]
    server = {"server": server_label(effect.condition, among), "parameters": str(effect.condition.server)}
    load = _load(effect.condition)
    del load["round_trip_ms"]
    return server | load | figures | {"strategies": [_named(asdict(over), over.strategy) for over in effect.strategies]}


def _load(condition: Condition) -> dict[str, object]:
    return {
        "keep_alive": condition.keep_alive,
        "scenario": condition.scenario,
        "users": condition.users,
        "open_load": asdict(condition.open_load) if condition.open_load else None,
        "round_trip_ms": condition.round_trip_ms,
    }


def _named(fields: dict[str, object], strategy: Config) -> dict[str, object]:
    """A strategy as everywhere in the file: its name under "strategy", its parameters beside it."""
    return fields | {"strategy": strategy.name, "parameters": strategy.parameters}


def _arm(arm: Arm) -> dict[str, object]:
    figures = asdict(arm)
    del figures["case"]
    return _case(arm.case) | figures
