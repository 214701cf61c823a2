"""The jobs of the manual are valid, and their very commands pass and fail as the manual says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from loadlab.cli import parser
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from command_line import CommandLine

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "how-to" / "ci-gates.md"
PLAN: Final = """
blocks = 1
warmup_seconds = 0.1
window_seconds = 0.5
users = [2]
[servers.sync]
workers = 1
[strategies.max_age]
max_age = [0, 60]
[gates]
"""
PASSING: Final = PLAN + '"*" = ["failed == 0", "refused == 0", "open <= 20"]\n'
# Nothing is reused without an age, so that this fails on any machine.
FAILING: Final = PLAN + '"*" = ["failed == 0"]\n"*max_age=0*" = ["reuse >= 90 %"]\n'
# A 99th percentile needs some hundred requests, and a tenth of a second has few.
SHORT: Final = PLAN.replace("blocks = 1", "blocks = 5").replace("window_seconds = 0.5", "window_seconds = 0.1")
UNDECIDED: Final = SHORT + '"*max_age=60*" = ["p99 < 1 s"]\n'


def jobs() -> tuple[dict[str, Any], dict[str, Any]]:
    """GitHub's and GitLab's, as the page has them."""
    found = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    github, gitlab = map(yaml.safe_load, found)
    return github, gitlab


def commands_of_github() -> list[str]:
    """What its steps run, but for the installation."""
    steps = jobs()[0]["jobs"]["gates"]["steps"]
    return [step["run"] for step in steps if "run" in step and step["name"] != "Install"]


def commands_of_gitlab() -> list[str]:
    script: list[str] = jobs()[1]["connections"]["script"]
    return script


def test_the_jobs_are_yaml_with_commands_that_loadlab_knows() -> None:
    github, gitlab = jobs()
    assert github[True] == ["pull_request"]  # the key "on", as YAML 1.1 reads it
    assert gitlab["connections"]["allow_failure"] == {"exit_codes": 11}
    scripts = [*commands_of_github(), *commands_of_gitlab()]
    lines = [line for script in scripts for line in script.replace("\\\n", " ").splitlines()]
    known = [line.partition("||")[0].split()[1:] for line in lines if line.startswith("loadlab ")]
    assert len(known) == 2
    for words in known:
        parser().parse_args([word.strip('"') for word in words])  # exits where it is not valid


def test_every_file_of_a_job_is_one_that_its_command_writes() -> None:
    github, gitlab = jobs()
    kept = github["jobs"]["gates"]["steps"][-1]["with"]["path"].split()
    assert all(name in "".join(commands_of_github()) for name in kept)
    reports = gitlab["connections"]["artifacts"]
    assert all(name in "".join(commands_of_gitlab()) for name in [*reports["paths"], *reports["reports"].values()])


class Runner:
    """A folder with a plan, in which the commands of a job run as its runner runs them."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder, self.state = folder, state
        programs = folder / "bin"
        programs.mkdir()
        program = programs / "loadlab"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m loadlab "$@"\n')
        program.chmod(0o755)

    def __call__(self, plan: str, shell: Sequence[str], script: str) -> subprocess.CompletedProcess[str]:
        (self.folder / "loadlab.toml").write_text(plan)
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            STATE_VARIABLE: str(self.state),
        }
        (self.folder / "script.sh").write_text(script)
        return subprocess.run(
            [*shell, "script.sh"], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )


GITHUB: Final = ("bash", "-e")
GITLAB: Final = ("bash", "-eo", "pipefail")


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "code"), [(PASSING, 0), (FAILING, 10)])
def test_the_commands_for_github_end_as_the_gates_say(
    tmp_path: Path, loadlab: CommandLine, plan: str, code: int
) -> None:
    (script,) = commands_of_github()
    done = Runner(tmp_path, loadlab.state)(plan, GITHUB, script)
    assert done.returncode == code, done.stderr
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    annotated = "::error title=*max_age=0*%3A reuse >= 90 %25 on " in done.stdout
    assert ("❌" in summary, annotated) == (code == 10, code == 10)
    assert (tmp_path / "measured" / "report.html").is_file()
    assert f'failures="{1 if code else 0}"' in (tmp_path / "gates.xml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("plan", "code"), [(PASSING, 0), (FAILING, 10)])
def test_the_commands_for_gitlab_end_as_the_gates_say(
    tmp_path: Path, loadlab: CommandLine, plan: str, code: int
) -> None:
    done = Runner(tmp_path, loadlab.state)(plan, GITLAB, "\n".join(commands_of_gitlab()))
    assert done.returncode == code, done.stderr
    assert ((tmp_path / "gates.json").read_text(encoding="utf-8") == "[]\n") == (code == 0)


@pytest.mark.slow
def test_an_undecided_gate_is_a_warning_in_both(tmp_path: Path, loadlab: CommandLine) -> None:
    (script,) = commands_of_github()
    runner = Runner(tmp_path, loadlab.state)
    github = runner(UNDECIDED, GITHUB, script)
    assert github.returncode == 0, github.stderr
    assert "::warning title=*max_age=60*%3A p99 < 1 s on " in github.stdout
    (tmp_path / "measured").rename(tmp_path / "before")
    gitlab = runner(UNDECIDED, GITLAB, "\n".join(commands_of_gitlab()))
    assert gitlab.returncode == 11, gitlab.stderr
