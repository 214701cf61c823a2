"""Findings as report.json: the documented, versioned form that other tools may rely on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, ClassVar

import msgspec

from loadlab.model.condition import CIRCUMSTANCES, fields_of
from loadlab.model.labels import server_label
from loadlab.model.text import escaped_in_json
from loadlab.report import numbers
from loadlab.report.content.gates import as_plain
from loadlab.report.content.plain import plain
from loadlab.report.formats.base import Report
from loadlab.report.labels import Labels
from loadlab.report.prose import caveats, objections, sides
from loadlab.report.prose import verdicts as prose
from loadlab.report.prose.added_latency import conclusion
from loadlab.report.prose.aftermaths import sentence as lesson
from loadlab.report.prose.answer import sentence
from loadlab.report.prose.failures import example
from loadlab.report.prose.mismatches import mismatch
from loadlab.report.prose.needs import arithmetic
from loadlab.store import layout

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.added_latency import LatencyEffect, OverLatency
    from loadlab.model.case import Case
    from loadlab.model.caveats import Caveat
    from loadlab.model.condition import Condition
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm, FailureRow, Findings, Standing, TrialSummary, Verdict
    from loadlab.model.needs import Need
    from loadlab.model.over_an_hour import OverAnHour
    from loadlab.model.samples import Connections

SCHEMA = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class JsonFile(Report):
    """One JSON object; assets/report.schema.json describes every key."""

    filename: ClassVar[str | None] = layout.report("json")
    media_type: ClassVar[str] = "application/json"

    def render(self, findings: Findings) -> str:
        return "".join(self.parts(findings))

    def parts(self, findings: Findings) -> Iterable[str]:
        """Trials one after the other: thousands at once would be most of what a report takes of memory."""
        names = Labels.of(findings)
        before = {
            "schema": SCHEMA,
            "run": plain(findings.run),
            "environment": findings.environment,
            "answer": [sentence(one, names) for one in findings.answer],
            "answers": plain(findings.answer),
            "sides": list(sides.sentences(findings, names)),
        }
        after = {
            "arms": [_arm(arm) for arm in findings.arms],
            "comparisons": plain(findings.comparisons),
            "verdicts": [_verdict(verdict, names) for verdict in findings.verdicts],
            "distances": [_added_latency(effect, names) for effect in findings.added_latency],
            "failures": [_failure(row) for row in findings.failures],
            "caveats": [_caveat(caveat) for caveat in findings.caveats],
            "departures": [
                {"case": case.id, "blocks": one.blocks, "spared": one.spared, "why": one.why}
                for case, one in findings.departures.items()
            ],
            "opens": plain(findings.opens),
            "holding": plain(findings.holding),
            "beside_idle": plain(findings.beside_idle),
            "over_an_hour": [_over_an_hour(one, names) for one in findings.over_an_hour],
            "aftermaths": plain(findings.aftermaths.cases),
            "lessons": [{**_plain_fields(one), "text": lesson(one)} for one in findings.aftermaths.lessons],
            "gates": _gates(findings),
        }
        yield "{"
        yield from (f'\n "{key}": {_text(value)},' for key, value in before.items())
        yield '\n "trials": ['
        yield from _trials(findings.trials)
        yield "]"
        yield from (f',\n "{key}": {_text(value)}' for key, value in after.items())
        yield "\n}\n"


def _plain_fields(value: object) -> dict[str, object]:
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]


def _text(value: object, depth: int = 1) -> str:
    """As JSON, with nothing in it that a terminal would act on; NaN and the infinities are null."""
    try:
        encoded = msgspec.json.encode(value)
    except ValueError:  # a lone surrogate, from a name that was no text
        encoded = msgspec.json.encode(_writable(value))
    text = msgspec.json.format(encoded, indent=1).decode()
    return escaped_in_json(text.replace("\n", "\n" + " " * depth))


def _writable(value: object) -> object:
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return numbers.writable(value) if isinstance(value, str) else value


def _case(case: Case) -> dict[str, object]:
    return {
        "case": case.id,
        "server": case.server.name,
        "strategy": case.strategy.name,
        "parameters": {"server": case.server.parameters, "strategy": case.strategy.parameters},
        "max_age": case.max_age,
        **_circumstances(case),
        "fault": plain(case.fault),
        "usable_connections": case.usable_connections,
        "replica": case.replica,
    }


def _trials(trials: Sequence[TrialSummary]) -> Iterator[str]:
    cases = {case: _case(case) for case in dict.fromkeys(trial.case for trial in trials)}
    for number, trial in enumerate(trials):
        yield ("," if number else "") + "\n  " + _text(_trial(trial, cases[trial.case]), depth=2)
    if trials:
        yield "\n "


def _trial(trial: TrialSummary, case: dict[str, object]) -> dict[str, object]:
    cpu = trial.cpu_seconds_per_request
    return case | {
        "block": trial.block,
        "order": trial.order,
        "state": trial.state,
        "reason": trial.reason,
        "causes": list(trial.causes),
        "window_seconds": trial.window_seconds,
        "requests": trial.requests,
        "failures": trial.failures,
        "throughput": trial.throughput,
        "latency_seconds": plain(trial.latency_seconds),
        "connections": _connections(trial.connections, trial.peak),
        "opens_per_request": trial.opens_per_request,
        "cpu_seconds_per_request": plain(cpu),
        "service_seconds": plain(trial.service_seconds),
        "send_lag_p99_seconds": trial.send_lag_p99_seconds,
        "dropped": trial.dropped,
        "leak": trial.leak,
        "outpaced": trial.outpaced,
        "quantities": trial.quantities,
        "spread": plain(trial.spread),
    }


def _connections(counts: Connections, peak: int) -> dict[str, object]:
    rest, stop, mismatches = counts.at_rest, counts.after_stop, counts.mismatches
    before, after = counts.window_start, counts.window_end
    return {
        "opened": rest.opened,
        "reused": rest.reused,
        "closed": rest.closed,
        "open": rest.open,
        "sessions": counts.sessions,
        "peak": peak,
        "left_open": counts.left_open,
        "open_after_bursts": list(counts.open_after_bursts),
        "exact": counts.judged and not mismatches,
        "mismatches": [mismatch(one) for one in mismatches],
        "unjudged": counts.unjudged,
        "connect_errors": rest.connect_errors,
        "waits": rest.waits,
        "wait_seconds_sum": rest.wait_seconds_sum,
        "pooler": plain(counts.pooler),
        "after_stop": {"opened": stop.opened, "reused": stop.reused, "closed": stop.closed, "open": stop.open},
        "window": {"opened": after.opened - before.opened, "reused": after.reused - before.reused},
        "aliases": {
            alias: {"opened": one.opened, "reused": one.reused, "closed": one.closed, "open": one.open}
            for alias, one in counts.by_alias.items()
        },
    }


def _verdict(verdict: Verdict, names: Labels) -> dict[str, object]:
    return {
        "server": server_label(verdict.condition, names.among),
        **_circumstances(verdict.condition),
        "recommend": plain(verdict.recommend),
        "headline": prose.headline(verdict, names),
        "why": prose.why(verdict, names),
        "settings": verdict.settings,
        "runner_up": plain(verdict.runner_up),
        "ranking": [_standing(standing, names) for standing in verdict.ranking],
        "kind": verdict.kind,
        "figures": plain(verdict.figures),
        "reasons": plain(verdict.reasons),
        "condition": plain(verdict.condition),
        "cases": plain(verdict.cases),
    }


def _standing(standing: Standing, names: Labels) -> dict[str, object]:
    return {
        "case": standing.case.id,
        **_strategy(standing.case.strategy),
        "name": names.arm(standing.case),
        "place": standing.place,
        "why": objections.clause(standing.objection),
        "objection": plain(standing.objection),
        "need": _need(standing.need),
        "gives_up": standing.gives_up,
    }


def _need(need: Need | None) -> dict[str, object] | None:
    if need is None:
        return None
    return {
        "connections": need.connections,
        "arithmetic": arithmetic(need),
        "fits": need.fits,
        "factors": plain(need.factors),
    }


def _added_latency(effect: LatencyEffect, names: Labels) -> dict[str, object]:
    return {
        "server": server_label(effect.condition, names.among),
        "parameters": str(effect.condition.server),
        **_circumstances(effect.condition),
        "condition": plain(effect.condition),
        "round_trips_ms": effect.round_trips_ms,
        "strategies": [_over(over, names) for over in effect.strategies],
        "recommended": [names.arm(case) if case else None for case in effect.recommended],
    }


def _over(over: OverLatency, names: Labels) -> dict[str, object]:
    return {
        **_strategy(over.strategy),
        "name": names.within_group(over.strategy),
        "points": plain(over.points),
        "pays_from_ms": over.pays_from_ms,
        "outcome": over.outcome,
        "conclusion": conclusion(over),
    }


def _gates(findings: Findings) -> dict[str, object]:
    gates = findings.gates
    return {
        "outcome": gates.outcome if gates.results else None,
        "undecided_fails": gates.undecided_fails,
        "results": [as_plain(one) for one in gates.results],
    }


def _over_an_hour(one: OverAnHour, names: Labels) -> dict[str, object]:
    return {
        "server": server_label(one.condition, names.among),
        **_circumstances(one.condition),
        "condition": plain(one.condition),
        "rate": one.rate,
        "closed_loop": one.closed_loop,
        "ages": plain(one.ages),
    }


def _circumstances(condition: Condition) -> dict[str, object]:
    """Every factor that the condition has, besides server mode and strategy."""
    present = [name for name in CIRCUMSTANCES if condition.values(name)]
    return {field: plain(getattr(condition, field)) for name in present for field in fields_of(name)}


def _failure(row: FailureRow) -> dict[str, object]:
    return {
        "case": row.case.id,
        "kind": row.kind,
        "count": row.count,
        "share": row.share,
        "example": example(row),
        "unopened": row.unopened,
    }


def _caveat(caveat: Caveat) -> dict[str, object]:
    """In words, and as its code and figures."""
    words = caveats.said(caveat, _id)
    said = {"subject": words.subject, "text": words.text, "advice": words.advice}
    return {"kind": caveat.kind, "figures": plain(caveat.figures), **said}


def _id(case: Case) -> str:
    return case.id


def _strategy(strategy: Config) -> dict[str, object]:
    """As everywhere in the file: its name under "strategy", its parameters beside it."""
    return {"strategy": strategy.name, "parameters": strategy.parameters}


def _arm(arm: Arm) -> dict[str, object]:
    figures = {field.name: plain(getattr(arm, field.name)) for field in fields(arm) if field.name != "case"}
    return _case(arm.case) | figures
