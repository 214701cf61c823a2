"""The ledger of this very process: begun when it is first needed, begun anew in a forked child."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path

from loadlab.instrumentation.ledger import Ledger

DIRECTORY_VARIABLE = "LOADLAB_LEDGER_DIR"

_ledger: Ledger | None = None
_mutex = threading.Lock()


def directory() -> Path:
    """Where the ledgers of this service are: `LOADLAB_LEDGER_DIR`, or a folder of this user under the temporary one."""
    given = os.environ.get(DIRECTORY_VARIABLE)
    return Path(given) if given else Path(tempfile.gettempdir()) / f"loadlab-ledger-{os.getuid()}"


def ledger() -> Ledger:
    global _ledger  # noqa: PLW0603  one ledger per process is what this module is for
    if _ledger is None:
        with _mutex:
            if _ledger is None:
                _ledger = Ledger(directory())
    return _ledger


def _after_fork_in_child() -> None:
    global _ledger, _mutex  # noqa: PLW0603
    _mutex = threading.Lock()
    if _ledger is not None:
        _ledger.release_after_fork()
        _ledger = None


os.register_at_fork(after_in_child=_after_fork_in_child)
