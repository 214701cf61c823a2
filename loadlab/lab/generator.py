"""The generator as the lab holds it: one process for a whole run, one or several forked children of it per load."""

from __future__ import annotations

import os
import secrets
import selectors
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import loadlab
from loadlab.errors import EnvironmentFaultError
from loadlab.lab.tracebacks import own_words
from loadlab.load.distributed.signing import TOKEN_VARIABLE, token_file
from loadlab.load.generator.contract import (
    ENDED,
    LOST,
    READY,
    SKEWED,
    STARTED,
    LoadRequest,
    LocustfileCheck,
    taken,
)
from loadlab.load.generator.control_socket import OPTION, ControlSocket
from loadlab.load.generator.request_counts import count_requests, read_counts
from loadlab.services.secret_files import write_secret
from loadlab.system.processes import inherited

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from loadlab.load.generator.contract import LoadResult
    from loadlab.load.generator.request_counts import RequestCounts
    from loadlab.model.plan import Load
    from loadlab.system.processes import Program, Register

BOOT_SECONDS: Final = 30.0
COMING_SECONDS: Final = 200.0  # for workers on other hosts to come, to load the Locust file and to get ready
PATIENCE_SECONDS: Final = 35.0  # beyond the load's own length: a request may hang until its client gives up
STOP_SECONDS: Final = 1.0
TRACEBACK_LINES: Final = 100  # of Locust's log: the whole way from the lab into the user's file


class Generator:
    """A context: the process starts ahead of the first load request or with it, and again if it died; it ends last.

    With a `load` that expects workers, the load processes are on other hosts, and it is their master.
    """

    def __init__(self, register: Register, log: Path, load: Load | None = None) -> None:
        self._register = register
        self._log = log
        self._argv = _argv(load)
        self.answer_seconds = COMING_SECONDS if load and load.expect_workers else BOOT_SECONDS
        self._added: dict[str, str] = {}  # to the environment
        self._token: Path | None = None
        if load and load.expect_workers and TOKEN_VARIABLE not in os.environ:
            self._token = token_file(load.master_bind_port)
            self._added = {TOKEN_VARIABLE: secrets.token_urlsafe(32)}
        self._program: Program | None = None
        self._control: ControlSocket | None = None
        self._ready = False

    def __enter__(self) -> Self:
        if self._token is not None:
            write_secret(self._token, self._added[TOKEN_VARIABLE])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        if self._token is not None:
            self._token.unlink(missing_ok=True)

    def begin(self, request: LoadRequest) -> RunningLoad:
        """Start a load; returns once it has started.

        Raises:
            EnvironmentFaultError: the locustfile fails, or Locust does.
        """
        _remove_counts(request)  # those of a load that was abandoned
        program, control = self._send(request.to_json())
        words = _received(control, self.answer_seconds)
        if words[:1] != [STARTED]:
            self.abandon()  # it may still be about to
            raise EnvironmentFaultError(
                f"The load of {Path(request.locustfile).name} did not start; Locust's log ends:\n{program.log_tail()}"
            )
        return RunningLoad(self, control, request, pid=int(words[1]), started=float(words[2]))

    def check_locustfile(self, locustfile: Path, *, shared: bool = False) -> None:
        """Load a locustfile once and send nothing, so that its errors show before the first trial.

        `shared`: its load is an open one, or comes from several processes.

        Raises:
            EnvironmentFaultError: it does not load; with what Python said of it.
        """
        program, control = self._send(LocustfileCheck(locustfile=str(locustfile), shared=shared).to_json())
        if _received(control, self.answer_seconds) != [ENDED, "0"]:
            words = own_words(program.log_tail(TRACEBACK_LINES), [f"{Path(loadlab.__file__).parent}{os.sep}"])
            raise EnvironmentFaultError(f"The locustfile {locustfile} does not load:\n{words}\nFix it and rerun.")

    def _send(self, request: str) -> tuple[Program, ControlSocket]:
        program, control = self._running() or self.boot()
        if not self._ready:
            if _received(control, BOOT_SECONDS) != [READY]:
                raise EnvironmentFaultError(f"Locust did not start; its log ends:\n{program.log_tail()}")
            self._ready = True
        control.send(request)
        return program, control

    def _running(self) -> tuple[Program, ControlSocket] | None:
        program, control = self._program, self._control
        return (program, control) if program and control and program.running() else None

    def boot(self) -> tuple[Program, ControlSocket]:
        """Start the process ahead of the first load request, which then waits until it is ready."""
        self._stop()
        self._ready = False
        self._control, theirs = ControlSocket.pair()
        passed = theirs.fileno()
        argv = [*self._argv, OPTION, str(passed)]
        try:
            program = self._program = self._register.start(
                "Locust", argv, log=self._log, environment={**inherited(), **self._added}, passed=[passed]
            )
        finally:
            theirs.close()
        return program, self._control

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._program is not None:
            self._program.stop(signal.SIGTERM, STOP_SECONDS)
            self._program = None

    def abandon(self) -> None:
        """End a load that does not end by itself, together with the process; the next load boots another.

        Workers on other hosts hear nothing of it, and come to the next one.
        """
        if self._program is not None:
            self._program.kill()
        self._stop()


class RunningLoad:
    """One load under way: `pid` is the process that drives, `started` its monotonic start in seconds."""

    def __init__(
        self, generator: Generator, control: ControlSocket, request: LoadRequest, *, pid: int, started: float
    ) -> None:
        self._generator = generator
        self._control = control
        self._request = request
        self.pid = pid
        self.started = started
        self._total: RequestCounts | None = None

    def counts(self) -> RequestCounts:
        """What the load had come to a tenth of a second ago, or in the end."""
        return self._total or read_counts(_counts_files(self._request))

    def wait(self) -> LoadResult | None:
        """The result, once the load has ended; None when it had to be abandoned or broke.

        Of several load processes some may be lost: the result is that of the others, and names them.
        """
        deadline = time.monotonic() + self._request.window.end + PATIENCE_SECONDS
        lost: dict[int, str] = {}
        skew: list[float] = []
        while (words := _received(self._control, max(0.0, deadline - time.monotonic()))) and words[0] in {LOST, SKEWED}:
            if words[0] == LOST:
                lost[int(words[1])] = " ".join(words[2:])
            else:
                skew.append(float(words[2]))
        if words != [ENDED, "0"]:
            self._generator.abandon()
            return None
        numbers = [number for number in range(self._request.processes) if number not in lost]
        result = taken(
            [Path(self._request.result_of(number)) for number in numbers],
            tuple(f"load process {number + 1} of {self._request.processes} {how}" for number, how in lost.items()),
            tuple(skew),
        )
        self._total = count_requests(result.requests.response, result.requests.failed)
        _remove_counts(self._request)
        return result


def _argv(load: Load | None) -> list[str]:
    if load is None or not load.expect_workers:
        return [sys.executable, "-m", "loadlab.load.generator"]
    where = ["--bind-host", load.master_bind_host, "--bind-port", str(load.master_bind_port)]
    return [
        sys.executable,
        "-m",
        "loadlab.load.distributed.master",
        *where,
        "--expect-workers",
        str(load.expect_workers),
    ]


def _counts_files(request: LoadRequest) -> list[Path]:
    return [Path(request.counts_file(number)) for number in range(request.processes)]


def _remove_counts(request: LoadRequest) -> None:
    for path in _counts_files(request):
        path.unlink(missing_ok=True)


def _received(control: ControlSocket, timeout_seconds: float) -> list[str]:
    """The words of the generator's next line; none when it says nothing in time, or has ended."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        return control.receive().split() if selector.select(timeout_seconds) else []
