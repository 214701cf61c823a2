"""The metrics of one trial for a Prometheus: its ledgers, as any project shows them, and what the lab has sampled."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from loadlab.instrumentation.collector import ConnectionCollector
from loadlab.instrumentation.families import family, histogram
from loadlab.live.reading.ledgers import ReadOnlyArchive, ledgers_of
from loadlab.live.reading.run_views import run_views
from loadlab.live.reading.unreadable import UnreadableRunError, told
from loadlab.model import metrics
from loadlab.model.holders import Holder
from loadlab.probes import quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from prometheus_client.metrics_core import Metric as Family
    from starlette.requests import Request

    from loadlab.live.reading.run_view import RunView
    from loadlab.store.progress import Sampled
    from loadlab.store.run_progress import TrialProgress

ALIAS = "default"
MOST_DIGITS = 9  # of the number of a trial
# The values of a sample that have a metric without labels and come from no probe.
SINGLE = {
    "peak": metrics.DATABASE_PEAK,
    "max_connections": metrics.DATABASE_MAX_CONNECTIONS,
    "pooler_clients": metrics.POOLER_CLIENTS,
    "pooler_servers": metrics.POOLER_SERVERS,
    "pooler_waited_seconds": metrics.POOLER_WAITED,
}


def trial_metrics(request: Request) -> Response:
    """The metrics of one trial: empty before it has begun, 404 if the run has no such trial."""
    run, order = _run(request), _order(request.path_params["order"])
    cases = [run.schedule.cases[step.case] for step in run.schedule.steps if step.order == order]
    if not cases:
        raise HTTPException(404, "This run has no such trial.")
    try:
        with told():
            text = exposition(run.progress().trials.get(order), external=cases[0].external)
    except UnreadableRunError as error:
        raise HTTPException(404, f"This trial cannot be read. {error}") from error
    return Response(text, media_type=CONTENT_TYPE_LATEST)


def _order(text: str) -> int:
    if not text.isdecimal() or len(text) > MOST_DIGITS:
        raise HTTPException(404, "This run has no such trial.")
    return int(text)


def _run(request: Request) -> RunView:
    path = request.app.state.runs.find(request.path_params["run"])
    with suppress(UnreadableRunError):
        if path:
            return run_views().of(path)
    raise HTTPException(404, "This folder has no such run.")


def exposition(trial: TrialProgress | None, *, external: bool = False) -> bytes:
    """A trial's metrics as text; `external`: others serve the target, and the lab has read its metrics."""
    registry = CollectorRegistry()
    if trial is not None:
        values = trial.sampled.values if trial.sampled else {}
        counted = _as_read(values) if external else _of_ledgers(trial)
        registry.register(_Families([*counted, *_of_lab(trial.sampled), *_of_fault(trial)]))
    return generate_latest(registry)


class _Families(Collector):
    """What was collected already."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _of_ledgers(trial: TrialProgress) -> list[Family]:
    """Nothing before the server writes the first, and nothing when they are gone: their last values stay."""
    folder = ledgers_of(trial.began.ledgers, trial.began.order)
    if folder is None:
        return []
    try:
        families = list(ConnectionCollector(folder, ReadOnlyArchive).collect())
    except OSError:  # gone in this very moment
        return []
    # That is of the process which collects, and here it is not the target's.
    return [one for one in families if one.name != metrics.BUILD_INFO.name]


def _as_read(values: Mapping[str, float]) -> Iterable[Family]:
    """The counts without their ledgers; those of all aliases together have the name of the usual one."""
    if "opened" not in values:
        return
    yield family(metrics.CONNECTIONS_OPEN, _held(values))
    yield family(metrics.CONNECTIONS_OPENED, [((ALIAS,), values["opened"])])
    yield family(metrics.REQUESTS, [((ALIAS, "reused"), values.get("reused", 0.0))])
    yield family(metrics.CONNECTIONS_CLOSED, _under("closed_", values, ALIAS))
    yield family(metrics.CONNECT_ERRORS, _under("connect_errors_", values, ALIAS))


def _held(values: Mapping[str, float]) -> list[tuple[tuple[str, ...], float]]:
    """By holder; all of them by one that is not known, of a run that an earlier loadlab measured."""
    unknown = (ALIAS, Holder.UNKNOWN.label)
    known = [(labels, count) for labels, count in _under("open_", values, ALIAS) if count or labels != unknown]
    return known or [(unknown, values.get("open", 0.0))]


def _of_lab(sampled: Sampled | None) -> Iterable[Family]:
    if sampled is None:
        return
    values = sampled.values
    requests, failures = values.get("requests", 0.0), values.get("failures", 0.0)
    yield family(metrics.LOAD_REQUESTS, [(("ok",), requests - failures), (("failed",), failures)])
    if len(sampled.response_buckets) == len(metrics.RESPONSE_SECONDS) + 1:  # another loadlab may have other bounds
        buckets = sampled.response_buckets
        yield histogram(metrics.LOAD_RESPONSE, [((), buckets, values.get("response_seconds_sum", 0.0))])
    yield from _of_probes(values)
    for name, metric in SINGLE.items():
        yield family(metric, [((), values[name])] if name in values else [])


def _of_fault(trial: TrialProgress) -> Iterable[Family]:
    """When it came and when it was over: a scrape between two instants would not see a short one."""
    if trial.fault is None:
        return
    label = (trial.fault.fault,)
    yield family(metrics.FAULT_APPLIED, [(label, trial.fault.at)])
    if trial.lifted is not None:
        yield family(metrics.FAULT_LIFTED, [(label, trial.lifted.at)])


def _of_probes(values: Mapping[str, float]) -> Iterable[Family]:
    """What probes have read, under the metrics that they declare."""
    samples: dict[metrics.Metric, list[tuple[tuple[str, ...], float]]] = {}
    for one in quantities().values():
        if one.exposed is not None:
            found = [(one.labels, values[one.name])] if one.name in values else []
            samples.setdefault(one.exposed, []).extend(found)
    return (family(metric, found) for metric, found in samples.items())


def _under(prefix: str, values: Mapping[str, float], *labels: str) -> list[tuple[tuple[str, ...], float]]:
    """The values whose names begin so, by the rest of the name as the last label."""
    return [((*labels, name.removeprefix(prefix)), value) for name, value in values.items() if name.startswith(prefix)]


routes = [Route("/trials/{run}/{order}/metrics", trial_metrics)]
