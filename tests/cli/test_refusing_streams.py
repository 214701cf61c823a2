"""A command ends with its own exit code and without a traceback, when a standard stream refuses."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY
from refusing import endings

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import Outcome

pytestmark = pytest.mark.process

RUN: Final = "from loadlab.cli import main as run"
RECORDED: Final = REPOSITORY / "tests" / "recorded" / "schema-1"
# By the exit codes that they have where all can be written; two say more than fits into a buffer.
COMMANDS: Final = {
    ("--help",): 0,
    ("path",): 0,
    ("plan", "full", "--order"): 0,
    ("completion", "bash"): 0,
    ("report", "run", "--gate", "failed == 1"): 10,
    ("connections",): 2,
    ("nonsense",): 2,
}
USAGE: Final = 2
OUTPUT: Final = 1
ERRORS: Final = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("refused")
    shutil.copytree(RECORDED, made / "run")
    return made


def ends(folder: Path, way: str, stream: int) -> list[Outcome]:
    return endings(RUN, [(way, stream, argv) for argv in COMMANDS], folder)


def test_a_full_disk_below_the_output_is_told_and_ends_with_3(folder: Path) -> None:
    for (argv, code), outcome in zip(COMMANDS.items(), ends(folder, "to_full_disk", OUTPUT), strict=True):
        told = code != USAGE  # what is wrong with the arguments is not said on standard output
        assert outcome.code == (3 if told else USAGE), argv
        assert "Traceback" not in outcome.stderr, argv
        assert outcome.stderr.startswith("loadlab: Standard output") is told, argv
        assert outcome.stderr.endswith(" cannot be written: the disk is full. Make room, and run again.\n") is told, (
            argv
        )


def test_a_reader_that_has_gone_changes_no_exit_code(folder: Path) -> None:
    outcomes = ends(folder, "to_nobody", OUTPUT)
    assert [outcome.code for outcome in outcomes] == list(COMMANDS.values())
    assert [
        outcome.stderr for outcome in outcomes if "rror: [" in outcome.stderr or "Traceback" in outcome.stderr
    ] == []


def test_a_run_whose_progress_has_no_reader_is_incomplete(folder: Path) -> None:
    (outcome,) = endings(RUN, [("to_nobody", ERRORS, ("run", "--out", "measured"))], folder)
    assert (outcome.code, outcome.stdout) == (12, "")
    assert not (folder / "measured").exists()


@pytest.mark.parametrize(("way", "stream"), [("closed", OUTPUT), ("closed", ERRORS), ("to_full_disk", ERRORS)])
def test_a_closed_stream_or_a_full_log_changes_no_exit_code(folder: Path, way: str, stream: int) -> None:
    outcomes = ends(folder, way, stream)
    assert [outcome.code for outcome in outcomes] == list(COMMANDS.values())
    assert [outcome.stderr for outcome in outcomes if "Traceback" in outcome.stderr] == []
