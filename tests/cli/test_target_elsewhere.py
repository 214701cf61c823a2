"""`loadlab run --target`: a site that others serve is loaded and looked at, and goes on as it was."""

from __future__ import annotations

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from command_line import TOO_BUSY, TRIES, everything_in
from patience import PATIENCE_SECONDS

from loadlab.lab.application import ServerSetup, serving
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.store.folder import RunFolder
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import CommandLine, InProcess

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

OTHERS = 40  # requests: more than the users who may end with one under way
PLAN = """
blocks = 1
warmup_seconds = 0.2
window_seconds = 1.0
users = [3]
scenarios = ["read_one"]
[target]
url = "{url}"
name = "{name}"
"""


@pytest.fixture(scope="module")
def application(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApplication]:
    folder = tmp_path_factory.mktemp("elsewhere")
    target = ServerSetup(
        server=config_of(SERVERS, "gthread", {"workers": 1, "threads": 2}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 60}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )
    with serving(target, lab.register, folder / "log") as served:
        yield served


@pytest.fixture(scope="module")
def judged(
    loadlab: CommandLine, application: ServedApplication, lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run with PostgreSQL as the judge."""
    folder = tmp_path_factory.mktemp("judged")
    (folder / "plan.toml").write_text(PLAN.format(url=application.url, name="age 60"))
    address = lab.database.parameters
    dsn = f"host={address['host']} port={address['port']} user={address['user']} dbname={lab.database.name}"
    environment = {**lab.database.environment, "ITS_DATABASE": dsn, "ITS_TOKEN": "secret-canary"}
    arguments = ("--token", "env:ITS_TOKEN", "--dsn", "env:ITS_DATABASE", "--out", folder / "run")
    outcome = loadlab("run", folder / "plan.toml", *arguments, **environment)
    assert outcome.code == 0, outcome.stderr
    return folder / "run"


@pytest.fixture(scope="module")
def disturbed(loadlab: CommandLine, application: ServedApplication, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without a judge, while others ask for pages too; the first whose trial goes on until they are answered."""
    folder = tmp_path_factory.mktemp("disturbed")
    (folder / "plan.toml").write_text(PLAN.format(url=application.url, name="age 0"))
    for number in range(TRIES):
        run = folder / str(number) / "run"
        with loadlab.started("run", folder / "plan.toml", "--out", run) as command:
            command.wait_until(lambda run=run: '"sampled"' in _text(run / "progress.jsonl"))  # type: ignore[misc]
            with ThreadPoolExecutor(8) as others:
                list(others.map(ask, [application] * OTHERS))
            in_time = '"trial_ended"' not in _text(run / "progress.jsonl")
            outcome = command.outcome()
        assert outcome.code == 0, outcome.stderr
        if in_time:
            break
    return run


def ask(application: ServedApplication) -> None:
    urllib.request.urlopen(f"{application.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_counts_reconcile_with_what_was_open_before(judged: Path) -> None:
    ((trial,), damaged) = RunFolder.at(judged).trials()
    assert not damaged
    assert trial.state == "complete" or TOO_BUSY in trial.reason, trial.reason
    assert trial.case.id == "elsewhere/age 60/read_one/users=3,keep_alive=off"
    connections = trial.connections
    assert connections.exact, connections.mismatches
    assert not connections.stopped
    assert connections.at_rest.open == connections.left_open > 0
    assert connections.at_rest.opened == connections.sessions
    used = connections.at_rest.opened + connections.at_rest.reused
    assert len(trial.requests.ended) <= used <= len(trial.requests.ended) + 3
    assert trial.served is not None
    assert trial.served <= len(trial.requests.ended) + 3


def test_what_cannot_be_measured_from_outside_is_none_in_the_report(judged: Path) -> None:
    ((trial,), _) = RunFolder.at(judged).trials()
    assert trial.cpu_seconds.app is None
    assert trial.cpu_seconds.database is None
    assert trial.cpu_seconds.generator > 0
    report = json.loads((judged / "report.json").read_text())
    assert report["trials"][0]["connections"]["exact"] is True
    assert report["verdicts"] == []
    caveats = " ".join(caveat["text"] for caveat in report["caveats"])
    assert "the CPU that it and its database use is not known" in caveats
    assert "also served other clients" not in caveats
    assert "PostgreSQL was not asked" not in caveats


def test_no_secret_is_in_the_run_folder(judged: Path) -> None:
    assert "canary" not in everything_in(judged)


def test_its_samples_are_in_the_progress_of_the_run(judged: Path) -> None:
    progress, ((trial,), _) = RunFolder.at(judged).progress(), RunFolder.at(judged).trials()
    sampled = progress.trials[trial.order].sampled
    assert sampled is not None
    last = sampled.values
    assert last["requests"] == len(trial.requests.ended)
    assert last["opened"] == trial.connections.at_rest.opened
    assert last["backends"] == trial.connections.left_open
    assert last["peak"] == trial.peak > 0
    assert progress.ended is not None
    assert progress.ended.state == "complete"


def test_other_traffic_and_a_missing_judge_become_caveats(disturbed: Path) -> None:
    ((trial,), _) = RunFolder.at(disturbed).trials()
    assert trial.served is not None
    answered = len(trial.requests.ended) - sum(trial.requests.failed)
    assert trial.served >= answered + OTHERS
    assert trial.connections.sessions is trial.connections.left_open is None
    report = (disturbed / "report.md").read_text()
    assert "The target also served other clients" in report
    assert "PostgreSQL was not asked" in report
    assert "not judged" in report


@pytest.mark.slow
def test_a_run_stops_when_the_targets_first_trial_came_to_nothing(
    loadlab: CommandLine, application: ServedApplication, tmp_path: Path
) -> None:
    visitor = tmp_path / "visitor.py"
    visitor.write_text(
        "from locust import FastHttpUser, task\n\n\nclass Visitor(FastHttpUser):\n    @task\n"
        '    def look(self):\n        self.client.get("/nonesuch/")\n'
    )
    (tmp_path / "plan.toml").write_text(
        PLAN.format(url=application.url, name="age 60").replace("read_one", str(visitor))
    )
    outcome = loadlab("run", tmp_path / "plan.toml", "--out", tmp_path / "run")
    assert outcome.code == 3
    assert "most with HTTP 404" in " ".join(outcome.stderr.split())
    meant = visitor.read_text().replace("\n\n\nclass", "\n\nEXPECT_FAILURES = True\n\n\nclass")
    visitor.write_text(meant)
    assert loadlab("run", tmp_path / "plan.toml", "--out", tmp_path / "again").code == 0


def test_two_deployments_are_set_side_by_side(here: InProcess, judged: Path, disturbed: Path) -> None:
    outcome = here("compare", judged, disturbed)
    assert outcome.code == 0, outcome.stderr
    assert "age 60 → age 0" in outcome.stdout
    assert "Only in" not in outcome.stdout


def test_a_target_that_is_not_there_stops_the_run_before_its_first_trial(here: InProcess, tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.format(url="http://127.0.0.1:1", name="age 60"))
    outcome = here("run", tmp_path / "plan.toml", "--out", tmp_path / "run")
    assert outcome.code == 3
    assert "http://127.0.0.1:1/metrics does not answer" in outcome.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ["--target", "http://192.0.2.1:8000"],
            "--target names 192.0.2.1, which is not this machine. Add --allow-remote",
        ),
        (["--target-metrics", "http://192.0.2.1/metrics"], "--target-metrics names 192.0.2.1"),
        (["--token", "secret-canary"], "target.token: does not name an environment variable"),
        (["--token", "env:NONESUCH"], "NONESUCH is not set"),
        (["--target", "http://me:secret-canary@127.0.0.1"], "target.url: holds a user name or a password"),
        (["--target-name", "pool"], "target.name: 'pool' is not a valid name (use at most 60"),
        (["--target", "ftp://127.0.0.1"], "target.url: is not an http"),
        (["--target", "http://[::1"], "target.url: is not an http"),
        (["--target", "http://127.0.0.1:x/"], "target.url: is not an http"),
    ],
)
def test_what_may_not_be_is_refused_before_anything_is_asked(
    here: InProcess, tmp_path: Path, arguments: list[str], why: str
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN.format(url="http://127.0.0.1:1", name="age 60"))
    outcome = here("run", tmp_path / "plan.toml", *arguments, "--out", tmp_path / "run")
    assert outcome.code == 2
    assert why in " ".join(outcome.stderr.split())
    assert "canary" not in outcome.stderr


def test_the_default_plan_asks_for_a_scenario_and_says_nothing_of_servers(here: InProcess, tmp_path: Path) -> None:
    outcome = here("run", "--target", "http://127.0.0.1:1", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "has 1 problem:" in outcome.stderr
    assert "scenarios: is missing (name your own Locust file with --locustfile" in outcome.stderr


def test_a_plan_serves_its_target_or_names_one_and_not_both(here: InProcess, tmp_path: Path) -> None:
    text = PLAN.format(url="http://127.0.0.1:1", name="x") + "[servers.sync]\n[strategies.max_age]\n"
    (tmp_path / "plan.toml").write_text("round_trip_ms = [5]\n" + text)
    outcome = here("plan", tmp_path / "plan.toml")
    assert outcome.code == 2
    for name in ("servers", "strategies", "round_trip_ms"):
        assert f"{name}: needs a target that loadlab serves" in outcome.stderr
