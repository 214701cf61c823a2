"""A fleet's answer as fleet.json: documented keys that other programs may rely on."""

from __future__ import annotations

import json
from dataclasses import fields
from math import isfinite
from typing import TYPE_CHECKING, Final

from loadlab.model.text import escaped_in_json
from loadlab.report.content.plain import plain
from loadlab.report.fleet import words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from loadlab.model.fleet_outcome import FleetAnswer, FleetOutcome, FleetVerdict

SCHEMA: Final = 1


def as_json(answer: FleetAnswer) -> str:
    """One object; docs/reference/fleet-json.md describes every key."""
    return escaped_in_json(json.dumps(_finite(document(answer)), indent=1)) + "\n"


def document(answer: FleetAnswer) -> dict[str, object]:
    called = words.names(answer)
    return {
        "schema": SCHEMA,
        "title": answer.title,
        "source": answer.source,
        "server": plain(answer.server),
        "hosts": answer.hosts,
        "seconds": answer.seconds,
        "requests_per_second": {"mean": answer.rate, "peak": answer.peak_rate},
        "balance": answer.balance,
        "database": {**_fields(answer.database), "free": answer.database.free},
        "seed": answer.seed,
        "events": plain(answer.moments),
        "verdict": _verdict(answer, answer.verdict),
        "strategies": [_outcome(name, one) for name, one in zip(called, answer.outcomes, strict=True)],
        "smallest_age": plain(answer.smallest_age),
        "break_even": _break_even(answer),
        "caveats": [*({"kind": one.kind, "figures": plain(one.figures)} for one in answer.caveats)],
        "remarks": list(answer.remarks),
        "notes": list(words.caveats(answer)),
    }


def _verdict(answer: FleetAnswer, found: FleetVerdict) -> dict[str, object]:
    recommend = found.recommend
    return {
        "kind": found.kind,
        "sentence": words.verdict(answer),
        "chosen": None if found.kind == "none_fits" else found.chosen,
        "rival": found.rival,
        "alike": list(found.alike),
        "conn_health_checks": recommend.conn_health_checks if recommend else None,
        "settings": plain(recommend.snippets) if recommend else [],
        "remedies": plain(found.remedies),
    }


def _outcome(name: str, one: FleetOutcome) -> dict[str, object]:
    return {
        **_simulation(name, one),
        **_figures(one),
        **_limits(one),
        "open_over_time": plain(one.open_over_time),
        "opens_over_time": plain(one.opens_over_time),
        "caveats": [{"kind": caveat.kind, "figures": plain(caveat.figures)} for caveat in one.caveats],
    }


def _simulation(name: str, one: FleetOutcome) -> dict[str, object]:
    """What was simulated, and how."""
    keeping = one.keeping
    return {
        "name": name,
        "strategy": keeping.strategy.name,
        "parameters": keeping.strategy.parameters,
        "max_age": keeping.max_age,
        "processes": keeping.processes,
        "threads": keeping.threads,
        "engine": one.engine,
        "engine_because": one.engine_because,
        "sampled_hosts": one.sampled_hosts,
        "repeats": one.repeats,
        "coverage": one.coverage,
        "sample_seconds": one.sample_seconds,
    }


def _figures(one: FleetOutcome) -> dict[str, object]:
    """What connections and requests do, as bands over the repeats."""
    return {
        "open": {"median": plain(one.open_median), "p99": plain(one.open_p99), "most": plain(one.open_most)},
        "opens_per_second": {"mean": plain(one.opens_per_second), "peak": plain(one.opens_peak)},
        "after_events": [
            {**_fields(after.moment), "opens_per_second": plain(after.opens_per_second), "open": plain(after.open)}
            for after in one.after
        ],
        "requests": plain(one.requests),
        "reuse": plain(one.reuse),
        "opens_per_request": plain(one.opens_per_request),
        "refused": plain(one.refused),
        "failed": plain(one.failed),
        "waited": plain(one.waited),
        "waiting_seconds": plain(one.waiting_seconds),
        "age_at_close_seconds": _quantiles(one),
        "closed_by": dict(one.closed_by),
        "database_cores": {"mean": plain(one.database_cores), "peak": plain(one.database_cores_peak)},
        "app_cores": plain(one.app_cores),
        "idle_bytes": plain(one.idle_bytes),
    }


def _limits(one: FleetOutcome) -> dict[str, object]:
    """Whether there is room for it, and for how much more."""
    return {
        "fits": one.fits,
        "needed": one.needed,
        "spare": one.spare,
        "busy_threads": one.busy_threads,
        "largest_fleet": plain(one.largest),
    }


def _quantiles(one: FleetOutcome) -> dict[str, float] | None:
    return None if one.ages_at_close is None else dict(zip(("p10", "p50", "p90"), one.ages_at_close, strict=True))


def _break_even(answer: FleetAnswer) -> dict[str, object] | None:
    found = answer.break_even
    if found is None:
        return None
    by_age = [{"max_age": age, "requests_per_second_and_thread": rate} for age, rate in found.by_age]
    return {**_fields(found), "by_age": by_age}


def _fields(value: DataclassInstance) -> dict[str, object]:
    return {field.name: plain(getattr(value, field.name)) for field in fields(value)}


def _finite(value: object) -> object:
    """JSON has neither NaN nor infinities: null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value
