"""However a run is stopped, what it has measured is kept, nothing of it goes on, and resume completes it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import REPOSITORY, SMALL_PLAN, CommandLine, Outcome, Started, trials_in
from patience import await_that
from states import separate_state

from loadlab.store.folder import RunFolder
from loadlab.system.signals import stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from command_line import InProcess

    Ways = Callable[[str], "Interrupted"]

INSTANTS = 20  # at which a run is stopped
ONE_CASE = ("--only", "*max_age=none*")
# A single SIGINT stops the run of tests/live/test_page_beside_run.py.
ENDS = {
    "SIGTERM": (signal.SIGTERM, 143),
    "SIGHUP": (signal.SIGHUP, 143),
    "SIGINT over and over": (signal.SIGINT, 130),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Interrupted:
    """A run that was stopped in its second trial or later; `kept` are the trials that it had by then."""

    path: Path
    kept: dict[str, bytes]
    outcome: Outcome


def await_second_trial(run: Started, path: Path) -> dict[str, bytes]:
    """The trials there are once the first is recorded and the second one's server runs, which boots ahead."""

    def serves() -> bool:
        log = path / "logs" / "0001-sync.log"
        return log.exists() and "Booting worker" in log.read_text() and bool(trials_in(path))

    run.wait_until(serves)
    return trials_in(path)


def interrupt(run: Started, name: str) -> None:
    run.popen.send_signal(ENDS[name][0])
    while name.endswith("over and over") and run.popen.poll() is None:
        run.popen.send_signal(ENDS[name][0])
        time.sleep(0.01)


@pytest.fixture(scope="module")
def interrupted(loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """A run that is stopped in one of the ways, once for all tests that look at it."""
    folder = tmp_path_factory.mktemp("interrupted")
    (folder / "plan.toml").write_text(SMALL_PLAN.format(blocks=50))

    @cache
    def by(name: str) -> Interrupted:
        path = folder / name.replace(" ", "-")
        with loadlab.started("run", folder / "plan.toml", "--out", path, *ONE_CASE) as run:
            kept = await_second_trial(run, path)
            interrupt(run, name)
            return Interrupted(path=path, kept=kept, outcome=run.outcome())

    return by


# SIGHUP ends a run as SIGTERM does.
each_end = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "SIGHUP" else name for name in ENDS]
)


@each_end
def test_a_stopped_run_ends_with_its_signals_code_and_says_so(interrupted: Ways, name: str) -> None:
    number, code = ENDS[name]
    outcome = interrupted(name).outcome
    assert outcome.code == code, outcome.stderr
    said, how_to_go_on = outcome.stderr.splitlines()[-2:]
    assert said == f"loadlab: Stopped by {number.name}."
    assert how_to_go_on == f"Continue with: {shlex.join(['loadlab', 'run', '--resume', str(interrupted(name).path)])}"


@each_end
def test_a_stopped_run_keeps_its_trials_and_reports_on_them(interrupted: Ways, name: str) -> None:
    stopped = interrupted(name)
    assert stopped.kept
    assert stopped.kept.items() <= trials_in(stopped.path).items()
    report = json.loads((stopped.path / "report.json").read_text())
    assert report["run"]["state"] == "incomplete"
    assert len(report["trials"]) == len(trials_in(stopped.path))
    assert all(trial["connections"]["exact"] for trial in report["trials"])
    assert f"Report: {stopped.path / 'report.html'}" in stopped.outcome.stdout
    assert (stopped.path / "report.html").stat().st_size > 0


def test_nothing_of_a_stopped_run_goes_on(interrupted: Ways, loadlab: CommandLine) -> None:
    interrupted("SIGTERM")
    assert loadlab.processes() == []
    assert list((loadlab.state / "labs").iterdir()) == []


def test_a_run_that_is_stopped_while_postgresql_starts_leaves_nothing(loadlab: CommandLine, tmp_path: Path) -> None:
    def postgresql_starts() -> bool:
        log = tmp_path / "run" / "logs" / "postgresql.log"
        return log.exists() and "ready to accept connections" in log.read_text()

    with loadlab.started("run", "--out", tmp_path / "run") as run:
        run.wait_until(postgresql_starts)
        run.popen.terminate()
        outcome = run.outcome()
    assert outcome.code == 143
    assert outcome.stderr.splitlines()[-1] == "Nothing was measured."
    assert loadlab.processes() == []
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_stopped_at_any_instant_leaves_nothing(tmp_path: Path, name: str) -> None:
    """From the start of Python to the first trial; each time PostgreSQL's first data folder is made anew."""
    with separate_state() as state:
        loadlab = CommandLine(state, tmp_path)
        begun = time.monotonic()
        with loadlab.started("run", "--out", tmp_path / "whole") as run:
            run.wait_until(lambda: any((tmp_path / "whole" / "logs").glob("[0-9]*")))
            took = time.monotonic() - begun
            run.popen.terminate()
            run.outcome()
        for number in range(INSTANTS):
            for template in state.glob("cluster-*"):
                template.rename(state / f"earlier-{number}-{template.name}")
            with loadlab.started("run", "--out", tmp_path / str(number)) as run:
                time.sleep(took * number / INSTANTS)
                run.popen.send_signal(signal.Signals[name])
                outcome = run.outcome()
            assert outcome.code in {130, 143, -signal.Signals[name]}, outcome.stderr
            await_that(lambda: not loadlab.processes(), loadlab.commands)
            assert list(state.glob("labs/*")) == []


@dataclass(frozen=True, kw_only=True, slots=True)
class Resumed:
    """A run that was killed in its second trial and then resumed."""

    path: Path
    kept: dict[str, bytes]
    left_running: str
    outcome: Outcome


@pytest.fixture(scope="module")
def resumed(loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Resumed:
    folder = tmp_path_factory.mktemp("resumed")
    (folder / "plan.toml").write_text(SMALL_PLAN.format(blocks=3))
    path = folder / "run"
    with loadlab.started("run", folder / "plan.toml", "--out", path, *ONE_CASE) as run:
        await_second_trial(run, path)
        run.popen.kill()
        run.popen.wait()
    kept = trials_in(path)
    left_running = " ".join(loadlab.commands())
    outcome = loadlab("run", "--resume", path)
    return Resumed(path=path, kept=kept, left_running=left_running, outcome=outcome)


def test_a_killed_run_is_completed_by_resume(resumed: Resumed) -> None:
    assert resumed.outcome.code == 0, resumed.outcome.stderr
    report = json.loads((resumed.path / "report.json").read_text())
    assert report["run"]["state"] == "complete"
    assert [trial["order"] for trial in report["trials"]] == [0, 1, 2]
    assert all(trial["connections"]["exact"] for trial in report["trials"])


def test_resume_measures_no_finished_trial_again(resumed: Resumed) -> None:
    assert 1 <= len(resumed.kept) < 3
    assert resumed.kept.items() <= trials_in(resumed.path).items()
    measured = [line for line in resumed.outcome.stderr.splitlines() if line.startswith("trial ")]
    assert len(measured) == 3 - len(resumed.kept)


def test_what_a_killed_lab_left_running_is_gone_after_the_next_one(resumed: Resumed, loadlab: CommandLine) -> None:
    assert "postgres" in resumed.left_running
    assert "gunicorn" in resumed.left_running
    assert loadlab.processes() == []
    assert list((loadlab.state / "labs").iterdir()) == []


def test_a_run_that_is_being_measured_is_not_resumed_by_another_lab(interrupted: Ways, here: InProcess) -> None:
    path = interrupted("SIGTERM").path
    with RunFolder.at(path).locked():  # as another lab would hold it
        intruder = here("run", "--resume", path)
    assert intruder.code == 2
    assert f"Another loadlab is working on {path}" in intruder.stderr


def test_a_hangup_that_nohup_has_told_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signals_do_what_they_did_before_once_a_command_has_ended() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with stoppable():
        assert signal.getsignal(signal.SIGTERM) is not before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


# What Python imports before anything else: Ctrl-C comes when it begins to import the module.
STOPS = """
import os, signal, sys
class Stops:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Stops())
"""
SETTINGS = "SECRET_KEY = 'x'\nINSTALLED_APPS = ['loadlab.instrumentation']\n"


@pytest.mark.process
@pytest.mark.parametrize(
    ("command", "module"),
    [
        (("loadlab", "plan"), "loadlab.system.search_path"),
        (("django", "loadlab_connections"), "loadlab.instrumentation.apps"),
        (("loadlab.load.distributed.worker",), "gevent"),
    ],
)
def test_a_stop_as_soon_as_our_own_code_runs_is_one_line(tmp_path: Path, command: Sequence[str], module: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(STOPS.format(module=module))
    (tmp_path / "shop_settings.py").write_text(SETTINGS)
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY)]),
            "DJANGO_SETTINGS_MODULE": "shop_settings",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "loadlab: Stopped by SIGINT.\n")


@pytest.mark.slow
@pytest.mark.process
def test_a_stop_in_the_first_second_shows_no_traceback_of_ours(tmp_path: Path) -> None:
    """The command that pip installs. Until its first lines have run, Python ends it: by the signal, or with 1."""
    argv = [Path(sys.executable).with_name("loadlab"), "plan", "full", "--order"]
    begun = time.monotonic()
    subprocess.run(argv, cwd=tmp_path, capture_output=True, check=True)
    took = time.monotonic() - begun
    told = 0
    for number in range(INSTANTS):
        with subprocess.Popen(
            argv, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        ) as popen:
            time.sleep(took * number / INSTANTS)
            popen.send_signal(signal.SIGINT)
            _, said = popen.communicate()
        by_python = popen.returncode in {-signal.SIGINT, 1} and "loadlab/cli" not in said
        told += said == "loadlab: Stopped by SIGINT.\n" and popen.returncode == 130
        assert by_python or (popen.returncode, said) in {(130, "loadlab: Stopped by SIGINT.\n"), (0, "")}, said
    assert told


@pytest.mark.process
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("loadlab.cli", "SIGINT"),
        ("loadlab.cli", "SIGTERM"),
        ("pydantic", "SIGINT"),
        ("numpy", "SIGTERM"),
        ("psycopg2", "SIGINT"),
        ("rich.progress", "SIGTERM"),
    ],
)
def test_a_stop_while_a_module_is_imported_is_one_line_and_no_traceback(tmp_path: Path, module: str, name: str) -> None:
    """The signal comes at the moment at which Python begins to import the module."""
    code = (
        "import os, signal, sys\n"
        "class Stops:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.{name})\n"
        "sys.meta_path.insert(0, Stops())\n"
        "from loadlab.__main__ import main\n"
        "sys.exit(main())"
    )
    (tmp_path / "plan.toml").write_text(SMALL_PLAN.format(blocks=1))
    argv = [sys.executable, "-c", code, "run", "plan.toml", "--out", "run", "--quiet"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == {"SIGINT": 130, "SIGTERM": 143}[name]
    said, *more = done.stderr.splitlines()
    assert said == f"loadlab: Stopped by {name}."
    assert more in ([], ["Nothing was measured."])
    assert done.stdout == ""
