"""Runs the loadlab command as a user does: in separate processes, with a separate state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from patience import await_that
from states import forget_compiled, separate_state

import loadlab.cli
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    InProcess = Callable[..., "Outcome"]

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SMALL_PLAN: Final = """
seed = 1
blocks = {blocks}
warmup_seconds = 0.1
window_seconds = 0.4
users = [4]
control = "sync"
[servers.sync]
[strategies.max_age]
max_age = [0, "none"]
"""
COMMAND_SECONDS: Final = 300.0  # before a command that does not end fails its test
TOO_BUSY: Final = "the machine is too busy"
TRIES: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """A command under way, and the files that its output goes to."""

    popen: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def outcome(self) -> Outcome:
        """Wait for its end."""
        code = self.popen.wait(COMMAND_SECONDS)
        return Outcome(code=code, stdout=self.stdout.read_text(), stderr=self.stderr.read_text())

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return as soon as the condition holds; the command must not have ended before."""

        def holds() -> bool:
            if condition():
                return True
            assert self.popen.poll() is None, self.stderr.read_text()
            return False

        await_that(holds, self.stderr.read_text)


def everything_in(folder: Path) -> str:
    """The text of every file below a folder."""
    return "\n".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def trials_in(run: Path) -> dict[str, bytes]:
    """The trial files of a run folder, by name."""
    return {path.name: path.read_bytes() for path in sorted((run / "trials").glob("*.json"))}


def with_time_for_it(make: Callable[[int], Outcome]) -> tuple[int, Outcome]:
    """How the first run ended for which the machine had time, and which of them it was."""
    for number in range(TRIES):
        outcome = make(number)
        if TOO_BUSY not in outcome.stderr:
            break
    return number, outcome


def incomplete(trials: Iterable[Mapping[str, Any]]) -> list[str]:
    """Why trials of a report are not complete, without those for which the machine had no time."""
    return [one["reason"] for one in trials if one["state"] != "complete" and TOO_BUSY not in one["reason"]]


class CommandLine:
    """`python -m loadlab`, in the folder `home`, with its state in `state`."""

    def __init__(self, state: Path, home: Path) -> None:
        self.state = state
        self.home = home
        self._starts = 0

    def __call__(self, *arguments: object, **environment: str) -> Outcome:
        """Run a command to its end."""
        with self.started(*arguments, **environment) as command:
            return command.outcome()

    def run(self, plan: Path, folder: Path, *options: object) -> tuple[Path, Outcome]:
        """A run below `folder`, and how it ended.

        One in which the machine had no time for the lab says nothing about what a test asserts: the run is made again.
        """

        def path(number: int) -> Path:
            return folder / str(number) / "run"

        number, outcome = with_time_for_it(lambda number: self("run", plan, "--out", path(number), *options))
        return path(number), outcome

    @contextmanager
    def started(self, *arguments: object, **environment: str) -> Iterator[Started]:
        """A command under way, killed at the end if it is still there."""
        self._starts += 1
        files = [self.home / f"{self._starts}.{name}" for name in ("stdout", "stderr")]
        with (
            files[0].open("wb") as stdout,
            files[1].open("wb") as stderr,
            subprocess.Popen(
                [sys.executable, "-m", "loadlab", *map(str, arguments)],
                cwd=self.home,
                env={
                    **os.environ,
                    "PYTHONPATH": str(REPOSITORY),
                    "COLUMNS": "100",
                    STATE_VARIABLE: str(self.state),
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            ) as popen,
        ):
            try:
                yield Started(popen=popen, stdout=files[0], stderr=files[1])
            finally:
                popen.kill()

    def processes(self) -> list[psutil.Process]:
        """Every process that belongs to a lab of this state folder."""
        return [process for process in psutil.process_iter() if self.owns(process)]

    def commands(self) -> list[str]:
        """Their command lines; of one that ends while we look, none."""
        lines = []
        for process in self.processes():
            with suppress(psutil.Error):
                lines.append(" ".join(process.cmdline()))
        return lines

    def owns(self, process: psutil.Process) -> bool:
        """Whether it belongs to a lab of this state folder.

        PostgreSQL knows nothing of our environment, but works in a folder of ours.
        """
        state = str(self.state)
        with suppress(psutil.Error, FileNotFoundError):
            return process.status() != psutil.STATUS_ZOMBIE and (
                process.environ().get(STATE_VARIABLE) == state
                or any(state in word for word in process.cmdline())
                or process.cwd().startswith(state)
            )
        return False


@pytest.fixture(name="loadlab", scope="session")
def loadlab_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    with separate_state() as state:
        command = CommandLine(state, tmp_path_factory.mktemp("home"))
        yield command
        for process in command.processes():  # of a test that failed
            with suppress(psutil.Error):
                process.kill()
        forget_compiled(state, tmp_path_factory.getbasetemp())


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> InProcess:
    """The command in this process, for what starts nothing: a process for each would take a minute in all."""

    def called(*arguments: object) -> Outcome:
        try:
            code = loadlab.cli.main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse's way to say no
            code = int(error.code or 0)
        said = capsys.readouterr()
        return Outcome(code=code, stdout=said.out, stderr=said.err)

    return called
