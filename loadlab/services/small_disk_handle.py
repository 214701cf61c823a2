"""A file system of its own for one folder, as the lab holds it."""

from __future__ import annotations

import shutil
import signal
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.processes import inherited
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.system.processes import Program, Register

PROGRAM: Final = "loadlab.services.small_disk"
ANSWER_SECONDS: Final = 10.0
BOOT_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class SmallDiskHandle:
    """A small disk that runs; see `loadlab.services.small_disk` for its commands."""

    program: Program

    @contextmanager
    def full(self) -> Iterator[None]:
        """Without any room, until the context ends.

        Raises:
            EnvironmentFaultError: the program has ended, or hangs.
        """
        self._tell("fill")
        try:
            yield
        finally:
            self._tell("empty")

    def _tell(self, command: str) -> None:
        pipe = self.program.popen.stdin
        with suppress(BrokenPipeError):
            if pipe is not None:
                pipe.write(f"{command}\n".encode())
                pipe.flush()
        if not self.program.hear(ANSWER_SECONDS):
            raise EnvironmentFaultError(f"The small disk does not answer; its log ends:\n{self.program.log_tail()}")


@cache
def mountable() -> bool:
    """Whether we may mount a file system here: by ourselves, or in a namespace of users."""
    if sys.platform != "linux":
        return False
    argv = [sys.executable, "-m", PROGRAM, "--check"]
    return not run_program(argv, environment=inherited()).returncode


@contextmanager
def small_disk(folder: Path, register: Register, log: Path) -> Iterator[SmallDiskHandle]:
    """Have `folder` on a disk of its own; what it holds at the end stays there as ordinary files.

    Raises:
        EnvironmentFaultError: nothing can be mounted here.
    """
    argv = [sys.executable, "-m", PROGRAM]
    program = register.start("The small disk", argv, log=log, environment=inherited(), pipes=True)
    try:
        root = program.hear(BOOT_SECONDS)
        if not root:
            raise EnvironmentFaultError(f"A full disk cannot be had here: {program.log_tail()}")
        with _leading(folder, Path(f"/proc/{program.pid}/fd/{root}")):
            yield SmallDiskHandle(program)
    finally:
        program.stop(signal.SIGTERM, STOP_SECONDS)
        program.close_pipes()


@contextmanager
def _leading(folder: Path, root: Path) -> Iterator[None]:
    """A folder that leads to another one, and is an ordinary one with the same files at the end."""
    folder.symlink_to(root, target_is_directory=True)
    kept = folder.with_name(f"{folder.name}.kept")
    try:
        yield
    finally:
        shutil.rmtree(kept, ignore_errors=True)
        with suppress(shutil.Error):  # sockets that servers have left
            shutil.copytree(root, kept)
        folder.unlink()
        kept.rename(folder)
