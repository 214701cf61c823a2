"""Plans and programs in the documentation are tried as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.errors import UsageError
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parent.parent
# What a fragment of a plan leaves to the rest of it.
REST: Final = {"servers": "[servers.sync]\n", "strategies": "[strategies.max_age]\n"}


def blocks(language: str, *pages: Path) -> Iterator[tuple[str, str]]:
    """(where, text) of each block of code in that language."""
    for page in pages:
        for found in re.finditer(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            line = page.read_text()[: found.start()].count("\n") + 1
            yield f"{page.name}:{line}", found[1]


PLANS: Final = dict(blocks("toml", ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))))


def completed(text: str, home: Path) -> str:
    """A plan of the text: what is missing in a fragment is added, and the reader's own files are there."""
    said = tomllib.loads(text)
    if "target" not in said:
        text += "".join(rest for key, rest in REST.items() if key not in said)
    for name in re.findall(r'"/home/me/([\w/.-]+)"', text):
        if name.endswith(".py"):
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).touch()
    return text.replace("/home/me", str(home))


def test_there_are_plans_in_the_documentation() -> None:
    assert len(PLANS) >= 5


@pytest.mark.parametrize("where", PLANS)
def test_every_plan_in_the_documentation_holds_together(where: str, tmp_path: Path) -> None:
    assert read_plan(completed(PLANS[where], tmp_path), where).cases


def test_a_plan_with_a_fault_in_the_documentation_would_be_seen(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown key"):
        read_plan(completed("usres = [8]\n", tmp_path), "page")


GRANIAN: Final = """
[servers.granian]
threads = [2, 4]
[strategies]
max_age = {}
close_at_handler_end = {}
worker_exit_hook = {}
pgbouncer = {}
"""
# Where a reader of CONTRIBUTING would save each example, and what they would try next.
EXAMPLES: Final = {
    "Add a server mode": ("loadlab/servers/granian.py", GRANIAN),
    "Add a strategy": ("loadlab/strategies/checked_minute.py", "[servers.sync]\n[strategies.checked_minute]\n"),
    "Add a scenario": ("locustfiles/list_ten.py", 'scenarios = ["list_ten"]\n' + "".join(REST.values())),
    "Add a probe": ("loadlab/probes/locks.py", "from loadlab.probes import PROBES; PROBES['locks']()"),
    "Add a dashboard": (
        "dashboards/source/boards/waits.py",
        "from dashboards.source.boards.waits import *; from dashboards.source.grafana import to_json; to_json(BOARD)",
    ),
    "Add a claim": ("loadlab/claims/no_time_out.py", "from loadlab.claims import CLAIMS; CLAIMS['no_time_out']()"),
}


def examples() -> dict[str, str]:
    """The programs in CONTRIBUTING, by the headings that they stand under."""
    found: dict[str, str] = {}
    for section in re.split(r"^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]:
        for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
            found[section.partition("\n")[0]] = code
    return found


@pytest.fixture(name="fork", scope="module")
def fork_with_every_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository to which a reader has added every example of CONTRIBUTING."""
    folder = tmp_path_factory.mktemp("fork")
    for name in ("loadlab", "locustfiles", "plans", "dashboards"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for heading, code in examples().items():
        (folder / EXAMPLES[heading][0]).write_text(code)
    return folder


def in_fork(fork: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=fork,
        env={**os.environ, "PYTHONPATH": str(fork)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_program_in_contributing_is_tried_here() -> None:
    assert examples().keys() == EXAMPLES.keys()


@pytest.mark.process
@pytest.mark.parametrize("heading", EXAMPLES)
def test_an_example_of_contributing_works_once_it_is_saved(heading: str, fork: Path, tmp_path: Path) -> None:
    _, use = EXAMPLES[heading]
    if use.startswith("from "):
        done = in_fork(fork, "-c", use)
        assert done.returncode == 0, done.stderr
        return
    (tmp_path / "plan.toml").write_text(use)
    done = in_fork(fork, "-m", "loadlab", "plan", str(tmp_path / "plan.toml"))
    assert done.returncode == 0, done.stderr
    assert (
        Path(EXAMPLES[heading][0]).stem
        in in_fork(fork, "-m", "loadlab", "plan", "--ids", str(tmp_path / "plan.toml")).stdout
    )


@pytest.mark.slow
def test_the_named_case_of_contributing_is_tried_and_holds(fork: Path) -> None:
    done = in_fork(fork, "-m", "loadlab", "behaviour", "--claims", "--only", "claim/no_time_out")
    assert done.returncode == 0, done.stderr
    assert "left open" in done.stdout
