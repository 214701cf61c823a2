"""Runs with a Prometheus beside them: every trial is found, and what is known of it last is what its record says."""

from __future__ import annotations

import base64
import json
import re
import signal
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from answering import answering
from command_line import everything_in, trials_in

from loadlab.analysis.trials import summarise
from loadlab.cli._scraping import reopened
from loadlab.model.metrics import BUILD_INFO, CATALOGUE, CONNECTIONS_OPENED, LAB_CATALOGUE
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from command_line import CommandLine, InProcess, Outcome, Started

    from loadlab.model.samples import Trial
    from loadlab.services.prometheus import Prometheus

PASSWORD = "canary-of-remote-write"
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
    """A run with a Prometheus, what could be seen while it ran, and what that Prometheus has kept."""

    folder: RunFolder
    outcome: Outcome
    targets: list[dict[str, Any]]
    commands: str  # every command line of the lab's
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Receiver:
    """An address to which metrics are sent, and the headers of all that came."""

    url: str
    received: list[dict[str, str]]


@contextmanager
def receiver() -> Iterator[Receiver]:
    received: list[dict[str, str]] = []

    def take(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        size = len(request.rfile.read(int(request.headers["content-length"])))
        received.append({**{name.lower(): value for name, value in request.headers.items()}, "size": str(size)})
        return 204, ""

    with answering(take) as url:
        yield Receiver(url=url.replace("http://", f"http://lab:{PASSWORD}@"), received=received)


@contextmanager
def run_scraped(command: CommandLine, folder: Path, *options: str, **plan: str) -> Iterator[Scraped]:
    environment = {name: plan.pop(name) for name in ("PUSH",) if name in plan}
    (folder / "plan.toml").write_text(PLAN.format(**plan))
    run = folder / "run"
    arguments = ("run", folder / "plan.toml", "--out", run, "--prometheus", *options)
    with command.started(*arguments, **environment) as started:
        targets = targets_of(started, run)
        argv = "\n".join(command.commands())
        outcome = started.outcome()
    assert outcome.code == 0, outcome.stderr
    assert not list((command.state / "labs").iterdir())
    with reopened(run) as kept:
        yield Scraped(folder=RunFolder.at(run), outcome=outcome, targets=targets, commands=argv, kept=kept)


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


def assert_exact(scraped: Scraped, *, cut_off: frozenset[str] = frozenset()) -> None:
    """The last values in Prometheus, trial by trial, are the records' own, but for those `cut_off`."""
    whole = {name: scraped.last(f"loadlab_db_connections_{name}") for name in ("open", "opened_total")}
    closed = scraped.last("loadlab_db_connections_closed_total", "reason")
    used = scraped.last("loadlab_db_requests_total", "connection")
    sessions = scraped.last("loadlab_database_sessions_total")
    requests = scraped.last("loadlab_load_requests_total", "outcome")
    answered = scraped.last("loadlab_load_response_seconds_count")
    backends = scraped.last("loadlab_database_backends")
    peak = scraped.last("loadlab_database_connections_peak")
    for trial in scraped.trials:
        instance, counts = scraped.instance(trial), trial.connections.after_stop
        if instance in cut_off:
            continue
        failed = sum(trial.requests.failed)
        assert whole["opened_total"][instance] == {"": counts.opened}
        assert whole["open"][instance] == {"": 0} == backends[instance]
        assert {why: count for why, count in closed[instance].items() if count} == counts.closed
        assert used[instance]["reused"] == counts.reused
        assert sessions[instance] == {"": trial.connections.sessions} == {"": counts.opened}
        assert requests[instance] == {"ok": len(trial.requests.failed) - failed, "failed": failed}
        assert peak[instance] == {"": summarise(trial).peak}
        assert answered[instance] == {"": len(trial.requests.response)}
    assert set(sessions) == {scraped.instance(trial) for trial in scraped.trials}


@pytest.fixture(scope="module")
def pushed() -> Iterator[Receiver]:
    with receiver() as it:
        yield it


@pytest.fixture(scope="module")
def scraped(
    loadlab: CommandLine,
    tmp_path_factory: pytest.TempPathFactory,
    own_state: Path,
    prometheus_program: str,
    pushed: Receiver,
) -> Iterator[Scraped]:
    """Three trials: sync at CONN_MAX_AGE 0 and once more, and at 60."""
    plan = {"blocks": "1", "servers": "[servers.sync]", "ages": "0, 60", "PUSH": pushed.url}
    with run_scraped(loadlab, tmp_path_factory.mktemp("scraped"), "--remote-write", "env:PUSH", **plan) as run:
        yield run


def test_prometheus_knows_the_exact_counts_of_every_trial(scraped: Scraped) -> None:
    assert len(scraped.trials) == len(trials_in(scraped.folder.path)) == 3
    assert_exact(scraped)


def test_trials_are_discovered_with_all_their_labels_before_they_begin(scraped: Scraped) -> None:
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
            "strategy": f"max_age={case.max_age}",
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
    # Nothing here has a pool or a fault, and versions belong to the run.
    assert {name for name in known - ours if "_pool" not in name and "_fault_" not in name} == {BUILD_INFO.name}


def test_the_rules_are_evaluated_beside_a_run(scraped: Scraped) -> None:
    used = scraped.last("instance:loadlab_database_used:ratio")
    assert used
    assert all(0 <= share <= 1 for series in used.values() for share in series.values())


def test_what_was_kept_can_be_opened_again_and_stays_as_it_is(scraped: Scraped) -> None:
    before = everything_in(scraped.folder.path / "prometheus")
    with reopened(scraped.folder.path) as again:
        assert again.query('count(last_over_time(up{job="loadlab"}[1d]))') == [({}, 3.0)]
    assert everything_in(scraped.folder.path / "prometheus") == before


def test_metrics_are_sent_on_with_a_password_that_shows_nowhere(scraped: Scraped, pushed: Receiver) -> None:
    wanted = f"Basic {base64.b64encode(f'lab:{PASSWORD}'.encode()).decode()}"
    assert {one["authorization"] for one in pushed.received} == {wanted}
    assert {one["content-encoding"] for one in pushed.received} == {"snappy"}
    assert all(int(one["size"]) for one in pushed.received)
    seen = (scraped.commands, scraped.outcome.stdout, scraped.outcome.stderr, everything_in(scraped.folder.path))
    assert "prometheus" in scraped.commands
    assert not any(PASSWORD in text for text in seen)


def test_without_a_prometheus_nothing_is_started_and_the_next_step_is_said(
    here: InProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    done = here("run", "--prometheus")
    assert done.code == 3
    assert "apt install prometheus" in done.stderr
    assert "docs/how-to/prometheus.md" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("prometheus_program")
def test_a_folder_that_no_run_can_begin_in_is_left_as_it_is(loadlab: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary").write_text("dear diary")
    done = loadlab("run", "--prometheus", "--out", tmp_path / "mine")
    assert done.code == 2
    assert "is not empty" in done.stderr
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["diary"]
    assert not loadlab.processes()


def test_a_run_without_a_prometheus_has_nothing_to_open_again(here: InProcess, tmp_path: Path) -> None:
    done = here("live", tmp_path, "--prometheus", tmp_path)
    assert done.code == 2
    assert "the run had no --prometheus" in done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("own_state", "prometheus_program")
def test_every_trial_of_each_server_mode_is_exact_in_prometheus(loadlab: CommandLine, tmp_path: Path) -> None:
    servers = "[servers.threaded]\n[servers.sync]\n[servers.gevent]"
    with run_scraped(loadlab, tmp_path, blocks="2", servers=servers, ages='0, 60, "none"') as scraped:
        assert len(scraped.trials) == 20
        assert_exact(scraped)


@pytest.mark.slow
@pytest.mark.usefixtures("own_state", "prometheus_program")
def test_a_resumed_run_keeps_what_prometheus_saw_in_both_parts(loadlab: CommandLine, tmp_path: Path) -> None:
    plan, run = tmp_path / "plan.toml", tmp_path / "run"
    progress = run / "progress.jsonl"
    plan.write_text(PLAN.format(blocks=2, servers="[servers.sync]", ages="0, 60"))
    with loadlab.started("run", plan, "--out", run, "--prometheus") as started:
        # Its record is there a moment before its end is told.
        started.wait_until(lambda: progress.is_file() and progress.read_text().count('"trial_ended"') > 1)
        started.popen.send_signal(signal.SIGINT)
        assert started.outcome().code == 130
    assert not loadlab.processes()
    ended = {order: one.ended.at for order, one in RunFolder.at(run).progress().trials.items() if one.ended}
    assert 1 < len(ended) < 6
    with reopened(run) as kept:
        when = f"max_over_time(timestamp({CONNECTIONS_OPENED.name})[1h:1s])"
        scrapes = {labels["instance"]: at for labels, at in kept.query(f"max by (instance) ({when})")}
    # Whose end came with the end of the run, and took its ledgers away before they were read once more.
    cut_off = frozenset(f"run/{order:04d}" for order, at in ended.items() if scrapes[f"run/{order:04d}"] < at)
    assert len(cut_off) < 2
    resumed = loadlab("run", "--resume", run, "--prometheus")
    assert resumed.code == 0, resumed.stderr
    with reopened(run) as kept:
        scraped = Scraped(folder=RunFolder.at(run), outcome=resumed, targets=[], commands="", kept=kept)
        assert len(scraped.trials) == 6
        assert_exact(scraped, cut_off=cut_off)
