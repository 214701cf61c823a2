"""The files of this very process: begun when they are first needed, begun anew in a forked child.

A child is noticed when it first counts something, even if no hook of Python's has run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from django.conf import ENVIRONMENT_VARIABLE

from loadlab.instrumentation.archive import Archive
from loadlab.instrumentation.configuration import configuration
from loadlab.instrumentation.fork_detection import fork_detector
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.ledger_file import LEDGERS
from loadlab.instrumentation.request_times import RequestTimes
from loadlab.instrumentation.request_totals import REQUEST_TIMES
from loadlab.instrumentation.roles import mode, role
from loadlab.instrumentation.uncounted import mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.instrumentation.archive import Kind
    from loadlab.instrumentation.process_file import ProcessFile

Kept = TypeVar("Kept", Ledger, RequestTimes)
AGAIN_SECONDS: Final = 5.0  # before a file that could not be made is tried again
# Ended processes that a new one folds: more than end for it, and few enough to hold no scrape up.
FOLDED: Final = 4


def _ledger_in(place: Path | None) -> Ledger:
    return Ledger(place, role, mode)


class _Beginning(Generic[Kept]):
    """How one file of a process is begun; and memory, where no reader finds it, that stands for one that cannot be.

    A disk may have room again later: then the file begins. What the memory has counted is in no count.
    """

    def __init__(self, make: Callable[[Path | None], Kept], kind: Kind, counted: str, otherwise: str) -> None:
        self._make: Callable[[Path | None], Kept] = make
        self._kind = kind
        self._counted = counted
        self._otherwise = otherwise  # what stays uncounted when the file begins late
        self._memory: Kept | None = None
        self.mark: ProcessFile | None = None  # that this process is not counted
        self._again = 0.0  # when to try again

    def begun(self) -> Kept | None:
        """The file; None where it cannot be made. Those of processes that have ended are folded then.

        Or a scrape would find them all.
        """
        if time.monotonic() < self._again:
            return None
        try:
            made = self._make(place := directory())
        except OSError as error:
            # A site must not go down because it cannot be counted.
            self._again = time.monotonic() + AGAIN_SECONDS
            if self._memory is None:
                self._leave_mark()
                logging.getLogger("loadlab").error(  # noqa: TRY400  the words are all that there is to say
                    "The %s of process %d are not counted: %s", self._counted, os.getpid(), error
                )
            return None
        if self._memory is not None:
            logging.getLogger("loadlab").warning(
                "The %s of process %d are counted from now on, %s not.", self._counted, os.getpid(), self._otherwise
            )
        with suppress(OSError):  # the next scrape folds them, and says what is wrong
            Archive(place, self._kind).fold(FOLDED)
        return made

    def _leave_mark(self) -> None:
        """Listings say that this process has connections which they lack."""
        if self._kind is LEDGERS:
            with suppress(OSError):
                self.mark = mark(directory())

    def memory(self) -> Kept:
        if self._memory is None:
            self._memory = self._make(None)
        return self._memory


class _Files:
    """The files of one process, each begun when it is first needed."""

    def __init__(self) -> None:
        self.mark = fork_detector()
        self.mutex = threading.RLock()  # reentrant: a signal's handler may count while a file is begun
        self.ledger: Ledger | None = None
        self.request_times: RequestTimes | None = None
        self.ledger_begins = _Beginning(_ledger_in, LEDGERS, "connections", "those that it has opened before are")
        self.times_begin = _Beginning(RequestTimes, REQUEST_TIMES, "requests", "earlier ones are")

    def release(self) -> None:
        """Leave the files to the parent, in a forked child."""
        for kept in (self.ledger, self.request_times, self.ledger_begins.mark):
            if kept is not None:
                kept.release_after_fork()


mine = _Files()
_by_process: dict[int, _Files] = {os.getpid(): mine}
in_forked_child: list[Callable[[], None]] = []  # called once in a child, when it has its own files


def directory() -> Path:
    """Where the ledgers of this project are: as LOADLAB_LEDGER_DIR or the settings say, or a private folder.

    Raises:
        PermissionError: the folder below the temporary one belongs to another user.
    """
    given = configuration().ledger_dir
    return Path(given) if given else _own_folder()


def _own_folder() -> Path:
    """Of this user and this project alone; other users of a shared /tmp cannot lead us elsewhere."""
    ours = Path(tempfile.gettempdir()) / f"loadlab-{os.getuid()}"
    ours.mkdir(mode=0o700, exist_ok=True)
    found = ours.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{ours} does not belong to this user. Name another folder with LOADLAB['LEDGER_DIR']")
    module = os.environ.get(ENVIRONMENT_VARIABLE, "")
    place = getattr(sys.modules.get(module), "__file__", None) or ""
    return ours / f"{module or 'django'}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def ledger() -> Ledger:
    """The ledger of this process."""
    files = mine if mine.mark[0] else _begun_anew()
    if files.ledger is None:
        with files.mutex:
            begun = files.ledger or files.ledger_begins.begun()
            # A signal's handler may have been here meanwhile; what it has written down stays counted in its own file.
            files.ledger = files.ledger or begun
            return files.ledger or files.ledger_begins.memory()
    return files.ledger


def request_times() -> RequestTimes:
    """The request times of this process."""
    files = mine if mine.mark[0] else _begun_anew()
    if files.request_times is None:
        with files.mutex:
            begun = files.request_times or files.times_begin.begun()
            files.request_times = files.request_times or begun
            return files.request_times or files.times_begin.memory()
    return files.request_times


def _begun_anew() -> _Files:
    """This process has been forked: give it its own files.

    Several threads may come here at once, and a lock may be one that the fork has left held for ever: so the first to
    put its files into the dict has them taken by all.
    """
    global mine  # noqa: PLW0603  one set of files per process is what this module is for
    inherited, made = mine, _Files()
    pid = os.getpid()
    files = _by_process.setdefault(pid, made)
    if not files.mark[0]:  # in another namespace a child may have the very pid of its parent
        files = _by_process[pid] = made
    mine = files
    if files is made:
        inherited.release()
        for other in _by_process.keys() - {pid}:
            _by_process.pop(other, None)
        for call in in_forked_child:
            try:
                call()
            except Exception:  # a request may be what waits for this
                logging.getLogger("loadlab").exception("After a fork:")
    return files


def _after_fork_in_child() -> None:
    """Where Python's hook does run: at once, for a child that never counts would hold its parent's files for life."""
    if not mine.mark[0]:
        _begun_anew()


os.register_at_fork(after_in_child=_after_fork_in_child)
