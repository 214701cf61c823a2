"""Each program of CONTRIBUTING, saved as exactly one file, arrives everywhere that its siblings do."""

from __future__ import annotations

import csv
import importlib.util
import json
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from command_line import incomplete
from fork import PLACES, Fork
from laboratory import LONGER
from patience import PATIENCE_SECONDS, await_that

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

PLAN: Final = """
blocks = 2
warmup_seconds = 0.3
window_seconds = {window_seconds}
users = [2]
scenarios = ["longer_query"]
control = "twisted"

[servers.twisted]
reactor = "select"

[strategies.checked_minute]

[[faults]]
kind = "accept_stalls"
at_seconds = 0.2
for_seconds = 0.2
"""
FLEET: Final = """
hosts = 3
seconds = 600

[server.sync]
workers = 2

[strategies.max_age]

[traffic.ramp]
first_rate = 1
last_rate = 19

[[events.out_of_memory]]
at_seconds = 60
host = 2

[application]
connect_ms = 3
hold_ms = 20
"""
USERS: Final = 2
FAMILIES: Final = (
    "servers",
    "strategies",
    "probes",
    "faults",
    "report/formats",
    "claims",
    "leak_causes",
    "fleet/traffic",
    "fleet/events",
)


@pytest.fixture(scope="module")
def fork(tmp_path_factory: pytest.TempPathFactory) -> Fork:
    made = Fork.made(tmp_path_factory.mktemp("fork"))
    (made.folder / "plan.toml").write_text(PLAN.format(window_seconds=0.7))
    return made


@pytest.fixture(scope="module")
def run(fork: Fork) -> Path:
    """The folder of a run in which every one of them takes part."""
    if importlib.util.find_spec("twisted") is None:
        pytest.skip("Twisted is not installed: make .venv/dev installs it")
    for longer in LONGER:
        (fork.folder / "plan.toml").write_text(PLAN.format(window_seconds=longer * 0.7))
        folder = fork.folder / "runs" / str(longer) / "one"
        done = fork.run("-m", "loadlab", "run", "plan.toml", "--out", folder)
        assert done.returncode == 0, done.stderr
        if all(trial["state"] == "complete" for trial in json.loads((folder / "report.json").read_text())["trials"]):
            break
    return folder


@pytest.fixture(scope="module")
def report(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "report.json").read_text())
    return found


@contextmanager
def live_page(fork: Fork, runs: Path) -> Iterator[str]:
    """The address of the live page over a folder of runs."""
    log = fork.folder / "live.log"
    with log.open("w") as out:
        page = subprocess.Popen(
            [sys.executable, "-m", "loadlab", "live", str(runs)], cwd=fork.folder, env=fork.environment, stdout=out
        )
        try:
            await_that(lambda: "http://" in log.read_text().rpartition("\n")[0])
            yield log.read_text().split()[0]
        finally:
            page.terminate()
            page.wait()


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own page
        text: str = answer.read().decode()
        return text


def first_points(url: str) -> dict[str, Any]:
    """The first line of charts that the page is sent."""
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as stream:  # noqa: S310
        lines = iter(stream.readline, b"")
        for line in lines:
            if line.strip() == b"event: points":
                found: dict[str, Any] = json.loads(next(one for one in lines if one.startswith(b"data: "))[6:])
                return found
    raise AssertionError("the page sent no points")


def test_a_new_server_strategy_and_scenario_make_cases_of_a_plan(fork: Fork) -> None:
    done = fork.run("-m", "loadlab", "plan", "--ids", "plan.toml")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].startswith("twisted,reactor=select/checked_minute/longer_query/")


def test_a_new_server_has_rows_in_the_table_of_behaviours(fork: Fork) -> None:
    done = fork.run("-m", "loadlab", "behaviour", "--list", "--claims")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("twisted,reactor=poll/max_age=0,")]
    assert "claim/no_time_out" in done.stdout.splitlines()


def test_every_trial_of_a_new_server_is_exact(report: dict[str, Any]) -> None:
    trials = report["trials"]
    assert len(trials) == 4
    assert incomplete(trials) == []
    for trial in trials:
        assert (trial["server"], trial["strategy"], trial["scenario"]) == ("twisted", "checked_minute", "longer_query")
        assert (trial["requests"] > USERS, trial["connections"]["exact"]) == (True, True)
        assert trial["failures"] == 0
        assert trial["connections"]["reused"] > 0


def test_a_new_fault_comes_to_one_more_case_and_is_lifted(run: Path, report: dict[str, Any]) -> None:
    faults = {trial["order"]: trial.get("fault") for trial in report["trials"]}
    assert [fault and fault["config"]["name"] for fault in faults.values()].count("accept_stalls") == 2
    for order, fault in faults.items():
        seen = json.loads((run / "trials" / f"{order:04d}.json").read_text())["trial"]["fault_seen"]
        assert (seen is None) == (fault is None)
        assert seen is None or seen["lifted"] - seen["applied"] >= 0.2


def test_the_versions_of_a_new_servers_packages_are_recorded(report: dict[str, Any]) -> None:
    assert report["environment"]["versions"]["twisted"]


def test_a_new_probes_quantity_is_in_every_report(fork: Fork, run: Path, report: dict[str, Any]) -> None:
    assert all(trial["quantities"]["database_size"] > 1_000_000 for trial in report["trials"])
    assert report["arms"][0]["quantities"]["database_size"]["value"] > 1_000_000
    for name in ("report.html", "report.md"):
        assert "Size of the database, bytes, most at once" in (run / name).read_text()
    done = fork.run("-m", "loadlab", "report", run)
    assert done.returncode == 0, done.stderr
    assert "Size of the database" in " ".join(done.stdout.split())


def test_a_new_probes_quantity_is_on_the_live_page_and_in_its_metrics(fork: Fork, run: Path) -> None:
    with live_page(fork, run.parent) as url:
        assert 'data-plot="database_size"' in fetched(f"{url}/runs/{run.name}")
        points = first_points(f"{url}/runs/{run.name}/events")
        assert {mark[2] for mark in points["marks"]} <= {"accept_stalls at 0.2 s for 0.2 s"}
        column = points["columns"].index("database_size")
        assert max(row[column] or 0 for row in points["rows"]) > 1_000_000
        metrics = fetched(f"{url}/trials/{run.name}/0/metrics")
    (sample,) = [line for line in metrics.splitlines() if line.startswith("loadlab_probe_database_size ")]
    assert float(sample.split()[1]) > 1_000_000


def test_a_new_report_format_is_written_by_run_and_by_report(fork: Fork, run: Path, report: dict[str, Any]) -> None:
    for again in (False, True):
        if again:
            (run / "report.csv").unlink()
            assert fork.run("-m", "loadlab", "report", run).returncode == 0
        head, *rows = csv.reader((run / "report.csv").read_text().splitlines())
        assert head[:2] == ["run", "case"]
        assert [row[:3] for row in rows] == [[report["run"]["id"], arm["case"], "2"] for arm in report["arms"]]


def asked(fork: Fork, fleet: str) -> subprocess.CompletedProcess[str]:
    (fork.folder / "fleet.toml").write_text(fleet)
    return fork.run("-m", "loadlab", "fleet", "fleet.toml", "--repeats", "2", "--json", "--out", fork.folder / "fleet")


def test_a_new_traffic_and_a_new_event_are_in_the_answer_about_a_fleet(fork: Fork) -> None:
    done = asked(fork, FLEET)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["requests_per_second"]["mean"] == pytest.approx(10.0)
    assert answer["events"] == [{"name": "out_of_memory", "start": 60, "end": 70}]
    assert "out of memory" in (fork.folder / "fleet" / "fleet.md").read_text()


def test_problems_of_a_new_traffic_and_event_are_those_of_their_file(fork: Fork) -> None:
    done = asked(fork, FLEET.replace("host = 2", "host = 3").replace("19", "-1"))
    assert done.returncode == 2
    assert "fleet.toml has 2 problems" in done.stderr
    assert "traffic.ramp.last_rate: should be greater than 0" in done.stderr
    assert "events.out_of_memory.host: the fleet has no host 3 (its hosts are 0 to 2)" in done.stderr


def test_each_of_them_is_exactly_one_file(fork: Fork) -> None:
    root = Path(__file__).resolve().parents[2]
    added = {place for place in PLACES.values() if not (root / place).exists()}
    assert added == set(PLACES.values())
    for family in FAMILIES:
        ours = {one.relative_to(root).as_posix() for one in (root / "loadlab" / family).glob("*.py")}
        theirs = {one.relative_to(fork.folder).as_posix() for one in (fork.folder / "loadlab" / family).glob("*.py")}
        assert len(theirs - ours) == 1
