"""A wall clock of the target's processes alone, which can be set: a small library of C's in front of the C library."""

from __future__ import annotations

import mmap
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.programs import C_COMPILER
from loadlab.system.search_path import own_environment
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SOURCE: Final = Path(__file__).with_name("wall_clock.c")
LIBRARY: Final = "wall-clock.so"
FILE: Final = "wall-clock"
BYTES: Final = 8
NS_PER_SECOND: Final = 1_000_000_000
PRELOAD: Final = "LD_PRELOAD"
FILE_VARIABLE: Final = "LOADLAB_WALL_CLOCK"


@dataclass(frozen=True, kw_only=True, slots=True)
class WallClock:
    """The clock of all processes that have `environment`."""

    library: Path
    file: Path

    @property
    def environment(self) -> Mapping[str, str]:
        before = os.environ.get(PRELOAD)
        return {PRELOAD: f"{self.library}:{before}" if before else str(self.library), FILE_VARIABLE: str(self.file)}

    @contextmanager
    def ahead(self, seconds: float) -> Iterator[None]:
        """Ahead of the machine's by so much, or behind it, until the context ends."""
        self._set(seconds)
        try:
            yield
        finally:
            self._set(0)

    def _set(self, seconds: float) -> None:
        """By one store: no process may read a half of it."""
        with (
            self.file.open("r+b") as file,
            mmap.mmap(file.fileno(), BYTES) as mapped,
            memoryview(mapped) as content,
            content.cast("q") as cells,
        ):
            cells[0] = round(seconds * NS_PER_SECOND)

    def without(self, pids: Iterable[int]) -> list[int]:
        """Those of these processes that have another clock: a program may be linked without the C library."""
        return [pid for pid in pids if not self._is_in(pid)]

    def _is_in(self, pid: int) -> bool:
        try:
            return str(self.library) in Path(f"/proc/{pid}/maps").read_text()
        except OSError:
            return True  # it has ended meanwhile


@contextmanager
def wall_clock(folder: Path) -> Iterator[WallClock]:
    """A clock that is right at first; its files lie in `folder`, and the library stays for the next one.

    Raises:
        EnvironmentFaultError: there is no C compiler, or it does not compile.
    """
    file = folder / FILE
    file.write_bytes(bytes(BYTES))
    try:
        yield WallClock(library=_library(folder), file=file)
    finally:
        file.unlink()


def _library(folder: Path) -> Path:
    library = folder / LIBRARY
    if not library.exists():
        compiler = C_COMPILER.find()
        if compiler is None:
            raise EnvironmentFaultError(f"There is no C compiler. Install it ({C_COMPILER.install}).")
        argv = [str(compiler), "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
        done = run_program(argv, environment=own_environment())
        if done.returncode:
            raise EnvironmentFaultError(f"{compiler} does not compile {SOURCE.name}:\n{done.stderr.strip()}")
    return library
