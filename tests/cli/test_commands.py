"""Every command says what is wrong and ends with the code for it; none of these starts a server."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from command_line import REPOSITORY, everything_in
from psycopg2.extensions import make_dsn

import loadlab.cli
from loadlab import __version__
from loadlab.cli import COMMANDS, plan
from loadlab.errors import BUG_EXIT_CODE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from command_line import CommandLine, InProcess

PLAN = """
seed = 7
blocks = 3
warmup_seconds = 0.2
window_seconds = 0.5
control = "sync"

[servers.sync]
[strategies.max_age]
max_age = [0, "none"]
"""
CASES = [
    "sync,workers=2/max_age=0,conn_health_checks=off/read_one/users=8,keep_alive=off",
    "sync,workers=2/max_age=0,conn_health_checks=off/read_one/users=8,keep_alive=off/replica",
    "sync,workers=2/max_age=none,conn_health_checks=off/read_one/users=8,keep_alive=off",
]
RECORDED = REPOSITORY / "tests" / "recorded"
NAMES = ["sync/max_age=0", "sync/max_age=0/replica", "sync/max_age=none"]
PASSWORD = "canary-9b1e"
QUOTED = "canary o'canary-2c4d"


@pytest.fixture
def plan_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.toml"
    path.write_text(PLAN)
    return path


def test_plan_lists_the_cases_their_number_and_the_duration(loadlab: CommandLine, plan_file: Path) -> None:
    done = loadlab("plan", plan_file)
    *cases, empty, summary, power = done.stdout.splitlines()
    assert (done.code, done.stderr) == (0, "")
    assert (cases, empty) == (NAMES, "")
    assert re.fullmatch(r"3 cases × 3 blocks = 9 trials at most, about 0\.2 minutes", summary)
    assert power.startswith("3 blocks and 1 comparison cannot prove a difference: set blocks to 6 or more")


def test_plan_with_ids_spells_out_every_parameter(here: InProcess, plan_file: Path) -> None:
    assert here("plan", plan_file, "--ids").stdout.splitlines()[:3] == CASES


def test_plan_takes_a_plan_that_loadlab_brings_by_its_name(here: InProcess) -> None:
    done = here("plan", "strategies")
    assert (done.code, done.stderr) == (0, "")
    assert "pgbouncer" in done.stdout


def test_a_misspelt_plan_is_answered_with_the_names_there_are(here: InProcess) -> None:
    done = here("plan", "strategeis")
    assert done.code == 2
    assert "Did you mean strategies?" in done.stderr
    assert "calibration, distance, faults, full, holding, servers, spread, strategies" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "usage", "guess"),
    [
        (["plna"], "usage: loadlab ", "did you mean plan?"),
        (
            ["run", "--against", ""],
            "usage: loadlab run ",
            "argument --against: is empty; give a value, or leave it out",
        ),
        (["plan", ""], "usage: loadlab plan ", "argument PLAN: is empty; give a value, or leave it out"),
        (["run", "--lvie"], "usage: loadlab run ", "did you mean --live?"),
        (["report", "x", "--jsn"], "usage: loadlab report ", "did you mean --json?"),
        (["serve", "--driver", "psycpg2"], "usage: loadlab serve ", "did you mean psycopg2?"),
        (["serve", "--server", "gevnt"], "", "did you mean gevent?"),
        (["serve", "--strategy", "pol"], "", "did you mean pool?"),
        (["path", "raed_one"], "", "Did you mean read_one?"),
    ],
)
def test_a_typo_is_answered_with_the_likely_word_and_usage(
    here: InProcess, arguments: list[str], usage: str, guess: str
) -> None:
    done = here(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert usage in done.stderr
    assert guess in done.stderr


def test_path_leads_to_each_scenario_and_plan_and_the_dashboards(here: InProcess) -> None:
    names = here("path").stdout.split()
    assert {"read_one", "full", "dashboards"} <= set(names)
    for name in names:
        assert Path(here("path", name).stdout.strip()).exists()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(here: InProcess, shell: str) -> None:
    script = here("completion", shell).stdout
    assert "behaviour" in script
    assert "require-verdict" in script


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "completed"),
    [(["re"], ["report"]), (["run", "--li"], ["--live"]), (["serve", "--driver", ""], ["psycopg2", "psycopg"])],
)
def test_bash_completes_commands_options_and_choices(
    here: InProcess, tmp_path: Path, words: list[str], completed: list[str]
) -> None:
    (tmp_path / "loadlab.bash").write_text(here("completion", "bash").stdout)
    typed = " ".join(f"'{word}'" for word in ["loadlab", *words])
    code = f"source loadlab.bash; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _shtab_loadlab; echo ${{COMPREPLY[@]}}"
    done = subprocess.run(["bash", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.split() == completed


def test_plan_with_order_lists_every_trial_in_the_order_of_the_run(here: InProcess, plan_file: Path) -> None:
    lines = here("plan", plan_file, "--order").stdout.splitlines()
    trials = [line for line in lines if line.startswith("block ")]
    assert [line.split()[1] for line in trials] == ["0"] * 3 + ["1"] * 3 + ["2"] * 3  # as in reports
    assert sorted(line.split()[2] for line in trials) == sorted(NAMES * 3)
    assert lines == here("plan", plan_file, "--order").stdout.splitlines()


def test_plan_as_json_says_the_same_to_programs(here: InProcess, plan_file: Path) -> None:
    done = here("plan", plan_file, "--json")
    described = json.loads(done.stdout)
    assert done.code == 0
    assert (described["cases"], described["blocks"], described["trials"]) == (CASES, 3, 9)
    assert described["names"] == dict(zip(CASES, NAMES, strict=True))
    assert described["expected_seconds"] == pytest.approx(9 * (0.2 + 0.5 + 0.5))
    order = [(step["block"], step["case"]) for step in described["order"]]
    assert [block for block, _ in order] == [0] * 3 + [1] * 3 + [2] * 3
    assert sorted(case for _, case in order) == sorted(CASES * 3)


def test_plan_narrowed_by_only_counts_what_is_left(here: InProcess, plan_file: Path) -> None:
    done = here("plan", plan_file, "--only", "*/replica", "--only", "*max_age=none*")
    assert done.stdout.splitlines()[:2] == NAMES[1:]
    assert "2 cases × 3 blocks = 6 trials" in done.stdout


def test_plan_without_a_file_is_the_default_plan(here: InProcess) -> None:
    done = here("plan")
    assert done.code == 0
    assert "10 cases × 12 blocks = 120 trials" in done.stdout
    assert "12 blocks and 6 comparisons detect ≥ 1.06× where trials vary by 3 %, ≥ 1.09× where" in done.stdout


def test_plan_starts_no_process_at_all(loadlab: CommandLine, plan_file: Path) -> None:
    loadlab("plan", plan_file)
    assert loadlab.processes() == []
    assert not (loadlab.state / "labs").exists() or list((loadlab.state / "labs").iterdir()) == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_a_bad_plan_is_refused_with_all_its_faults(here: InProcess, tmp_path: Path, command: str) -> None:
    (tmp_path / "bad.toml").write_text(
        PLAN.replace("blocks = 3", "blocks = 0\nwindo_seconds = 1").replace('"none"', '"abc"')
    )
    done = here(command, tmp_path / "bad.toml")
    assert (done.code, done.stdout) == (2, "")
    assert "bad.toml has 3 problems:" in done.stderr
    for fault in ("blocks: should be", "windo_seconds: unknown key", "strategies.max_age.max_age: should be"):
        assert fault in done.stderr
    assert "Traceback" not in done.stderr


def _missing(folder: Path) -> Path:
    return folder / "nowhere.toml"


def _folder(folder: Path) -> Path:
    return folder


def _no_utf8(folder: Path) -> Path:
    path = folder / "latin.toml"
    path.write_bytes("# café\n".encode("latin-1"))
    return path


def _no_toml(folder: Path) -> Path:
    path = folder / "no.toml"
    path.write_text("blocks = ")
    return path


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (_missing, "cannot be read: No such file"),
        (_folder, "cannot be read: Is a directory"),
        (_no_utf8, "is not UTF-8 text (byte 5)"),
        (_no_toml, "is not valid TOML"),
    ],
)
def test_a_plan_that_cannot_be_read_is_named(
    here: InProcess, tmp_path: Path, made: Callable[[Path], Path], words: str
) -> None:
    path = made(tmp_path)
    done = here("plan", path)
    assert (done.code, done.stdout) == (2, "")
    assert str(path) in done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["nonesuch"], "invalid choice: 'nonesuch'"),
        (["plan", "--nonesuch"], "unrecognized arguments: --nonesuch"),
        (["plan", "--js"], "unrecognized arguments: --js"),
        (["report"], "the following arguments are required: DIR"),
        (["report", "."], "holds no run"),
        (["report", "nowhere"], "holds no run"),
        (["run", "--resume", "."], "holds no run"),
        (["run", "--only", "nothing*"], "No case matches nothing*"),
        (["serve", "--server", "nonesuch"], "nonesuch: unknown server mode (one of asgi, "),
        (["serve", "--server", "gthread,threads"], "parameters are written as name=value"),
        (["serve", "--server", "gthread,threads=none"], "threads: should be a valid integer"),
        (["serve", "--server", "sync,threads=4"], "threads: unknown key"),
        (["serve", "--max-connections", "0"], "--max-connections must be from 10 to 10000, not 0"),
        (["serve", "--max-age", "abc"], "seconds, a number of 0 or more"),
        (["serve", "--max-age", "-1"], "seconds, a number of 0 or more"),
        (["serve", "--max-age=-1"], "seconds, a number of 0 or more"),
        (["serve", "--max-age", "nan"], "seconds, a number of 0 or more"),
        (["serve", "--max-age", "true"], "seconds, a number of 0 or more"),
        (["serve", "--port", "abc"], "should be a number from 0 to 65535"),
        (["serve", "--port", "65536"], "should be a number from 0 to 65535"),
        (["serve", "--driver", "nonesuch"], "invalid choice: 'nonesuch'"),
    ],
)
def test_what_cannot_be_asked_for_is_a_usage_error(here: InProcess, arguments: list[str], words: str) -> None:
    done = here(*arguments)
    assert (done.code, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_usage_error_is_the_exit_code_of_the_process_too(loadlab: CommandLine) -> None:
    done = loadlab("serve", "--max-age", "abc")
    assert (done.code, done.stdout) == (2, "")
    assert "seconds, a number of 0 or more" in done.stderr


def test_resume_takes_no_other_plan(here: InProcess, plan_file: Path, tmp_path: Path) -> None:
    done = here("run", plan_file, "--resume", tmp_path)
    assert done.code == 2
    assert "Remove PLAN, --out, --only" in done.stderr


def test_a_run_goes_into_no_folder_that_holds_something(here: InProcess, plan_file: Path) -> None:
    done = here("run", plan_file, "--out", plan_file.parent)
    assert done.code == 2
    assert (
        f"{plan_file.parent} is not empty. Name another folder with --out, or continue a run with --resume"
        in done.stderr
    )
    assert [path.name for path in plan_file.parent.iterdir()] == ["my.toml"]


def test_a_run_folder_whose_plan_is_gone_is_said_to_lack_it(here: InProcess, tmp_path: Path) -> None:
    run = shutil.copytree(RECORDED / "schema-1", tmp_path / "run")
    (run / "plan.toml").unlink()
    done = here("run", "--resume", run)
    assert done.code == 2
    assert "plan.toml cannot be read: it is missing" in done.stderr


@pytest.mark.parametrize(
    ("age", "fault"),
    [
        ('"abc"', 'should be a valid number, not "abc"'),
        ('""', 'should be a valid number, not ""'),
        ("-1", "should be greater than or equal to 0, not -1"),
        ("true", "should be a valid number, not true"),
        ("nan", "should be a finite number, not NaN"),
    ],
)
def test_an_impossible_age_is_a_usage_error_that_says_what_is_right(
    here: InProcess, plan_file: Path, age: str, fault: str
) -> None:
    """In a plan, for every command that takes one, and as an option; nothing starts."""
    right = '(seconds, a number of 0 or more; or "none" for unlimited)'
    plan_file.write_text(PLAN.replace('[0, "none"]', age))
    for words in (("plan", plan_file), ("run", plan_file, "--out", plan_file.parent / "run")):
        done = here(*words)
        assert done.code == 2
        assert f"strategies.max_age.max_age: {fault} {right}" in done.stderr
    assert not (plan_file.parent / "run").exists()
    option = age.strip('"')
    done = here("serve", f"--max-age={option}", "--port", 0)
    assert done.code == 2
    assert (f"{fault} {right}" if option else "argument --max-age: is empty") in done.stderr


@pytest.mark.parametrize("command", ["run", "serve"])
def test_a_dsn_on_the_command_line_is_refused(here: InProcess, tmp_path: Path, command: str) -> None:
    where = ["--out", tmp_path / "run"] if command == "run" else ["--port", 0]
    done = here(command, *where, "--dsn", f"postgresql://me:{PASSWORD}@127.0.0.1/shop")
    assert done.code == 2
    assert "--dsn env:NAME" in done.stderr
    assert PASSWORD not in done.stdout + done.stderr + everything_in(tmp_path)


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://me:{PASSWORD}@127.0.0.1:1/shop",
        make_dsn(host="127.0.0.1", port=1, user="me", password=QUOTED, dbname="shop"),
    ],
)
def test_an_unreachable_database_exits_with_3_without_its_password(
    loadlab: CommandLine, plan_file: Path, tmp_path: Path, dsn: str
) -> None:
    done = loadlab("run", plan_file, "--out", tmp_path / "run", "--dsn", "env:MY_DSN", MY_DSN=dsn)
    assert done.code == 3
    assert "PostgreSQL refused the connection to the database 'shop'" in done.stderr
    assert "Connection refused" in done.stderr
    said = done.stdout + done.stderr + everything_in(tmp_path / "run")
    assert [part for part in (PASSWORD, "canary o", "canary-2c4d") if part in said] == []


def test_a_variable_that_is_not_set_is_named(here: InProcess, plan_file: Path, tmp_path: Path) -> None:
    done = here("run", plan_file, "--out", tmp_path / "run", "--dsn", "env:NO_SUCH_DSN")
    assert done.code == 2
    assert "NO_SUCH_DSN is not set" in done.stderr


def test_a_taken_port_is_an_environment_fault_that_names_the_holder(loadlab: CommandLine) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = loadlab("serve", "--port", port)
    assert (done.code, done.stdout) == (3, "")
    assert f"Port {port} cannot be used: Address already in use, held by " in done.stderr
    assert f"(pid {os.getpid()})" in done.stderr


def test_version_is_the_packages_own(loadlab: CommandLine) -> None:
    done = loadlab("--version")
    assert (done.code, done.stdout) == (0, f"loadlab {__version__}\n")


def test_help_lists_every_command_with_its_first_sentence(here: InProcess) -> None:
    done = here("--help")
    assert done.code == 0
    text = " ".join(done.stdout.split())
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        assert f"{name} {(command.__doc__ or '').splitlines()[0]}" in text


def test_a_terminal_that_lacks_a_sign_still_gets_the_text(loadlab: CommandLine, plan_file: Path) -> None:
    done = loadlab("plan", plan_file, PYTHONIOENCODING="ascii")
    assert (done.code, done.stderr) == (0, "")
    assert "3 cases ? 3 blocks = 9 trials" in done.stdout


@pytest.mark.process
@pytest.mark.parametrize("arguments", [["plan"], ["plan", "--json"]], ids=["little text", "much text"])
def test_a_closed_pipe_is_not_reported_as_a_bug(arguments: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": ""}
    with open(writer, "wb") as pipe:  # noqa: PTH123  a descriptor has no path
        argv = [sys.executable, "-m", "loadlab", *arguments]
        done = subprocess.run(argv, stdout=pipe, stderr=subprocess.PIPE, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_an_unexpected_exception_is_a_bug_with_a_report_to_paste(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: argparse.Namespace) -> int:
        raise ZeroDivisionError("seven by nothing")

    monkeypatch.setattr(plan, "execute", broken)
    assert loadlab.cli.main(["plan"]) == BUG_EXIT_CODE == 70
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("This is a bug in loadlab. Please report it with the following lines.")
    assert f"loadlab {__version__}, Python {sys.version.split()[0]}, " in said.err
    assert 'raise ZeroDivisionError("seven by nothing")' in said.err
    assert said.err.rstrip().endswith("ZeroDivisionError: seven by nothing")
