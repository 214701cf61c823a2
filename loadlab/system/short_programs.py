"""Runs a program to its end. Nothing of it goes on where a signal, an error or a limit ends the caller first."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loadlab.system.signals import undisturbed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def run_program(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    said: str = "",
    limit: float | None = None,
    **where: Any,  # noqa: ANN401  Popen's
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, in its own process group; it reads `said`, and what it writes is kept.

    `limit` are the seconds that it may take. `where` says as which user and in which folder it runs, as Popen has it.

    Raises:
        OSError: it cannot be started.
        subprocess.TimeoutExpired: it took longer.
    """
    popen: subprocess.Popen[bytes] | None = None
    try:
        with undisturbed():
            popen = subprocess.Popen(
                list(argv),
                env=dict(environment),
                stdin=subprocess.PIPE if said else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                **where,
            )
        out, err = popen.communicate(os.fsencode(said) if said else None, limit)
    except BaseException:
        if popen is not None:
            _end(popen)
        raise
    return subprocess.CompletedProcess(argv, popen.returncode, os.fsdecode(out), os.fsdecode(err))


def _end(popen: subprocess.Popen[bytes]) -> None:
    """At once, with all that it has started."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says PermissionError of a group of zombies
        os.killpg(popen.pid, signal.SIGKILL)
    for pipe in (popen.stdin, popen.stdout, popen.stderr):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    popen.wait()
