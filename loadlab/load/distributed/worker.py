"""A load process on another host: waits for a master's requests and runs its agent of each.

    python -m loadlab.load.distributed.worker --master-host 192.0.2.10

A worker serves all trials of a run and ends with the run. It accepts calls only from a master that has the run's token.
The token comes in LOADLAB_WORKER_TOKEN, or from a file that `loadlab run` writes for workers of the same user and host.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import gevent
import gevent.socket
from gevent import subprocess
from locust.log import setup_logging

from loadlab import __version__
from loadlab.load.distributed.rpc import RpcServer, WorkerLostError
from loadlab.load.distributed.signing import Signer, token_here
from loadlab.load.generator.contract import (
    ENDED,
    READY,
    STARTED,
    LoadRequest,
    LocustfileCheck,
    describe_exit,
    parse_request,
)
from loadlab.load.generator.control_socket import OPTION, ControlSocket
from loadlab.system.signals import undisturbed

if TYPE_CHECKING:
    from collections.abc import Callable

PORT: Final = 5557  # Locust's own
CHUNK_BYTES: Final = 256 * 1024  # of a result, in one message
LOG_BYTES: Final = 4000  # of the end of the generator's log, where a Locust file does not load


class WorkerAgent:
    """Runs one load request at a time in a generator process; `clock` is the time that the master is told."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._log = folder / "generator.log"
        self._program: subprocess.Popen[bytes] | None = None
        self._control: ControlSocket | None = None
        self._request: LoadRequest | None = None

    def methods(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """The methods that a master may call."""
        before = (self.introduce, self.time, self.check_locustfile, self.prepare)
        then = (self.start, self.counts, self.end, self.read, self.abandon)
        return {method.__name__: method for method in (*before, *then)}

    def introduce(self) -> dict[str, Any]:
        return {"host": socket.gethostname(), "version": __version__}

    def time(self) -> dict[str, Any]:
        return {"at": self._clock()}

    def check_locustfile(self, name: str, text: str) -> dict[str, Any]:
        """Load a Locust file once; the modules that it imports must be installed on this host."""
        words = self._exchange(LocustfileCheck(locustfile=str(self._written(name, text)), shared=True).to_json())
        if words != [ENDED, "0"]:
            raise WorkerLostError(f"cannot load {name}:\n{self._log.read_text()[-LOG_BYTES:]}")
        return {}

    def prepare(self, request: str, number: int, text: str) -> dict[str, Any]:
        """Make users ready, and wait for the instant to start."""
        self.abandon()
        asked = parse_request(request)
        if not isinstance(asked, LoadRequest):
            raise WorkerLostError("was not sent a load request")
        locustfile = self._written(Path(asked.locustfile).name, text)
        self._request = replace(asked, locustfile=str(locustfile), result=str(self._folder / "result"), number=number)
        if self._exchange(self._request.to_json()) != [READY]:
            self.abandon()
            raise WorkerLostError(f"did not get ready; its log ends:\n{self._log.read_text()[-LOG_BYTES:]}")
        return {}

    def start(self, origin: float) -> dict[str, Any]:
        """Start at that instant of our clock; returns the most by which the start was late."""
        instant = time.monotonic() + (origin - self._clock())
        words = self._exchange(repr(instant))
        if words[:1] != [STARTED]:
            raise WorkerLostError("did not start")
        return {"late": max(0.0, time.monotonic() - instant)}

    def counts(self) -> dict[str, Any]:
        """The request counts so far, as the load process wrote them; empty before the first."""
        request = self._current()
        with suppress(FileNotFoundError):
            return {"text": Path(request.counts_file(request.number or 0)).read_text()}
        return {"text": ""}

    def end(self) -> dict[str, Any]:
        """Wait until the load has ended; returns the size of its result and its SHA-256."""
        words = self._line(self._control)
        if words[:1] != [ENDED]:
            raise WorkerLostError("lost its generator")
        if words[1] != "0":
            raise WorkerLostError(describe_exit(int(words[1])))
        result = self._result().read_bytes()
        return {"size": len(result), "sha256": hashlib.sha256(result).hexdigest()}

    def read(self, offset: int) -> dict[str, Any]:
        """A piece of the result."""
        with self._result().open("rb") as file:
            file.seek(offset)
            return {"piece": file.read(CHUNK_BYTES)}

    def abandon(self) -> dict[str, Any]:
        """End the running load, if there is one, and remove its result."""
        if self._request is not None and self._busy():
            self.close()
        self._request = None
        for path in self._folder.glob("result*"):
            path.unlink(missing_ok=True)
        return {}

    def _busy(self) -> bool:
        return not self._result().exists()

    def _current(self) -> LoadRequest:
        if self._request is None:
            raise WorkerLostError("has no load request")
        return self._request

    def _result(self) -> Path:
        request = self._current()
        return Path(request.result_of(request.number or 0))

    def _written(self, name: str, text: str) -> Path:
        """The master's Locust file, in one folder per content, so that an earlier version cannot be imported."""
        folder = self._folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        path = folder / Path(name).name
        path.write_text(text)
        return path

    def _exchange(self, line: str) -> list[str]:
        """The words of the generator's response to a line."""
        control = self._running()
        control.send(line)
        return self._line(control)

    def _line(self, control: ControlSocket | None) -> list[str]:
        """The words of its next line; empty when it has ended. Other greenlets run meanwhile."""
        if control is None:
            return []
        gevent.socket.wait_read(control.fileno())
        return control.receive().split()

    def _running(self) -> ControlSocket:
        if self._program is None or self._control is None or self._program.poll() is not None:
            return self.boot()
        return self._control

    def boot(self) -> ControlSocket:
        """Start the generator, in a process group that can be ended as a whole."""
        self.close()
        self._control, theirs = ControlSocket.pair()
        argv = [sys.executable, "-m", "loadlab.load.generator", OPTION, str(theirs.fileno())]
        with self._log.open("ab") as log, undisturbed():
            self._program = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        theirs.close()
        if self._line(self._control) != [READY]:
            raise WorkerLostError("cannot start Locust")
        return self._control

    def close(self) -> None:
        """End the generator and its load processes."""
        if self._program is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._program.pid, signal.SIGKILL)
            self._program.wait()
            self._program = None
        self._control = None  # not closed: `end` may still wait for it


def work(master_host: str, master_port: int, clock: Callable[[], float] = time.monotonic) -> None:
    """Work until the master ends the run."""
    token = token_here(master_port)  # before anything inherits the environment
    with tempfile.TemporaryDirectory(prefix="loadlab-worker-") as folder:
        agent = WorkerAgent(Path(folder), clock)
        try:
            agent.boot()
            RpcServer(master_host, master_port, agent.methods(), Signer(token)).serve()
        finally:
            agent.close()


def main() -> None:
    does = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.distributed.worker", description=does)
    parser.add_argument("--master-host", default="127.0.0.1", metavar="HOST", help="where loadlab run is")
    parser.add_argument("--master-port", type=int, default=PORT, metavar="PORT", help=f"its port (default: {PORT})")
    arguments = parser.parse_args()
    setup_logging("INFO")  # type: ignore[no-untyped-call]
    for asked_to_end in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(asked_to_end, sys.exit, 128 + asked_to_end)
    work(arguments.master_host, arguments.master_port)


if __name__ == "__main__":
    main()
