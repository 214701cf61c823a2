"""/metrics of a served site: whichever worker answers speaks for all, in the words of the catalogue."""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from family import below
from patience import PATIENCE_SECONDS, await_that
from prometheus_client import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families

from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.application import ServerSetup, serving
from loadlab.model import metrics
from loadlab.model.metrics import CATALOGUE, CloseReason, ConnectError
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

REQUESTS = 40


def get(application: ServedApplication, path: str) -> tuple[str, Any]:
    """The body and the headers of a response, over a new client connection."""
    with urllib.request.urlopen(f"{application.url}{path}", timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own site
        return answer.read().decode(), answer.headers


def scrape(application: ServedApplication) -> dict[str, Metric]:
    """What a scraper understands of /metrics, by the catalogue's names."""
    families = text_string_to_metric_families(get(application, "/metrics")[0])
    return {f"{family.name}_total" if family.type == "counter" else family.name: family for family in families}


def values(family: Metric) -> dict[tuple[str, ...], float]:
    """Samples by their labels other than the alias, all holders together; of histograms the counts alone."""
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    for sample in family.samples:
        if sample.name.endswith(("_total", "_open", "_count")):
            labels = tuple(value for label, value in sample.labels.items() if label not in {"alias", "holder"})
            sums[labels] += sample.value
    return dict(sums)


def pid_of_answer(application: ServedApplication) -> str:
    return get(application, "/health/")[0].partition('"pid": ')[2].rstrip("}")


def target(lab: Lab, folder: Path, max_age: float | None) -> ServerSetup:
    return ServerSetup(
        server=config_of(SERVERS, "sync", {"workers": 2}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": max_age}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )


def use_both_workers(application: ServedApplication, ledgers: Path) -> int:
    """Read entries until each worker has a connection; returns the number of requests."""
    asked = count()

    def used() -> bool:
        get(application, "/entries/1/")
        return next(asked) + 1 >= REQUESTS and CounterSet(ledgers).read().aliases["default"].opened >= 2

    await_that(used, "one worker never answers")
    return next(asked)


def await_closed(application: ServedApplication) -> None:
    await_that(lambda: CounterSet(application.ledgers).read().aliases["default"].open == 0, "a connection stays open")


@pytest.fixture(scope="module")
def used(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ServedApplication, int]]:
    """Two sync workers that keep their connections; each has one, after so many requests."""
    folder = tmp_path_factory.mktemp("used")
    with serving(target(lab, folder, None), lab.register, folder / "log") as application:
        yield application, use_both_workers(application, application.ledgers)


def test_every_worker_speaks_for_all(used: tuple[ServedApplication, int]) -> None:
    application, asked = used
    expected = {
        "loadlab_db_connections_open": {(): 2},
        "loadlab_db_connections_opened_total": {(): 2},
        "loadlab_db_requests_total": {("opened",): 2, ("reused",): asked - 2},
        "loadlab_db_connect_duration_seconds": {(): 2},
        "loadlab_db_role_connections_open": {("other",): 0, ("web",): 2, ("worker",): 0},
    }
    answered: set[str] = set()

    def both_have_answered() -> bool:
        answered.add(pid_of_answer(application))
        families = scrape(application)
        assert {name: values(families[name]) for name in expected} == expected
        return len(answered) == 2

    await_that(both_have_answered, "one worker never answers")


def test_what_is_shown_is_what_the_ledgers_hold(used: tuple[ServedApplication, int]) -> None:
    application, _ = used
    totals = CounterSet(application.ledgers).read().aliases["default"]
    families = scrape(application)
    assert values(families["loadlab_db_connections_open"]) == {(): totals.open}
    assert values(families["loadlab_db_connections_opened_total"]) == {(): totals.opened}
    closed = {(reason.label,): count for reason, count in totals.closed.items()}
    assert values(families["loadlab_db_connections_closed_total"]) == closed
    assert values(families["loadlab_db_connect_errors_total"]) == {(kind.label,): 0 for kind in ConnectError}
    used_by = {("opened",): totals.requests_opened, ("reused",): totals.requests_reused}
    assert values(families["loadlab_db_requests_total"]) == used_by
    units = {labels: count for labels, count in values(families["loadlab_db_units_total"]).items() if count}
    assert units == {("opened", "request"): totals.requests_opened, ("reused", "request"): totals.requests_reused}
    assert values(families["loadlab_collector_errors_total"]) == {(): 0}


def test_requests_but_scrapes_show_by_route_method_and_status_class(
    used: tuple[ServedApplication, int],
) -> None:
    application, asked = used
    shown = [values(scrape(application)["loadlab_http_request_duration_seconds"]) for _ in range(2)]
    assert shown[0] == shown[1]
    assert shown[1]["GET", "entries/<int:number>/", "2xx"] == asked
    assert {route for _, route, _ in shown[1]} <= {"entries/<int:number>/", "health/"}


def test_the_content_type_is_prometheus_own(used: tuple[ServedApplication, int]) -> None:
    assert get(used[0], "/metrics")[1]["Content-Type"] == CONTENT_TYPE_LATEST


def test_exactly_the_catalogues_metrics_are_exposed(
    used: tuple[ServedApplication, int],
) -> None:
    text = get(used[0], "/metrics")[0]
    for metric in CATALOGUE:
        assert f"# HELP {metric.name} {metric.help}\n" in text
        assert f"# TYPE {metric.name} {metric.kind}\n" in text
    assert scrape(used[0]).keys() == {metric.name for metric in CATALOGUE}


def test_samples_carry_the_catalogues_labels(used: tuple[ServedApplication, int]) -> None:
    families = scrape(used[0])
    for metric in CATALOGUE:
        for sample in families[metric.name].samples:
            assert sample.labels.keys() - {"le"} == set(metric.labels), metric.name
    assert {sample.labels["alias"] for sample in families["loadlab_db_connections_open"].samples} == {"default"}


@pytest.mark.parametrize(
    "metric",
    [m for m in CATALOGUE if m.kind == "histogram" and m is not metrics.POOL_WAIT],
    ids=lambda metric: metric.name,
)
def test_histograms_have_the_catalogues_buckets(used: tuple[ServedApplication, int], metric: metrics.Metric) -> None:
    samples = scrape(used[0])[metric.name].samples
    totals = [sample for sample in samples if sample.name.endswith("_count")]
    assert totals
    for total in totals:
        buckets = [s for s in samples if s.name.endswith("_bucket") and total.labels.items() <= s.labels.items()]
        assert [s.labels["le"] for s in buckets] == [*(str(float(edge)) for edge in metric.buckets), "+Inf"]
        counts = [s.value for s in buckets]
        assert counts == sorted(counts)
        assert counts[-1] == total.value


def test_closed_connections_are_counted_by_reason_age_and_requests(lab: Lab, tmp_path: Path) -> None:
    with serving(target(lab, tmp_path, 0), lab.register, tmp_path / "log") as application:
        for _ in range(5):
            get(application, "/entries/1/")
        await_closed(application)  # Django closes after the answer is on its way
        families = scrape(application)
    reasons = {(reason.label,): 5 * (reason is CloseReason.REQUEST_END) for reason in CloseReason}
    assert values(families["loadlab_db_connections_closed_total"]) == reasons
    assert values(families["loadlab_db_connections_open"]) == {(): 0}
    assert values(families["loadlab_db_connection_age_seconds"]) == {(): 5}
    assert values(families["loadlab_db_connection_requests"]) == {(): 5}
    served = {s.name: s.value for s in families["loadlab_db_connection_requests"].samples if s.name.endswith("_sum")}
    assert served == {"loadlab_db_connection_requests_sum": 5}


def test_a_killed_worker_leaves_no_phantom_connections(lab: Lab, tmp_path: Path) -> None:
    with serving(target(lab, tmp_path, None), lab.register, tmp_path / "log") as application:
        use_both_workers(application, application.ledgers)
        before = CounterSet(application.ledgers).read().aliases["default"]
        victim, _ = below(application.program.pid)
        victim.kill()
        assert psutil.wait_procs([victim], PATIENCE_SECONDS)[1] == []
        families = scrape(application)
    assert before.open == 2
    assert values(families["loadlab_db_connections_open"]) == {(): 1}
    assert values(families["loadlab_db_connections_opened_total"]) == {(): 2}
    assert values(families["loadlab_db_connections_closed_total"])["process_exit",] == 1


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not on PATH")
def test_promtool_finds_nothing_to_blame(used: tuple[ServedApplication, int]) -> None:
    text = get(used[0], "/metrics")[0]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
