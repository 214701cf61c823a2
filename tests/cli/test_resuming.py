"""What belongs in one run, and what does not: a run is resumed as it was begun, or not at all."""

from __future__ import annotations

import argparse
import copy
import os
import pty
import shlex
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from command_line import REPOSITORY, SMALL_PLAN
from disks import full_disk
from factories.recorded_runs import sealed_run
from factories.trials import caveats_of
from patience import PATIENCE_SECONDS, await_that

import loadlab.cli.run
from loadlab.analysis import findings_of
from loadlab.cli.run import _continuation
from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.journal import Journal
from loadlab.lab.resuming import begin_session
from loadlab.model.earlier_scenarios import CODE_OF
from loadlab.model.session import Continuation
from loadlab.store.damage import plan_fault
from loadlab.store.folder import RunFolder
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess

    from loadlab.model.samples import Trial

GIVEN: Final = Continuation(options=("--dsn", "env:OF MINE"), variables={"LOADLAB_SCENARIO_ROWS": "5 6"})


class Listener:
    def __init__(self) -> None:
        self.notices: list[str] = []

    def notice(self, what: str) -> None:
        self.notices.append(what)

    def preparing(self, what: str) -> None:
        pass

    trial_begins = trial_ended = preparing  # type: ignore[assignment]


def changed(environment: dict[str, dict[str, Any]], section: str, fact: str, value: object) -> dict[str, Any]:
    new = copy.deepcopy(environment)
    new.setdefault(section, {})[fact] = value
    return new


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Seven of eight trials, on an embedded PostgreSQL."""
    folder = sealed_run(tmp_path / "run")
    (folder.path / "trials" / "0007.json").unlink()
    return folder


@pytest.fixture
def given(tmp_path: Path) -> RunFolder:
    """The same on a database that --dsn named."""
    environment = changed(sealed_run(tmp_path / "plain").environment(), "PostgreSQL", "origin", "given")
    folder = sealed_run(tmp_path / "a run", GIVEN, environment)
    (folder.path / "trials" / "0007.json").unlink()
    return folder


def test_a_run_on_a_given_database_does_not_go_on_without_it(given: RunFolder, here: InProcess) -> None:
    done = here("run", "--resume", given.path)
    assert done.code == 2
    command = f"LOADLAB_SCENARIO_ROWS='5 6' loadlab run --resume '{given.path}' --dsn 'env:OF MINE'"
    assert f"was measured on a database that --dsn named. Continue with: {command}" in done.stderr


def test_every_message_names_the_whole_command_that_continues(given: RunFolder, here: InProcess) -> None:
    done = here("report", given.path)
    assert done.code == 12
    *_, variable, _, _, _, path, option, value = shlex.split(done.stderr.partition(" runs the missing")[0])
    assert (variable, path, option, value) == (
        "LOADLAB_SCENARIO_ROWS=5 6",
        str(given.path),
        "--dsn",
        "env:OF MINE",
    )


def test_a_run_on_an_embedded_database_does_not_go_on_on_another(
    run: RunFolder, here: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_DSN", "host=127.0.0.1 dbname=other")
    done = here("run", "--resume", run.path, "--dsn", "env:OTHER_DSN")
    assert done.code == 2
    assert "was measured on an embedded PostgreSQL, but --dsn names a database. Remove --dsn" in done.stderr


@pytest.mark.parametrize(
    ("section", "fact", "value"),
    [
        ("PostgreSQL", "origin", "given"),
        ("PostgreSQL", "driver", "psycopg"),
        ("PostgreSQL", "database", "other"),
        ("PostgreSQL", "cluster", "7412"),
        ("project", "settings", "other.settings"),
        ("project", "Python files", "3, sha256 0123"),
        ("load", "scenario read_one", "sha256 0123"),
        ("load", "code of scenario read_one", "sha256 0123"),
        ("load", "LOADLAB_SCENARIO_ROWS", "7"),
    ],
)
def test_another_experiment_is_refused_naming_what_differs(run: RunFolder, section: str, fact: str, value: str) -> None:
    known = run.environment()
    for each, name in (("PostgreSQL", "database"), ("PostgreSQL", "cluster"), ("project", "settings")):
        known = changed(known, each, name, "mine")
    known = changed(changed(known, "project", "Python files", "2"), "load", "scenario read_one", "sha256 abcd")
    if fact.startswith("code of"):
        known = changed(known, "load", fact, "sha256 abcd")
    begun = sealed_run(run.path.parent / "begun", environment=known)
    trials = sorted((begun.path / "trials").iterdir())
    with pytest.raises(UsageError, match=f"was measured with other values: {section} {fact}: .* → {value}"):
        begin_session(begun, changed(known, section, fact, value), Continuation(), Journal(begun, Listener()))
    assert begun.environment() == known
    assert sorted((begun.path / "trials").iterdir()) == trials


@pytest.mark.parametrize("begun_with_code", [True, False])
def test_a_locust_file_with_the_same_code_is_no_other_experiment(run: RunFolder, *, begun_with_code: bool) -> None:
    """An earlier run has recorded the bytes only; its `read_one` imported a module that has moved."""
    known = changed(run.environment(), "load", "scenario read_one", "sha256 68b7e9735f4a140d")
    code = CODE_OF["sha256 68b7e9735f4a140d"]
    if begun_with_code:
        known = changed(known, "load", "code of scenario read_one", code)
    begun, heard = sealed_run(run.path.parent / "begun", environment=known), Listener()
    now = changed(changed(known, "load", "scenario read_one", "sha256 4321"), "load", "code of scenario read_one", code)
    begin_session(begun, now, Continuation(), Journal(begun, heard))
    assert heard.notices == []


@pytest.mark.parametrize(
    ("section", "fact", "value"),
    [
        ("machine", "kernel", "7.0"),
        ("machine", "cpu", "another"),
        ("machine", "cores", 64),
        ("versions", "django", "4.2.0"),
        ("versions", "gunicorn", "1"),
        ("versions", "psycopg2-binary", "2.8"),
        ("PostgreSQL", "version", "17.1"),
        ("PostgreSQL", "setting max_connections", "50"),
        ("loadlab", "python", "3.14.0"),
        ("loadlab", "version", "9"),
    ],
)
def test_another_machine_or_version_is_said_in_terminal_and_report(
    run: RunFolder, section: str, fact: str, value: object
) -> None:
    heard, before = Listener(), run.environment()[section][fact]
    last = sealed_run(run.path.parent / "other").trials()[0][-1]
    again = RunFolder.at(run.path)
    begin_session(again, changed(run.environment(), section, fact, value), Continuation(), Journal(again, heard))
    again.add_trial(last)
    (notice,) = heard.notices
    assert f"{section} {fact}: {before} → {value}" in notice
    findings = findings_of(again.recorded())
    (caveat,) = (one for one in caveats_of(findings) if "Measured after a change" in one.text)
    assert caveat.subject == "trial 7"
    assert f"{section} {fact}: {before} → {value}" in caveat.text
    assert findings.environment[section][fact] == f"{before} (trials 0–6); {value} (trial 7)"
    assert (findings.run.state, findings.run.damaged) == ("complete", ())
    assert again.environment()[section][fact] == value


def test_before_the_first_trial_there_is_nothing_that_could_be_mixed(run: RunFolder) -> None:
    for path in (run.path / "trials").iterdir():
        path.unlink()
    elsewhere = changed(run.environment(), "PostgreSQL", "origin", "given")
    begin_session(run, elsewhere, Continuation(), Journal(run, Listener()))
    assert [session.number for session in run.sessions()[0]] == [1, 2]


def test_a_run_of_an_earlier_loadlab_keeps_what_it_was_begun_on(run: RunFolder, tmp_path: Path) -> None:
    old = RunFolder(shutil.copytree(REPOSITORY / "tests" / "recorded" / "schema-1", tmp_path / "old"))
    (old.path / "trials" / "0007.json").unlink()
    (old.path / "sessions").mkdir()
    heard, last = Listener(), replace(sealed_run(tmp_path / "new").trials()[0][-1], run="")
    begin_session(old, changed(old.environment(), "versions", "django", "6.0"), Continuation(), Journal(old, heard))
    old.add_trial(last)
    assert any("not sealed" in notice for notice in heard.notices)
    findings = findings_of(old.recorded())
    assert findings.environment["versions"]["django"] == "5.2.19 (trials 0–6); 6.0 (trial 7)"
    assert any("kept no checksum" in caveat.text for caveat in caveats_of(findings))


def test_an_edited_plan_is_refused_and_kept_out_of_the_report(run: RunFolder, here: InProcess) -> None:
    plan = run.path / "plan.toml"
    plan.write_text(plan.read_text().replace("window_seconds = 0.5", "window_seconds = 0.3").replace("blocks = 2", ""))
    done = here("run", "--resume", run.path)
    assert done.code == 2
    assert "changed since: blocks 2 → absent, window_seconds 0.5 → 0.3." in done.stderr
    findings = findings_of(run.recorded())
    assert (findings.run.window_seconds, findings.run.blocks) == (0.5, 2)
    assert findings.run.damaged == ("plan.toml",)


def test_a_comment_in_the_plan_changes_nothing(run: RunFolder) -> None:
    plan = run.path / "plan.toml"
    plan.write_text(f"# a remark\n{plan.read_text()}")
    assert plan_fault(run) == ""


def test_what_no_plan_keeps_is_in_the_command_that_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    parser = argparse.ArgumentParser()
    loadlab.cli.run.add_arguments(parser)
    monkeypatch.setenv("LOADLAB_SCENARIO_X", "a b")
    words = ["--dsn", "service=mine", "--allow-remote", "--prometheus", "--remote-write", "env:URL"]
    words += ["--require-verdict", "--live", "8020"]
    arguments = parser.parse_args([*words, "--project", "/shop", "--embedded"])
    command = shlex.split(_continuation(arguments).command("/my runs/1"))
    assert command[:5] == ["LOADLAB_SCENARIO_X=a b", "loadlab", "run", "--resume", "/my runs/1"]
    assert sorted(command[5:]) == sorted(words)
    again = parser.parse_args(command[3:])
    assert (again.dsn, again.live, again.project) == ("service=mine", 8020, None)  # the plan has the project


class TestTheFolder:
    def test_a_link_is_refused_and_left_as_it_is(self, here: InProcess, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "there")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        for name in ("link", "dangling"):
            done = here("run", "--out", tmp_path / name)
            assert done.code == 2
            assert f"{name} is a link. Name the folder itself" in done.stderr
        assert {path.name for path in tmp_path.iterdir()} == {"there", "link", "dangling"}
        assert not any((tmp_path / "there").iterdir())

    def test_an_empty_folder_of_the_users_outlives_a_failure(self, here: InProcess, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        for name in ("mine", "made"):
            assert here("run", "--out", tmp_path / name, "--dsn", "env:NOT_SET").code == 2
        assert [path.name for path in tmp_path.iterdir()] == ["mine"]
        assert not any((tmp_path / "mine").iterdir())

    def test_a_full_disk_before_the_first_trial_says_what_is_true(self, here: InProcess, tmp_path: Path) -> None:
        plan = tmp_path / "plan.toml"
        plan.write_text(SMALL_PLAN.format(blocks=1) + "# " + "x" * 8000)
        with full_disk():
            done = here("run", plan, "--out", tmp_path / "run")
        assert done.code == 3
        assert done.stderr.splitlines()[1:] == [
            f"loadlab: {tmp_path / 'run' / 'plan.toml'} cannot be written: the disk is full. Make room, and run again.",
            "Nothing was measured. Fix this, then run the same command again.",
        ]
        assert not (tmp_path / "run").exists()

    @pytest.mark.parametrize("name", ["fifo", "folder", "link"])
    def test_a_lock_that_is_not_a_file_is_named(self, here: InProcess, name: str, tmp_path: Path) -> None:
        lock = sealed_run(tmp_path / "whole").path / ".lock"
        make = {"fifo": os.mkfifo, "folder": os.mkdir, "link": lambda path: path.symlink_to(tmp_path / "victim")}
        make[name](lock)
        done = here("run", "--resume", lock.parent)
        if name != "fifo":  # one can be locked as well as a file
            assert done.code == 2
            assert ".lock cannot be locked" in done.stderr
        assert not (tmp_path / "victim").exists()


def test_a_folder_that_goes_during_a_run_ends_it_with_a_message(run: RunFolder) -> None:
    trial = run.trials()[0][0]
    with pytest.raises(EnvironmentFaultError, match=f"The run folder {run.path} has gone"), run.expected_to_stay():
        _lose_and_write(run, trial)


def _lose_and_write(run: RunFolder, trial: Trial) -> None:
    shutil.rmtree(run.path)
    run.add_trial(trial)


@pytest.mark.slow
def test_a_run_whose_folder_is_removed_ends_with_3(loadlab: CommandLine, tmp_path: Path) -> None:
    plan, run = tmp_path / "plan.toml", tmp_path / "run"
    plan.write_text(SMALL_PLAN.format(blocks=20))
    with loadlab.started("run", plan, "--out", run) as command:
        command.wait_until((run / "trials" / "0000.json").exists)
        shutil.rmtree(run)
        outcome = command.outcome()
    assert outcome.code == 3, outcome.stderr
    assert f"The run folder {run} has gone" in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert loadlab.processes() == []


def test_on_a_terminal_the_page_stays_after_the_run_until_ctrl_c(loadlab: CommandLine, tmp_path: Path) -> None:
    run = sealed_run(tmp_path / "run").path  # all is there, so that nothing has to be measured
    controller, terminal = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), STATE_VARIABLE: str(loadlab.state)}
    argv = [sys.executable, "-m", "loadlab", "run", "--resume", str(run), "--live", "0"]
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with subprocess.Popen(argv, env=environment, start_new_session=True, **streams) as command:  # type: ignore[call-overload]
        os.close(terminal)
        try:
            said = ""
            while "Ctrl-C ends the page" not in said:
                said += os.read(controller, 4096).decode(errors="replace")
            page = said.rpartition("Live: ")[2].split()[0]
            for path in ("", "/report.html", "/report.json", "/report.md"):
                with urllib.request.urlopen(page + path, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own process
                    assert answer.status == 200
            assert command.poll() is None
            command.send_signal(signal.SIGINT)
            assert command.wait(PATIENCE_SECONDS) == 0
        finally:
            command.kill()
            os.close(controller)
    await_that(lambda: loadlab.commands() == [])
