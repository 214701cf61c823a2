"""A command whose file is refused ends with 3 and a sentence that names the file, and keeps what was there."""

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

RECORDED: Final = REPOSITORY / "benchmarks" / "recorded"
RUN: Final = """
import loadlab.analysis, loadlab.fleet.measured, loadlab.report.comparison
from loadlab.cli import main as run
"""
FLEET: Final = """
hosts = 1
hours = 0.01
[server.gthread]
workers = 1
threads = 2
[strategies.max_age]
max_age = [0]
[traffic.constant]
rate = 1
[database]
max_connections = 50
[application]
connect_ms = 4
hold_ms = [5]
"""
SETTINGS: Final = "SECRET_KEY = 'x'\nROOT_URLCONF = 'shop_settings'\nurlpatterns = []\n"
# Each without the file or folder that it writes, and how it ends where that can be written.
COMMANDS: Final = {
    ("fleet", "fleet.toml", "--out"): 0,
    ("compare", "run", "run", "--gate", "leaks == 0", "--junit"): 10,
}
OTHERS: Final = {
    ("behaviour", "--from", str(RECORDED / "behaviour.json"), "--json"): 0,
    ("fleet", "--record", str(RECORDED / "fleet-validation.json"), "--markdown"): 10,
    ("behaviour", "--from", str(RECORDED / "behaviour.json"), "--markdown"): 0,
    ("behaviour", "--from", str(RECORDED / "behaviour.json"), "--which-setting"): 0,
    ("compare", "run", "run", "--gate", "leaks == 0", "--summary"): 10,
    ("compare", "run", "run", "--gate", "leaks == 0", "--code-quality"): 10,
    ("report", "run", "--gate", "leaks == 0", "--junit"): 10,
    ("report", "run", "--gate", "leaks == 0", "--summary"): 10,
    ("report", "run", "--gate", "leaks == 0", "--code-quality"): 10,
    ("init", "--project", "shop", "--settings", "shop_settings", "--out"): 0,
}
# How a standard stream or the disk refuses, and where the file is to be; {n} is another number for each command.
REFUSALS: Final = {
    "nothing": ("as_usual", "not/there/{n}"),
    "below a file": ("as_usual", "file/{n}"),
    "closed folder": ("as_usual", "/sys/loadlab/{n}"),  # the kernel's own folder takes none, not even root's
    "name of a folder": ("as_usual", "taken-{n}"),
    "full disk": ("disk_full", "kept-{n}"),
    "no reader": ("to_nobody", "unread-{n}"),
    "full output": ("to_full_disk", "lost-{n}"),
}
FULL: Final = " cannot be written: the disk is full. Make room, and run again."
Ends = dict[tuple[str, tuple[str, ...]], "Outcome"]


@pytest.fixture(scope="module", params=[COMMANDS, pytest.param(OTHERS, marks=pytest.mark.slow)])
def commands(request: pytest.FixtureRequest) -> dict[tuple[str, ...], int]:
    found: dict[tuple[str, ...], int] = request.param
    return found


@pytest.fixture(scope="module")
def folder(commands: dict[tuple[str, ...], int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("refused")
    shutil.copytree(REPOSITORY / "tests" / "recorded" / "schema-1", made / "run")
    (made / "fleet.toml").write_text(FLEET)
    (made / "shop").mkdir()
    (made / "shop" / "shop_settings.py").write_text(SETTINGS)
    (made / "file").write_text("in the way")
    for number, argv in enumerate(commands):
        (made / f"taken-{number}").mkdir()
        if argv[-1] != "--out":
            (made / f"kept-{number}").write_text("kept")
    return made


@pytest.fixture(scope="module")
def ends(commands: dict[tuple[str, ...], int], folder: Path) -> Ends:
    """How each command ends under each refusal."""
    each = [(refusal, argv) for refusal in REFUSALS for argv in commands]
    rows = [(REFUSALS[refusal], argv, list(commands).index(argv)) for refusal, argv in each]
    outcomes = endings(RUN, [(way, 1, [*argv, at.format(n=number)]) for (way, at), argv, number in rows], folder)
    return dict(zip(each, outcomes, strict=True))


def assert_refused(ends: Ends, refusal: str, *words: str, but: tuple[str, ...] = ()) -> None:
    refused = {argv: outcome for (name, argv), outcome in ends.items() if name == refusal and argv[-1] not in but}
    assert refused
    for argv, outcome in refused.items():
        said = outcome.stderr.splitlines()[-1]
        assert (outcome.code, said.startswith("loadlab: "), "Traceback" in outcome.stderr) == (3, True, False), argv
        assert all(word in said for word in words), said


def test_a_file_in_a_folder_that_is_not_there_is_written(ends: Ends, commands: dict[tuple[str, ...], int]) -> None:
    assert {argv: ends["nothing", argv].code for argv in commands} == commands


def test_a_file_below_another_file_is_refused(ends: Ends) -> None:
    assert_refused(ends, "below a file", "file/", " is not a folder. Name a")


def test_a_file_in_a_folder_that_takes_none_is_refused(ends: Ends) -> None:
    assert_refused(ends, "closed folder", "/sys/loadlab/", " cannot be written: ", "Name a")


def test_a_file_whose_name_a_folder_has_is_refused(ends: Ends) -> None:
    assert_refused(ends, "name of a folder", "taken-", " cannot be written: Is a directory. Name a", but=("--out",))


def test_a_full_disk_is_told_and_keeps_what_was_there(
    ends: Ends, commands: dict[tuple[str, ...], int], folder: Path
) -> None:
    """Not where a file is short, or what is started first needs room too."""
    started_first = ["--out"] if ("init",) in {argv[:1] for argv in commands} else []
    assert_refused(ends, "full disk", but=("--summary", "--code-quality", *started_first))
    kept = [number for number, argv in enumerate(commands) if argv[-1] not in {"--out", "--summary", "--code-quality"}]
    assert [(folder / f"kept-{number}").read_text() for number in kept] == ["kept"] * len(kept)
    assert list(folder.glob(".*")) == []


def test_a_reader_that_has_gone_changes_no_code_of_these(ends: Ends, commands: dict[tuple[str, ...], int]) -> None:
    assert {argv: ends["no reader", argv].code for argv in commands} == commands


def test_a_full_disk_below_the_output_of_these_ends_with_3(ends: Ends) -> None:
    assert_refused(ends, "full output", "loadlab: Standard output", FULL)
