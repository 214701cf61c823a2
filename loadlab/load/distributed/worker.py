"""A load process on another host: waits for a master's orders and carries out its share of each.

    python -m loadlab.load.distributed.worker --master-host 192.0.2.10

It stays for all trials of a run, and ends with it. It runs what a master sends that has the run's token, which comes in
LOADLAB_WORKER_TOKEN, or from a file that `loadlab run` of the same user leaves on the same host.
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
from loadlab.load.distributed.channel import Answerer, LostError
from loadlab.load.distributed.seals import Seal, token_here
from loadlab.load.generator.contract import ENDED, READY, STARTED, LoadOrder, Rehearsal, order_of
from loadlab.load.generator.lines import OPTION, Lines
from loadlab.load.generator.process_group import ending

if TYPE_CHECKING:
    from collections.abc import Callable

PORT: Final = 5557  # Locust's own
CHUNK_BYTES: Final = 256 * 1024  # of a result, in one message
LOG_BYTES: Final = 4000  # of the end of the generator's log, where a Locust file does not load


class WorkerAgent:
    """A generator process of this host, one order at a time; `clock` is what the master is told of time."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._log = folder / "generator.log"
        self._program: subprocess.Popen[bytes] | None = None
        self._lines: Lines | None = None
        self._order: LoadOrder | None = None

    def answers(self) -> dict[str, Callable[..., dict[str, Any]]]:
        """What a master may ask."""
        before = (self.introduce, self.time, self.rehearse, self.prepare)
        then = (self.start, self.tally, self.end, self.read, self.abandon)
        return {question.__name__: question for question in (*before, *then)}

    def introduce(self) -> dict[str, Any]:
        return {"host": socket.gethostname(), "version": __version__}

    def time(self) -> dict[str, Any]:
        return {"at": self._clock()}

    def rehearse(self, name: str, text: str) -> dict[str, Any]:
        """Load a Locust file, whose load is shared; what it imports must be here."""
        words = self._asked(Rehearsal(locustfile=str(self._written(name, text)), shared=True).to_json())
        if words != [ENDED, "0"]:
            raise LostError(f"cannot load {name}:\n{self._log.read_text()[-LOG_BYTES:]}")
        return {}

    def prepare(self, order: str, number: int, text: str) -> dict[str, Any]:
        """Make users ready, and wait for the instant to start."""
        self.abandon()
        asked = order_of(order)
        if not isinstance(asked, LoadOrder):
            raise LostError("was sent no order")
        locustfile = self._written(Path(asked.locustfile).name, text)
        self._order = replace(asked, locustfile=str(locustfile), result=str(self._folder / "result"), number=number)
        if self._asked(self._order.to_json()) != [READY]:
            self.abandon()
            raise LostError(f"did not get ready; its log ends:\n{self._log.read_text()[-LOG_BYTES:]}")
        return {}

    def start(self, origin: float) -> dict[str, Any]:
        """Start at that instant of our clock; says by how much it was missed, at most."""
        instant = time.monotonic() + (origin - self._clock())
        words = self._asked(repr(instant))
        if words[:1] != [STARTED]:
            raise LostError("did not start")
        return {"late": max(0.0, time.monotonic() - instant)}

    def tally(self) -> dict[str, Any]:
        """What the load has come to so far, as its process has written it down; empty before it has."""
        order = self._under_way()
        with suppress(FileNotFoundError):
            return {"text": Path(order.tally_of(order.number or 0)).read_text()}
        return {"text": ""}

    def end(self) -> dict[str, Any]:
        """Wait until the load has ended; says how large its result is, and its SHA-256."""
        words = self._line(self._lines)
        if words[:1] != [ENDED]:
            raise LostError("lost its generator")
        if words[1] != "0":
            raise LostError(ending(int(words[1])))
        result = self._result().read_bytes()
        return {"size": len(result), "sha256": hashlib.sha256(result).hexdigest()}

    def read(self, offset: int) -> dict[str, Any]:
        """A piece of the result."""
        with self._result().open("rb") as file:
            file.seek(offset)
            return {"piece": file.read(CHUNK_BYTES)}

    def abandon(self) -> dict[str, Any]:
        """End what is under way, if anything is, and forget its result."""
        if self._order is not None and self._busy():
            self.close()
        self._order = None
        for path in self._folder.glob("result*"):
            path.unlink(missing_ok=True)
        return {}

    def _busy(self) -> bool:
        return not self._result().exists()

    def _under_way(self) -> LoadOrder:
        if self._order is None:
            raise LostError("has no order")
        return self._order

    def _result(self) -> Path:
        order = self._under_way()
        return Path(order.result_of(order.number or 0))

    def _written(self, name: str, text: str) -> Path:
        """The master's Locust file, in a folder of its own for each content, so that no earlier one is in its way."""
        folder = self._folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        path = folder / Path(name).name
        path.write_text(text)
        return path

    def _asked(self, line: str) -> list[str]:
        """The generator's answer to a line."""
        lines = self._running()
        lines.say(line)
        return self._line(lines)

    def _line(self, lines: Lines | None) -> list[str]:
        """The words of its next line; none when it has ended. Other greenlets run meanwhile."""
        if lines is None:
            return []
        gevent.socket.wait_read(lines.fileno())
        return lines.hear().split()

    def _running(self) -> Lines:
        if self._program is None or self._lines is None or self._program.poll() is not None:
            return self.boot()
        return self._lines

    def boot(self) -> Lines:
        """Start the generator, in a process group that can be ended as a whole."""
        self.close()
        self._lines, theirs = Lines.pair()
        argv = [sys.executable, "-m", "loadlab.load.generator", OPTION, str(theirs.fileno())]
        with self._log.open("ab") as log:
            self._program = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        theirs.close()
        if self._line(self._lines) != [READY]:
            raise LostError("cannot start Locust")
        return self._lines

    def close(self) -> None:
        """End the generator, and the load that it has forked."""
        if self._program is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._program.pid, signal.SIGKILL)
            self._program.wait()
            self._program = None
        self._lines = None  # not closed: `end` may still wait for it


def work(master_host: str, master_port: int, clock: Callable[[], float] = time.monotonic) -> None:
    """Be a worker until the master lets us end."""
    token = token_here(master_port)  # before anything inherits the environment
    with tempfile.TemporaryDirectory(prefix="loadlab-worker-") as folder:
        share = WorkerAgent(Path(folder), clock)
        try:
            share.boot()
            Answerer(master_host, master_port, share.answers(), Seal(token)).serve()
        finally:
            share.close()


def main() -> None:
    does = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.distributed.worker", description=does)
    parser.add_argument("--master-host", default="127.0.0.1", metavar="HOST", help="where loadlab run is")
    parser.add_argument("--master-port", type=int, default=PORT, metavar="PORT", help=f"its port (default: {PORT})")
    arguments = parser.parse_args()
    setup_logging("INFO")  # type: ignore[no-untyped-call]
    for asked_to_end in (signal.SIGTERM, signal.SIGHUP):
        gevent.signal_handler(asked_to_end, sys.exit, 128 + asked_to_end)
    work(arguments.master_host, arguments.master_port)


if __name__ == "__main__":
    main()
