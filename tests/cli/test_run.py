"""Real runs from the command line: what they leave behind, and what is made of it afterwards."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from command_line import REPOSITORY, SMALL_PLAN, TOO_BUSY, CommandLine, Outcome, trials_in, with_time_for_it

from loadlab.model.session import Continuation
from loadlab.store.folder import RunFolder
from loadlab.store.progress import RunEnded, Sampled, TrialBegan, TrialEnded

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import InProcess

REPORTS = ("report.html", "report.json", "report.md")
SCHEMA = REPOSITORY / "loadlab" / "report" / "assets" / "report.schema.json"
LOST = """
from locust import task

from loadlab.load.locust_plugins.user import SiteUser


class Lost(SiteUser):
    @task
    def nowhere(self):
        self.client.get("/nowhere/")
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finished:
    path: Path
    outcome: Outcome

    @property
    def report(self) -> dict[str, Any]:
        return read_report(self.path)


def read_report(run: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((run / "report.json").read_text())
    return report


@pytest.fixture(scope="module")
def finished(loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """Six trials: sync at CONN_MAX_AGE 0, 0 once more and unlimited, in two blocks."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "plan.toml").write_text(SMALL_PLAN.format(blocks=2))
    path, outcome = loadlab.run(folder / "plan.toml", folder)
    return Finished(path=path, outcome=outcome)


def test_a_runs_progress_ends_each_trial_with_its_exact_counts(finished: Finished) -> None:
    events = RunFolder.at(finished.path).events()[0]
    began, ended = ([event.order for event in events if isinstance(event, kind)] for kind in (TrialBegan, TrialEnded))
    assert (events[0].event, events[-1], began, ended) == (
        "run_began",
        RunEnded(at=events[-1].at, state="complete"),
        list(range(6)),
        list(range(6)),
    )
    last = {order: one.sampled for order, one in RunFolder.at(finished.path).progress().trials.items() if one.sampled}
    for trial in RunFolder.at(finished.path).trials()[0]:
        values, connections = last[trial.order].values, trial.connections
        assert (values["requests"], sum(last[trial.order].response_buckets)) == (len(trial.requests.ended),) * 2
        assert values["response_seconds_sum"] == pytest.approx(sum(trial.requests.response))
        assert (values["opened"], values["open"], values["sessions"]) == (
            connections.after_stop.opened,
            0,
            connections.sessions,
        )
        assert values["cpu_app"] > 0


def test_the_progress_of_a_trial_ends_with_the_peak_of_the_report(finished: Finished) -> None:
    peaks: dict[int, list[float]] = {}
    for event in RunFolder.at(finished.path).events()[0]:
        if isinstance(event, Sampled):
            peaks.setdefault(event.order, []).append(event.values["peak"])
    assert {order: seen[-1] for order, seen in peaks.items()} == {
        trial["order"]: trial["connections"]["peak"] for trial in finished.report["trials"]
    }
    assert all(seen == sorted(seen) for seen in peaks.values())
    assert max(seen[-1] for seen in peaks.values()) > 0  # at age 0, no look may find one open


@pytest.fixture
def copied(finished: Finished, tmp_path: Path) -> Path:
    return shutil.copytree(finished.path, tmp_path / "run")


def test_a_run_ends_with_zero_and_the_path_of_its_page(finished: Finished) -> None:
    assert finished.outcome.code == 0, finished.outcome.stderr
    assert finished.outcome.stdout.splitlines()[-1] == f"Report: {finished.path / 'report.html'}"


def test_a_run_says_how_far_it_has_come(finished: Finished) -> None:
    lines = finished.outcome.stderr.splitlines()
    assert [line.split(",")[0] for line in lines if line.startswith("trial ")] == [
        f"trial {n} of 6" for n in range(1, 7)
    ]


def test_a_run_folder_holds_the_plan_the_samples_the_logs_and_the_reports(finished: Finished) -> None:
    files = {path.relative_to(finished.path).as_posix() for path in finished.path.rglob("*") if path.is_file()}
    assert files - {".lock"} == {
        "plan.toml",
        "progress.jsonl",
        "schedule.json",
        "environment.json",
        "opens.json",
        "sessions/0001.json",
        *REPORTS,
        *(f"trials/{order:04d}.json" for order in range(6)),
        *(f"logs/{order:04d}-sync.log" for order in range(6)),
        "logs/locust.log",
        "logs/postgresql.log",
    }
    assert (finished.path / "plan.toml").read_text() == SMALL_PLAN.format(blocks=2)


def test_every_trial_is_in_the_report_with_exact_counts(finished: Finished) -> None:
    trials = finished.report["trials"]
    assert sorted(trial["order"] for trial in trials) == list(range(6))
    for trial in trials:
        assert (trial["state"], trial["failures"]) == ("complete", 0)
        assert trial["connections"]["exact"] is True, trial["connections"]["mismatches"]
        assert trial["connections"]["after_stop"]["opened"] == trial["connections"]["sessions"] > 0


def test_the_report_of_a_real_run_is_what_its_schema_promises(finished: Finished) -> None:
    jsonschema.validate(finished.report, json.loads(SCHEMA.read_text()))
    assert (finished.report["run"]["state"], finished.report["run"]["blocks"]) == ("complete", 2)


def test_nothing_of_a_finished_run_goes_on(finished: Finished, loadlab: CommandLine) -> None:
    assert loadlab.processes() == []
    assert list((loadlab.state / "labs").iterdir()) == []


def test_reports_are_made_again_from_the_samples_just_as_they_were(copied: Path, here: InProcess) -> None:
    before = {name: (copied / name).read_bytes() for name in REPORTS}
    for name in REPORTS:
        (copied / name).unlink()
    done = here("report", copied)
    assert done.code == 0, done.stderr
    assert {name: (copied / name).read_bytes() for name in REPORTS} == before
    assert done.stdout.splitlines()[-1] == f"Report: {copied / 'report.html'}"


def test_two_blocks_are_too_few_where_a_verdict_is_required(finished: Finished, here: InProcess) -> None:
    done = here("report", finished.path, "--require-verdict")
    assert done.code == 11
    assert "No verdict for sync" in done.stderr


def test_a_complete_run_is_not_measured_again(copied: Path, here: InProcess) -> None:
    before = trials_in(copied)
    done = here("run", "--resume", copied)
    assert (done.code, done.stderr) == (0, "")
    assert trials_in(copied) == before


def test_a_damaged_trial_makes_the_run_incomplete_and_is_named(copied: Path, here: InProcess) -> None:
    damaged = copied / "trials" / "0001.json"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    done = here("report", copied)
    assert done.code == 12
    assert "trials/0001.json: Damaged" in done.stdout
    assert f"loadlab run --resume {copied}" in done.stderr
    assert sorted(trial["order"] for trial in read_report(copied)["trials"]) == [0, 2, 3, 4, 5]


def test_resume_measures_again_what_is_damaged_or_failed_not_by_the_target(copied: Path, loadlab: CommandLine) -> None:
    folder, trials = RunFolder.at(copied), copied / "trials"
    measured = {trial.order: trial for trial in folder.trials()[0]}
    (trials / "0001.json").write_bytes(b"{}")
    (trials / "0005.json").write_bytes(another := (trials / "0000.json").read_bytes())
    folder.add_trial(replace(measured[2], state="invalid", reason="the machine was suspended"))
    folder.add_trial(replace(measured[3], state="invalid", reason="a worker ended", by_target=True))
    folder.add_trial(replace(measured[4], state="failed", reason="the generator broke"))
    before = trials_in(copied)
    done = loadlab("run", "--resume", copied)
    assert done.code == 0, done.stderr
    assert "note: trials/0001.json is damaged; it is kept as 0001.json.damaged." in done.stderr
    if TOO_BUSY in done.stderr:
        _, done = with_time_for_it(lambda _: loadlab("run", "--resume", copied))
    after = trials_in(copied)
    assert {name for name in before if after[name] != before[name]} == {f"000{order}.json" for order in (1, 2, 4, 5)}
    assert (trials / "0005.json.damaged").read_bytes() == another
    report = read_report(copied)
    assert [trial["order"] for trial in report["trials"] if trial["state"] != "complete"] == [3]
    assert (report["run"]["trials_invalid"], report["run"]["invalid_because"]) == (1, "a worker ended")
    assert "6 of 6 trials, 1 of them invalid" in done.stdout


def test_a_site_that_only_fails_gets_an_error_table_and_no_latency(
    loadlab: CommandLine, here: InProcess, tmp_path: Path
) -> None:
    locustfile, plan, run = tmp_path / "lost.py", tmp_path / "plan.toml", tmp_path / "run"
    locustfile.write_text(LOST)
    plan.write_text(f'scenarios = ["{locustfile}"]\n{SMALL_PLAN.format(blocks=1)}')
    done = loadlab("run", plan, "--out", run, "--only", "*keep_alive=off")
    assert done.code == 0, done.stderr
    report = read_report(run)
    assert [(row["kind"], row["share"]) for row in report["failures"]] == [("HTTP 404", 1.0)] * 2
    for trial in report["trials"]:
        assert trial["failures"] == trial["requests"] > 0
        assert set(trial["latency_seconds"].values()) == {None}
    latency = [comparison for comparison in report["comparisons"] if comparison["metric"] != "throughput"]
    assert {(comparison["ratio"], comparison["verdict"]) for comparison in latency} <= {(None, "inconclusive")}
    assert [verdict["recommend"] for verdict in report["verdicts"]] == [None]
    # A run folder can be read from any place, also without its Locust file.
    locustfile.unlink()
    assert here("report", run).code == 0


def test_a_leaking_case_leaves_a_run_after_two_blocks(loadlab: CommandLine, tmp_path: Path) -> None:
    plan = SMALL_PLAN.format(blocks=6).replace("window_seconds = 0.4", "window_seconds = 0.6")
    plan = plan.replace("sync", "gevent").replace("[strategies", "workers = 1\n[strategies")
    (tmp_path / "plan.toml").write_text(plan)
    run, done = loadlab.run(tmp_path / "plan.toml", tmp_path)
    assert done.code == 0, done.stderr
    report = read_report(run)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert {one["case"].partition("max_age=")[2][:4]: (one["why"], one["blocks"]) for one in report["departures"]} == {
        "none": ("leaks", 2),
        "0,co": ("alone", 4),
    }
    assert (len(report["trials"]), report["run"]["trials_planned"], report["run"]["state"]) == (10, 10, "complete")
    assert "note: after 2 blocks, no further trials of" in done.stderr
    words = " ".join(done.stdout.split())
    assert "10 of 10 trials, 8 more not needed" in words
    assert "Connections leak there, by exact counts" in words
    assert report["verdicts"][0]["recommend"]["max_age"] == 0


@pytest.mark.slow  # the refusal itself is tested in tests/lab/test_faults.py
def test_a_plan_that_wants_more_connections_than_there_are_is_refused(loadlab: CommandLine, tmp_path: Path) -> None:
    plan = SMALL_PLAN.format(blocks=1).replace("sync", "gthread").replace("[strategies", "threads = 4\n[strategies")
    plan = plan.replace("[servers.gthread]", "[database]\nmax_connections = 10\n[servers.gthread]\nworkers = 4")
    (tmp_path / "plan.toml").write_text(plan)
    done = loadlab("run", tmp_path / "plan.toml", "--out", tmp_path / "run")
    assert done.code == 3
    message = "max_connections 10 − 3 reserved − 0 in use by others − 2 for loadlab itself = 5 free, but gthread,"
    assert message in done.stderr
    assert "can use 16 at once" in done.stderr
    assert trials_in(tmp_path / "run") == {}


STRATEGIES_PLAN = """
blocks = 1
warmup_seconds = 0.1
window_seconds = 0.4
driver = "psycopg"
round_trip_ms = [1]
restarts = true

[limits]
max_connections = 10
hosts = 2

[servers.sync]

[servers.gthread]
workers = 1

[strategies.max_age]
max_age = [0, 60]

[strategies.pgbouncer]
pool_size = 3

[strategies.geventpool]

[servers.gevent]
"""


def test_a_run_over_strategies_tells_each_ones_needs_and_recovery(loadlab: CommandLine, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text(STRATEGIES_PLAN)
    run, outcome = loadlab.run(plan, tmp_path, "--only", "gthread*")
    assert outcome.code == 0, outcome.stderr
    assert "note: left out: geventpool in sync: its pool works with greenlets only" in outcome.stderr
    report = read_report(run)
    jsonschema.validate(report, json.loads(SCHEMA.read_text()))
    assert all(trial["connections"]["exact"] for trial in report["trials"])
    arms = {(arm["strategy"], arm["max_age"], arm["server"]): arm for arm in report["arms"]}
    kept, pooled = arms["max_age", 60, "gthread"]["recovery"], arms["pgbouncer", 0, "gthread"]["recovery"]
    assert kept["failed"] == kept["warm"] > 0 == kept["failed_checked"] == kept["failed_later"]
    assert pooled["failed"] == 0
    needs = {standing["name"]: standing["need"] for verdict in report["verdicts"] for standing in verdict["ranking"]}
    assert any(need and "2 hosts" in need["arithmetic"] for need in needs.values())
    assert {left["strategy"].partition(",")[0] for left in report["run"]["left_out"]} == {"geventpool"}
    assert report["environment"]["versions"]["pgbouncer"]


def test_json_on_standard_output_is_the_report(here: InProcess, copied: Path) -> None:
    done = here("report", copied, "--json")
    assert done.code == 0
    assert json.loads(done.stdout) == read_report(copied)
    assert done.stderr == f"Report: {copied / 'report.html'}\n"


def test_two_folders_of_one_run_are_told_apart_and_have_no_difference(
    here: InProcess, finished: Finished, copied: Path
) -> None:
    after = copied.rename(copied.with_name("after"))
    done = here("compare", finished.path, after)
    assert done.code == 0
    assert all("It was busy when the run began" in line for line in done.stderr.splitlines())
    assert done.stdout.startswith("run (before) and after (after)\n")
    said = json.loads(here("compare", finished.path, after, "--json").stdout)
    assert [case["name"] for case in said["cases"]] == ["sync/max_age=0", "sync/max_age=none"]
    assert (said["changed"], said["differences"], said["only_before"]) == ([], [], [])
    assert said["paired"] is False
    assert {metric["ratio"] for case in said["cases"] for metric in case["metrics"].values()} == {1}
    page = here("compare", finished.path, after, "--markdown").stdout
    assert "| sync/max_age=0 | throughput |" in page


def begun_with_load(path: Path, load: float) -> None:
    """Record that the machine had this load when the run began."""
    folder = RunFolder.at(path)
    environment = folder.environment()
    environment["machine"] |= {"load_average_before_run": load, "cores": 2}
    for session in (path / "sessions").iterdir():
        session.unlink()
    folder.begin_session(environment, Continuation())


def test_a_run_on_a_busy_machine_is_named_beside_the_other(here: InProcess, finished: Finished, copied: Path) -> None:
    """What else ran then is in the ratio, and in no interval."""
    before = copied.with_name("before")
    shutil.copytree(finished.path, before)
    begun_with_load(before, 0.1)
    begun_with_load(copied, 9.0)
    (note,) = here("compare", before, copied).stderr.splitlines()
    assert note.startswith(f"note: {copied}: machine: It was busy when the run began: load 9.0 on 2 cores.")


def test_a_gate_without_enough_trials_is_open_and_exits_with_11(
    here: InProcess, finished: Finished, copied: Path
) -> None:
    done = here("compare", finished.path, copied, "--fail-if-worse")
    assert done.code == 11
    assert "too few trials for an interval of the throughput" in done.stderr


def test_runs_without_a_common_case_are_refused_in_one_line(
    here: InProcess, finished: Finished, tmp_path: Path
) -> None:
    schedule = RunFolder.at(finished.path).schedule()
    cases = [
        replace(case, strategy=replace(case.strategy, parameters={"max_age": 5 + number, "conn_health_checks": True}))
        for number, case in enumerate(schedule.cases)
    ]
    other = RunFolder.begin(tmp_path / "other", RunFolder.at(finished.path).plan(), replace(schedule, cases=cases))
    done = here("compare", finished.path, other.path)
    assert (done.code, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert "have no case in common" in done.stderr
