"""`loadlab fleet`: a file or options in, an answer out; what is wrong is said at once."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import psutil
import pytest
from every import every

from loadlab.cli._fleet_file import EXAMPLE
from loadlab.cli.fleet import _asked, _slow
from loadlab.fleet.fleet_file import read_fleet
from loadlab.fleet.measured import application_of

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess, Started

FLEET = """
hosts = 3
seconds = 120
repeats = 2
[server.gthread]
workers = 2
threads = 2
[strategies.max_age]
max_age = [0, "none"]
[traffic.constant]
rate = 20
[database]
max_connections = 9
[[events.rolling_deployment]]
at_seconds = 60
[application]
connect_ms = 4
hold_ms = [5, 8, 30]
"""
FILES = {"fleet.toml", "fleet.html", "fleet.md", "fleet.json"}


@pytest.fixture
def fleet_file(tmp_path: Path) -> Path:
    path = tmp_path / "fleet.toml"
    path.write_text(FLEET)
    return path


def test_a_file_becomes_a_verdict_and_four_files(here: InProcess, fleet_file: Path, tmp_path: Path) -> None:
    done = here("fleet", fleet_file, "--out", tmp_path / "out")
    assert done.code == 0, done.stderr
    assert "3 hosts × 2 processes × 2 threads" in done.stdout
    assert f"Report: {tmp_path / 'out' / 'fleet.html'}" in done.stdout
    assert "simulated max_age=0: 1 of 2" in done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES
    assert (tmp_path / "out" / "fleet.toml").read_text() == FLEET


def test_the_same_seed_gives_the_same_json(here: InProcess, fleet_file: Path, tmp_path: Path) -> None:
    outputs = [here("fleet", fleet_file, "--json", "--out", tmp_path / name).stdout for name in ("a", "b")]
    assert outputs[0] == outputs[1] == (tmp_path / "a" / "fleet.json").read_text()
    assert json.loads(outputs[0])


def test_options_replace_keys_of_the_file(here: InProcess, fleet_file: Path, tmp_path: Path) -> None:
    changes = ("--hosts", "2", "--threads", "3", "--max-age", "0", "--max-age", "5", "--max-connections", "9")
    done = here("fleet", fleet_file, *changes, "--out", tmp_path / "out")
    assert done.code == 0, done.stderr
    fleet = read_fleet((tmp_path / "out" / "fleet.toml").read_text(), "fleet.toml")
    assert (fleet.question.hosts, fleet.question.database.max_connections) == (2, 9)
    assert fleet.server.parameters["workers"] == 2
    assert fleet.server.parameters["threads"] == 3
    assert [one.parameters["max_age"] for one in fleet.strategies] == [0, 5]


def test_options_alone_describe_a_fleet(here: InProcess, tmp_path: Path) -> None:
    done = here(
        *("fleet", "--server", "sync,workers=3", "--hours", "1", "--rate", "9", "--max-age", "none"),
        *("--strategy", "pool,max_size=2", "--strategy", "pool,max_size=4", "--run", tmp_path / "none"),
    )
    assert done.code == 2
    assert str(tmp_path / "none") in done.stderr  # the only problem


def test_a_watch_is_enough_to_answer(here: InProcess, fleet_file: Path, tmp_path: Path) -> None:
    alias = {"requests": 9, "mean_connect_seconds": 0.004, "mean_hold_seconds": 0.02}
    (tmp_path / "watch.json").write_text(json.dumps({"aliases": {"default": alias}}))
    done = here("fleet", fleet_file, "--watch", tmp_path / "watch.json", "--out", tmp_path / "out")
    assert done.code == 0, done.stderr
    said = "".join(done.stdout.split())  # a path may be longer than a line
    assert f"thewatchin{tmp_path / 'watch.json'}" in said
    assert "wasnotmeasured:allidleonesaretakentobeequallylikely" in said


def test_all_problems_of_options_and_file_are_said_at_once(here: InProcess, fleet_file: Path) -> None:
    done = here("fleet", fleet_file, "--hosts", "0", "--server", "gunicorn", "--max-age", "soon")
    assert done.code == 2
    assert done.stderr.startswith(f"loadlab: {fleet_file} has 3 problems:")
    assert all(place in done.stderr for place in ("  hosts: ", "  server.gunicorn: ", "  strategies.max_age.max_age: "))


@every(
    "words, said",
    [
        ((), "Name a file, or describe the fleet with options"),
        (("none.toml",), "The fleet none.toml cannot be read: No such file or directory"),
        (("--server", "sync,workers"), "parameters are written as name=value"),
        (("docs",), "docs is a folder. Name a run folder with --run"),
        (("--rate", "5", "--access-log", "a.log"), "not allowed with argument --rate"),
        (("--rate", "fast"), "argument --rate: invalid float value: 'fast'"),
        (("--run", "a", "--watch", "b"), "not allowed with argument --run"),
    ],
)
def test_wrong_use_is_one_clear_message(here: InProcess, words: tuple[str, ...], said: str) -> None:
    done = here("fleet", *words)
    assert done.code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@every("line, option", [("database = 5", "--max-connections"), ("[server]\ngthread = 5", "--workers")])
def test_an_option_for_what_is_no_table_is_refused(here: InProcess, fleet_file: Path, line: str, option: str) -> None:
    fleet_file.write_text(line)
    done = here("fleet", fleet_file, option, "3")
    assert done.code == 2
    assert "should be a table, not 5" in done.stderr


def test_a_folder_that_cannot_be_made_is_named(here: InProcess, fleet_file: Path) -> None:
    done = here("fleet", fleet_file, "--out", fleet_file / "below")
    assert done.code == 3
    assert "cannot be written: " in done.stderr
    assert done.stderr.rstrip().endswith("Name another folder with --out.")


# The requests of a pool are simulated one by one.
SLOW = (
    FLEET.replace('[strategies.max_age]\nmax_age = [0, "none"]', "[strategies.pool]")
    .replace("rate = 20", "rate = 3000")
    .replace("seconds = 120", "hours = 1")
    .replace("repeats = 2", "repeats = 100")
)


def test_what_takes_long_is_said_before_with_the_reason() -> None:
    slow, quick = (read_fleet(text, "fleet.toml") for text in (SLOW, FLEET))
    (said,) = _slow(_asked(slow, application_of(slow), ""))
    assert said.startswith("one request after the other, because requests share the connections of a pool: pool; ")
    assert said.endswith("about 72 minutes")
    assert list(_slow(_asked(quick, application_of(quick), ""))) == []


def test_the_example_is_a_fleet_but_for_where_it_was_measured(here: InProcess) -> None:
    done = here("fleet", "--example")
    assert done.stdout == EXAMPLE
    fleet = read_fleet(EXAMPLE, "the example")
    assert len(fleet.strategies) == 4
    assert len(fleet.scene().ends) == 10
    commented = EXAMPLE.replace('run = "', '# run = "').replace("# [application]", "[application]")
    estimated = commented.replace("# connect_ms", "connect_ms").replace("# hold_ms", "hold_ms")
    assert read_fleet(estimated, "the example").question.application is not None


def processes_of(command: Started) -> list[psutil.Process]:
    """Those that simulate."""
    children = psutil.Process(command.popen.pid).children()
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def test_ctrl_c_says_so_and_writes_nothing(loadlab: CommandLine, fleet_file: Path, tmp_path: Path) -> None:
    """The terminal sends it to every process of the command."""
    fleet_file.write_text(SLOW)
    with loadlab.started("fleet", fleet_file, "--out", tmp_path / "out") as command:
        simulating = len(os.sched_getaffinity(0)) > 1
        command.wait_until(lambda: "one request after the other" in command.stderr.read_text())
        command.wait_until(lambda: not simulating or bool(processes_of(command)))
        for process in (*processes_of(command), command.popen):
            process.send_signal(signal.SIGINT)
        done = command.outcome()
    assert done.code == 130
    assert "Traceback" not in done.stderr
    assert done.stderr.endswith(
        "loadlab: Stopped by SIGINT.\nNothing was written. Fewer hours or repeats take less time.\n"
    )
    assert not (tmp_path / "out").exists()
