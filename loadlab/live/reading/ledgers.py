"""The ledgers of a trial that goes on, as the live page reads them: nothing is made, moved, folded or removed."""

from __future__ import annotations

import fcntl
import os
import re
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.instrumentation.archive import Archive, DamagedError, Sums
from loadlab.system.files import DamagedFileError, open_regular, plain_json, read_regular
from loadlab.system.state_folder import registers

if TYPE_CHECKING:
    from collections.abc import Iterator

REGISTER: Final = re.compile(r"\d+-[0-9a-f]+")
LOCK: Final = "lock"
LOCK_SECONDS: Final = 2.0  # at most; a lab holds it for milliseconds
LOOK_SECONDS: Final = 0.02


def ledgers_of(named: str, order: int) -> Path | None:
    """The folder that a run folder names for the ledgers of a trial, if it is one: of a lab of this very user.

    A run folder may come from anybody, and so what it names is not followed to anywhere else.
    """
    with suppress(OSError, ValueError):
        real, labs = Path(named).resolve(strict=True), registers().resolve(strict=True)
        ours = real.is_dir() and real.parent.parent == labs and labs.stat().st_uid == os.getuid()
        if ours and REGISTER.fullmatch(real.parent.name) and real.name == f"ledgers-{order:04d}":
            return real
    return None


class ReadOnlyArchive(Archive):
    """Reads what an archive does, and leaves all files as they are."""

    def read(self) -> Sums:
        """Count everything once; what is damaged is passed over, and counted as such.

        Raises:
            OSError: the directory cannot be read, or is kept locked.
        """
        with self._shared():
            sums, archived = self._kept()
            for path in sorted(self._directory.iterdir()):
                if path.name.endswith(self._kind.suffix) and path.name not in archived:
                    self._take(path, sums)
        return sums

    def _take(self, path: Path, sums: Sums) -> None:
        try:
            file = open_regular(path)
        except FileNotFoundError:
            return
        except DamagedFileError:
            sums.damaged += 1
            return
        try:
            lives = _is_held(file)
            sums.add(self._kind.read(file, not lives))
            sums.processes += lives
        except (DamagedError, ValueError, ArithmeticError, LookupError):
            sums.damaged += 1
        finally:
            os.close(file)

    def _kept(self) -> tuple[Sums, frozenset[str]]:
        """The sums of ended processes, and the names of their files."""
        try:
            return self._sums_of(plain_json(read_regular(self._directory / self._kind.archive)))
        except FileNotFoundError:
            return Sums(), frozenset()
        except (DamagedFileError, DamagedError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError):
            return Sums(damaged=1), frozenset()

    @contextmanager
    def _shared(self) -> Iterator[None]:
        """Not while a lab moves sums into the archive; one that has no lock yet has never moved any."""
        try:
            lock = open_regular(self._directory / LOCK)
        except FileNotFoundError:
            yield
            return
        except DamagedFileError as error:
            raise OSError(str(error)) from error
        try:
            _await_lock(lock)
            yield
        finally:
            os.close(lock)


def _await_lock(lock: int) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        if time.monotonic() > deadline:
            raise OSError("the ledgers are kept locked")
        time.sleep(LOOK_SECONDS)


def _is_held(file: int) -> bool:
    """Whether the process that writes a file lives: it holds a lock on it for life."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
