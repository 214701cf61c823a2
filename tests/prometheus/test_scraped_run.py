"""Runs with a Prometheus beside them: every trial is found, and what is known of it last is what its record says."""

from __future__ import annotations

import json
import re
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from command_line import everything_in, trials_in

from loadlab.cli._scraping import reopened
from loadlab.model.metrics import BUILD_INFO, CATALOGUE, LAB_CATALOGUE
from loadlab.store import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import CommandLine, Outcome, Started

    from loadlab.model.samples import Trial
    from loadlab.services.prometheus import Prometheus

pytestmark = pytest.mark.usefixtures("prometheus_program")

PLAN = """
seed = 7
blocks = {blocks}
warmup_seconds = 0.2
window_seconds = 1
users = [4]
keep_alive = [false]
{servers}
[strategies.max_age]
max_age = [{ages}]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scraped:
    """A run with a Prometheus, what was to be found while it ran, and what that Prometheus has kept."""

    folder: RunFolder
    outcome: Outcome
    targets: list[dict[str, Any]]
    kept: Prometheus

    @property
    def trials(self) -> list[Trial]:
        return self.folder.trials()[0]

    def instance(self, trial: Trial) -> str:
        return f"{self.folder.path.name}/{trial.order:04d}"

    def last(self, name: str, label: str = "") -> dict[str, dict[str, float]]:
        """The last value of a metric by instance and by one of its labels, added up over all others."""
        of = f", {label}" if label else ""
        found: dict[str, dict[str, float]] = {}
        for labels, value in self.kept.query(f"sum by (instance{of}) (last_over_time({name}[1d]))"):
            found.setdefault(labels["instance"], {})[labels.get(label, "")] = value
        return found


@contextmanager
def run_scraped(command: CommandLine, folder: Path, **plan: object) -> Iterator[Scraped]:
    (folder / "plan.toml").write_text(PLAN.format(**plan))
    run = folder / "run"
    with command.started("run", folder / "plan.toml", "--out", run, "--prometheus") as started:
        targets = targets_of(started, run)
        outcome = started.outcome()
    assert outcome.code == 0, outcome.stderr
    with reopened(run) as kept:
        yield Scraped(folder=RunFolder.at(run), outcome=outcome, targets=targets, kept=kept)


def targets_of(started: Started, run: Path) -> list[dict[str, Any]]:
    """What service discovery answers where Prometheus asks it, once the first trial has begun."""
    progress = run / "progress.jsonl"
    started.wait_until(lambda: progress.is_file() and '"trial_began"' in progress.read_text())
    prometheus = re.search(r"^Prometheus: (\S+)$", started.stderr.read_text(), re.MULTILINE)
    assert prometheus
    configuration = read(f"{prometheus[1]}/api/v1/status/config")["data"]["yaml"]
    url = re.search(r"url: (\S+/discovery)$", configuration, re.MULTILINE)
    assert url
    targets: list[dict[str, Any]] = read(url[1])
    return targets


def read(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:  # noqa: S310  http, from our own configuration
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.read())


def assert_exact(scraped: Scraped) -> None:
    """The last values in Prometheus, trial by trial, are the records' own."""
    whole = {name: scraped.last(f"loadlab_db_connections_{name}") for name in ("open", "opened_total")}
    closed = scraped.last("loadlab_db_connections_closed_total", "reason")
    used = scraped.last("loadlab_db_requests_total", "connection")
    sessions = scraped.last("loadlab_database_sessions_total")
    requests = scraped.last("loadlab_load_requests_total", "outcome")
    answered = scraped.last("loadlab_load_response_seconds_count")
    backends = scraped.last("loadlab_database_backends")
    for trial in scraped.trials:
        instance, books = scraped.instance(trial), trial.connections.after_stop
        failed = sum(trial.requests.failed)
        assert whole["opened_total"][instance] == {"": books.opened}
        assert whole["open"][instance] == {"": 0} == backends[instance]
        assert {why: count for why, count in closed[instance].items() if count} == books.closed
        assert used[instance]["reused"] == books.reused
        assert sessions[instance] == {"": trial.connections.sessions} == {"": books.opened}
        assert requests[instance] == {"ok": len(trial.requests.failed) - failed, "failed": failed}
        assert answered[instance] == {"": len(trial.requests.response)}
    assert set(sessions) == {scraped.instance(trial) for trial in scraped.trials}


@pytest.fixture(scope="module")
def scraped(
    loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory, own_state: Path, prometheus_program: str
) -> Iterator[Scraped]:
    """Three trials: sync at CONN_MAX_AGE 0 and once more, and at 60."""
    plan = {"blocks": 1, "servers": "[servers.sync]", "ages": "0, 60"}
    with run_scraped(loadlab, tmp_path_factory.mktemp("scraped"), **plan) as run:
        yield run


def test_prometheus_knows_the_exact_counts_of_every_trial(scraped: Scraped) -> None:
    assert len(scraped.trials) == len(trials_in(scraped.folder.path)) == 3
    assert_exact(scraped)


def test_trials_are_found_with_all_that_distinguishes_them_before_they_begin(scraped: Scraped) -> None:
    cases = {
        f"run/{step.order:04d}": scraped.folder.schedule().cases[step.case] for step in scraped.folder.schedule().steps
    }
    labels = {target["labels"]["instance"]: target["labels"] for target in scraped.targets}
    assert set(labels) == set(cases)
    for instance, case in cases.items():
        assert labels[instance] == {
            "job": "loadlab",
            "instance": instance,
            "__metrics_path__": f"/trials/{instance}/metrics",
            "server": "sync",
            "strategy": str(case.strategy),
            "max_age": str(case.max_age),
            "keep_alive": "off",
            "scenario": "read_one",
            "users": "4",
            "block": "0",
            "case": case.id,
        }
    ages = {of["max_age"] for of, _ in scraped.kept.query("last_over_time(loadlab_db_connections_opened_total[1d])")}
    assert ages == {"0", "60"}


def test_prometheus_has_what_is_in_the_catalogues_and_nothing_else(scraped: Scraped) -> None:
    names = {labels["__name__"] for labels, _ in scraped.kept.query('last_over_time({job="loadlab"}[1d])')}
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in names if name.startswith("loadlab_")}
    known = {metric.name for metric in (*CATALOGUE, *LAB_CATALOGUE)}
    assert ours <= known
    # Nothing here has a pool, and a trial has no versions of its own.
    assert {name for name in known - ours if "_pool" not in name} == {BUILD_INFO.name}


def test_what_was_kept_can_be_opened_again_and_stays_as_it_is(scraped: Scraped) -> None:
    before = everything_in(scraped.folder.path / "prometheus")
    with reopened(scraped.folder.path) as again:
        assert again.query('count(last_over_time(up{job="loadlab"}[1d]))') == [({}, 3.0)]
    assert everything_in(scraped.folder.path / "prometheus") == before


@pytest.mark.slow
def test_every_trial_of_each_server_mode_is_exact_in_prometheus(
    loadlab: CommandLine, tmp_path: Path, own_state: Path
) -> None:
    servers = "[servers.threaded]\n[servers.sync]\n[servers.gevent]"
    with run_scraped(loadlab, tmp_path, blocks=2, servers=servers, ages='0, 60, "none"') as scraped:
        assert len(scraped.trials) == 20
        assert_exact(scraped)
