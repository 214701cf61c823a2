"""The files of this very process: begun when they are first needed, begun anew in a forked child."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from django.conf import ENVIRONMENT_VARIABLE

from loadlab.instrumentation.configuration import configuration
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.timesheet import Timesheet

if TYPE_CHECKING:
    from collections.abc import Callable

Kept = TypeVar("Kept", Ledger, Timesheet)

_ledger: Ledger | None = None
_timesheet: Timesheet | None = None
_mutex = threading.Lock()


def directory() -> Path:
    """Where the ledgers of this project are: as LOADLAB_LEDGER_DIR or the settings say, or a folder of its own.

    Raises:
        PermissionError: the folder below the temporary one is somebody else's.
    """
    given = configuration().ledger_dir
    return Path(given) if given else _own_folder()


def _own_folder() -> Path:
    """Of this user and this project alone; whoever may write to a shared /tmp must not lead us elsewhere."""
    ours = Path(tempfile.gettempdir()) / f"loadlab-{os.getuid()}"
    ours.mkdir(mode=0o700, exist_ok=True)
    found = ours.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(f"{ours} is not a folder of this user's own; name another with LOADLAB['LEDGER_DIR']")
    module = os.environ.get(ENVIRONMENT_VARIABLE, "")
    place = getattr(sys.modules.get(module), "__file__", None) or ""
    return ours / f"{module or 'django'}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def ledger() -> Ledger:
    global _ledger  # noqa: PLW0603  one ledger per process is what this module is for
    if _ledger is None:
        with _mutex:
            if _ledger is None:
                _ledger = _begun(Ledger, "connections")
    return _ledger


def timesheet() -> Timesheet:
    global _timesheet  # noqa: PLW0603  as above
    if _timesheet is None:
        with _mutex:
            if _timesheet is None:
                _timesheet = _begun(Timesheet, "requests")
    return _timesheet


def _begun(kind: Callable[[Path | None], Kept], counted: str) -> Kept:
    try:
        return kind(directory())
    except OSError as error:
        # A site must not go down because it cannot be counted.
        logging.getLogger("loadlab").error(  # noqa: TRY400  the words are all that there is to say
            "The %s of process %d are not counted: %s", counted, os.getpid(), error
        )
        return kind(None)


def _after_fork_in_child() -> None:
    global _ledger, _timesheet, _mutex  # noqa: PLW0603
    _mutex = threading.Lock()
    for kept in (_ledger, _timesheet):
        if kept is not None:
            kept.release_after_fork()
    _ledger = _timesheet = None


os.register_at_fork(after_in_child=_after_fork_in_child)
