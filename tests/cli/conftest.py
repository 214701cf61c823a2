"""The loadlab command, for tests that run it."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest
from command_line import CommandLine, Outcome

import loadlab.cli

if TYPE_CHECKING:
    from collections.abc import Iterator

    from command_line import InProcess


@pytest.fixture(name="loadlab", scope="session")
def loadlab_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    # Not pytest's own folder, which is closed to the ordinary user that root's PostgreSQL runs as.
    state = Path(tempfile.mkdtemp(prefix="loadlab-tests-", dir="/var/tmp"))
    state.chmod(0o755)
    command = CommandLine(state, tmp_path_factory.mktemp("home"))
    yield command
    for process in command.processes():  # of a test that failed
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(state, ignore_errors=True)


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
