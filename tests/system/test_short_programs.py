"""Short programs: nothing of one goes on, however its caller ends."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY
from patience import PATIENCE_SECONDS, await_that

from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

# Its child holds the pipes too, and would keep a reader waiting.
WITH_CHILD: Final = """
import os, sys, time
if os.fork():
    open(sys.argv[1], "w").write(str(os.getpid()))
    os.rename(sys.argv[1], sys.argv[2])
time.sleep(600)
"""
# Each keeps what it starts in a process group that ends as a whole.
STARTERS: Final = {
    "loadlab/system/processes.py",
    "loadlab/system/short_programs.py",
    "loadlab/load/distributed/worker.py",
    "loadlab/settings_override/behind_nginx.py",
}


def group_is_gone(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    return False


def with_child(folder: Path, limit: float | None = None) -> None:
    argv = [sys.executable, "-c", WITH_CHILD, str(folder / "draft"), str(folder / "pid")]
    run_program(argv, environment=os.environ, limit=limit)


def test_a_program_reads_what_it_is_told_and_its_words_are_kept() -> None:
    told = "import sys; print(input()); print(2, file=sys.stderr); sys.exit(3)"
    done = run_program([sys.executable, "-c", told], environment=os.environ, said="1\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "1\n", "2\n")


def test_a_program_that_is_told_nothing_finds_its_input_at_its_end() -> None:
    done = run_program([sys.executable, "-c", "import sys; print(repr(sys.stdin.read()))"], environment=os.environ)
    assert done.stdout == "''\n"


def test_words_that_are_not_in_the_locales_encoding_are_kept() -> None:
    done = run_program([sys.executable, "-c", r"import os; os.write(1, b'\xff')"], environment=os.environ)
    assert os.fsencode(done.stdout) == b"\xff"


def test_a_signal_while_a_short_program_is_born_leaves_nothing(interrupted_births: list[int]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_program(["/bin/sleep", "600"], environment={})
    (leader,) = interrupted_births
    await_that(lambda: group_is_gone(leader))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_signal_while_a_short_program_runs_ends_all_of_its_group(tmp_path: Path) -> None:
    def interrupts() -> None:
        await_that((tmp_path / "pid").exists)
        os.kill(os.getpid(), signal.SIGINT)

    interrupting = threading.Thread(target=interrupts)
    interrupting.start()
    with pytest.raises(KeyboardInterrupt):
        with_child(tmp_path)
    interrupting.join(PATIENCE_SECONDS)
    leader = int((tmp_path / "pid").read_text())
    await_that(lambda: group_is_gone(leader))


def test_a_program_that_takes_too_long_ends_with_all_of_its_group(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        with_child(tmp_path, limit=2.0)
    if (tmp_path / "pid").exists():  # not where the machine was too busy to start it
        leader = int((tmp_path / "pid").read_text())
        await_that(lambda: group_is_gone(leader))


def test_no_other_module_starts_programs() -> None:
    found = {
        str(path.relative_to(REPOSITORY))
        for path in (REPOSITORY / "loadlab").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in {"Popen", "run", "check_output", "check_call", "call"}
        if isinstance(node.value, ast.Name) and node.value.id == "subprocess" and is_called(path, node)
    }
    assert found == STARTERS


def is_called(path: Path, name: ast.Attribute) -> bool:
    """Not where it is named as a type."""
    calls = (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.Call))
    return any((node.func.lineno, node.func.col_offset) == (name.lineno, name.col_offset) for node in calls)
