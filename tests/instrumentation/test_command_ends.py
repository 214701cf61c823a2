"""The management commands end as `loadlab` does: with its exit codes, and without a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY
from refusing import endings

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Outcome

pytestmark = pytest.mark.process

SETTINGS: Final = """
SECRET_KEY = "x"
INSTALLED_APPS = ["loadlab.instrumentation"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""
RUN: Final = """
import django
django.setup()
def run(argv):
    from django.core.management import execute_from_command_line
    execute_from_command_line(["manage.py", *argv])
    return 0
"""
# By the exit codes that they have where all can be written.
COMMANDS: Final = {
    ("loadlab_connections",): 0,
    ("loadlab_connections", "--help"): 0,
    ("loadlab_connections", "--every", "0"): 2,
    ("loadlab_metrics", "--address", "0.0.0.0"): 2,  # noqa: S104  refused
    ("loadlab_metrics", "--port", "70000"): 3,
}
ENDLESS: Final = (("loadlab_connections", "--watch"), ("loadlab_metrics", "--port", "0"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop_settings.py").write_text(SETTINGS)
    return tmp_path


def environment(project: Path) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "shop_settings", "LOADLAB_LEDGER_DIR": str(project / "ledgers")}


def ends(project: Path, way: str, stream: int, commands: tuple[tuple[str, ...], ...]) -> list[Outcome]:
    return endings(RUN, [(way, stream, argv) for argv in commands], project, **environment(project))


def test_a_full_disk_below_a_listing_is_told_and_ends_with_3(project: Path) -> None:
    commands = (*COMMANDS, *ENDLESS)
    for argv, outcome in zip(commands, ends(project, "to_full_disk", 1, commands), strict=True):
        assert outcome.code == (COMMANDS.get(argv) or 3), argv
        assert len(outcome.stderr.splitlines()) == 1, outcome.stderr


def test_a_listing_whose_reader_has_gone_ends_well(project: Path) -> None:
    commands = (*COMMANDS, *ENDLESS)
    outcomes = ends(project, "to_nobody", 1, commands)
    assert [outcome.code for outcome in outcomes] == [*COMMANDS.values(), 0, 0]
    assert [outcome.stderr for outcome in outcomes if outcome.code == 0] == [""] * 4


@pytest.mark.parametrize("stream", [0, 1])
def test_a_listing_needs_no_open_stream(project: Path, stream: int) -> None:
    outcomes = ends(project, "closed", stream, tuple(COMMANDS))
    assert [outcome.code for outcome in outcomes] == list(COMMANDS.values())
    assert all("Traceback" not in outcome.stderr for outcome in outcomes)


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_listing_that_is_stopped_says_so_in_one_line(project: Path, name: str, code: int) -> None:
    """The signal comes at the moment at which the command begins to list."""
    program = (
        "import os, signal, sys\n"
        "class Stops:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'loadlab.listing.documents': os.kill(os.getpid(), signal.{name})\n"
        "sys.meta_path.insert(0, Stops())\n"
        "from django.core.management import execute_from_command_line\n"
        "execute_from_command_line(['manage.py', 'loadlab_connections'])"
    )
    path = os.pathsep.join([str(project), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env={**os.environ, "PYTHONPATH": path, **environment(project)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, f"loadlab: Stopped by {name}.\n")
