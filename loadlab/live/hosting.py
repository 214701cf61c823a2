"""Starts the live page's process and yields where it answers; light enough for a lab that measures."""

from __future__ import annotations

import http.client
import signal
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LIVE_PORT, LOOPBACK, free_port, is_loopback, is_lost, require_free
from loadlab.system.processes import Register, inherited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.system.processes import Program

ALIVE_PATH: Final = "/alive"
BOOT_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0
FAREWELL_SECONDS: Final = 10.0  # so that open pages hear of the last trial, and of the end
POLL_SECONDS: Final = 0.05
ATTEMPTS: Final = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class LivePage:
    """Where the page is, and the process behind it."""

    url: str
    program: Program


@contextmanager
def hosted(
    runs: Path, *, port: int | None = None, awaited: str = "", host: str = LOOPBACK, token: str | None = None
) -> Iterator[str]:
    """The live page over the run folders in `runs`; yields its URL, and ends it afterwards.

    `awaited` names a run that is about to begin. Without a `port` it is the usual one, or a free one if that is taken.
    `token` is env:NAME, the variable that holds what visitors must show.

    Raises:
        EnvironmentFaultError: the port is taken, or the page does not start.
    """
    with (
        Register.opened() as register,
        started(register, runs, port=port, awaited=awaited, host=host, token=token) as it,
    ):
        yield it.url


@contextmanager
def started(  # noqa: PLR0913  what a page's process is told
    register: Register, runs: Path, *, port: int | None, awaited: str, host: str, token: str | None
) -> Iterator[LivePage]:
    """The same, with the process itself, in a register of the caller's.

    Raises:
        EnvironmentFaultError: see `hosted`.
    """
    argv = [sys.executable, "-m", "loadlab.live", str(runs.absolute()), "--host", host]
    argv += ["--awaiting", awaited] if awaited else []
    argv += ["--token", token] if token else []
    page = _boot(register, argv, host, port)
    try:
        yield page
    finally:
        page.program.stop(signal.SIGTERM, FAREWELL_SECONDS)


def _boot(register: Register, argv: list[str], host: str, port: int | None) -> LivePage:
    """Start it; on another port if another program has taken the chosen one meanwhile."""
    at = _port(port)
    for attempt in range(1, ATTEMPTS + 1):
        program = register.start(
            "The live page", [*argv, "--port", str(at)], log=register.folder / "live.log", environment=inherited()
        )
        try:
            _await(program, host, at)
        except BaseException as error:
            program.stop(signal.SIGTERM, FAREWELL_SECONDS)
            lost_race = isinstance(error, EnvironmentFaultError) and not port and is_lost(at, program.log_tail())
            if attempt == ATTEMPTS or not lost_race:
                raise
            at = free_port()
        else:
            return LivePage(url=f"http://{_shown(host)}:{at}", program=program)
    raise AssertionError("the last attempt returns or raises")


def _port(port: int | None) -> int:
    if port is not None:
        require_free(port)
        return port or free_port()
    try:
        require_free(LIVE_PORT)
    except EnvironmentFaultError:
        return free_port()
    return LIVE_PORT


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _await(program: Program, host: str, port: int) -> None:
    """Wait for a response of this very process.

    Raises:
        EnvironmentFaultError: it has ended, or does not answer.
    """
    deadline = time.monotonic() + BOOT_SECONDS
    # A page for every address of this machine answers on loopback too.
    near = host if is_loopback(host) else LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104  compared
    while program.running() and time.monotonic() < deadline:
        if _answers(near, port) == str(program.pid):
            return
        time.sleep(POLL_SECONDS)
    raise EnvironmentFaultError(f"The live page does not start; its log ends:\n{program.log_tail()}")


def _answers(host: str, port: int) -> str:
    with (
        suppress(OSError, http.client.HTTPException),
        closing(http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)) as asked,
    ):
        asked.request("GET", ALIVE_PATH)
        return asked.getresponse().read().decode()
    return ""
