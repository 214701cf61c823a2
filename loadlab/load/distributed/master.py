"""A generator whose load processes run on other hosts: it splits each load request over its workers.

The lab uses it like the generator on one host: the same requests, the same response lines, the same result files. The
workers stay connected between requests.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
import gevent.socket
from locust.log import setup_logging

from loadlab import __version__
from loadlab.load.distributed.rpc import RpcClient, WorkerLostError
from loadlab.load.distributed.signing import TOKEN_VARIABLE, Signer
from loadlab.load.distributed.worker_handle import READY_SECONDS, REPLY_SECONDS, WorkerHandle
from loadlab.load.generator.contract import ENDED, LOST, READY, SKEWED, STARTED, LocustfileCheck, parse_request
from loadlab.load.generator.control_socket import OPTION, ControlSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.load.generator.contract import LoadRequest

CONNECT_SECONDS: Final = 60.0  # for workers to connect, before each request
LEAD_SECONDS: Final = 0.1  # from the start call to the start, besides the longest network delay to a worker
POLL_SECONDS: Final = 0.1
COMMAND: Final = "python -m loadlab.load.distributed.worker --master-host HOST --master-port PORT"

_log = logging.getLogger(__name__)


class Master:
    """Runs each load request on `expected` workers: on those that connected first, if there are more."""

    def __init__(
        self, rpc: RpcClient, expected: int, lab: ControlSocket, connect_seconds: float = CONNECT_SECONDS
    ) -> None:
        self._rpc = rpc
        self._lab = lab
        self._connect_seconds = connect_seconds
        self._expected = expected
        self._lost: dict[int, str] = {}

    def run_request(self, line: str) -> int:
        """An exit status: 0 for success."""
        request = parse_request(line)
        try:
            workers = self._connected()
            if isinstance(request, LocustfileCheck):
                self._check_locustfile(Path(request.locustfile), workers)
            else:
                self._lead(request, workers)
        except WorkerLostError as error:
            _log.error("%s", error)
            return 1
        return 0

    def _connected(self) -> list[str]:
        """The workers that take part; one that connects later can replace a lost one from the next request on."""
        deadline = time.monotonic() + self._connect_seconds
        while len(workers := self._rpc.connected()) < self._expected:
            if time.monotonic() > deadline:
                came = (
                    f"{len(workers)} of {self._expected} load workers were connected after {self._connect_seconds:g} s"
                )
                raise WorkerLostError(f"{came}. Start the others with: {COMMAND}")
            gevent.sleep(POLL_SECONDS)
        return workers[: self._expected]

    def _check_locustfile(self, locustfile: Path, workers: Sequence[str]) -> None:
        for worker in workers:
            known = self._rpc.call(worker, "introduce", REPLY_SECONDS)
            where = f"The load worker on {known['host']}"
            if known["version"] != __version__:
                raise WorkerLostError(
                    f"{where} has loadlab {known['version']}, but this host has {__version__}. Install the same."
                )
            try:
                self._rpc.call(
                    worker, "check_locustfile", READY_SECONDS, name=locustfile.name, text=locustfile.read_text()
                )
            except WorkerLostError as error:
                raise WorkerLostError(f"{where} {error}") from error

    def _lead(self, request: LoadRequest, workers: Sequence[str]) -> None:
        self._lost.clear()
        handles = [WorkerHandle(self._rpc, request, number, worker) for number, worker in enumerate(workers)]
        handles = self._together(handles, WorkerHandle.prepare)
        origin = time.monotonic() + LEAD_SECONDS + max((4 * one.offset.uncertainty for one in handles), default=0.0)
        handles = self._together(handles, lambda handle: handle.start(origin))
        if not handles:
            raise WorkerLostError(f"No load worker started: {'; '.join(self._lost.values())}")
        self._lab.send(STARTED, os.getpid(), repr(origin))
        following = [gevent.spawn(_quietly, handle.follow) for handle in handles]
        for handle in self._together(handles, WorkerHandle.finish):
            self._lab.send(SKEWED, handle.number, handle.skew_seconds)
        gevent.killall(following)
        for number, how in self._lost.items():
            self._lab.send(LOST, number, how)

    def _together(self, handles: Sequence[WorkerHandle], step: Callable[[WorkerHandle], None]) -> list[WorkerHandle]:
        """Take a step with all workers at once; returns those that are not lost by it."""
        gevent.joinall([gevent.spawn(self._stepped, handle, step) for handle in handles], raise_error=True)
        return [handle for handle in handles if handle.number not in self._lost]

    def _stepped(self, handle: WorkerHandle, step: Callable[[WorkerHandle], None]) -> None:
        try:
            step(handle)
        except WorkerLostError as error:
            self._lost[handle.number] = " ".join(f"on {handle.host} {error}".split())
            _quietly(handle.abandon)


def _quietly(work: Callable[[], None]) -> None:
    with suppress(WorkerLostError):
        work()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.distributed.master")
    parser.add_argument("--bind-host", required=True)
    parser.add_argument("--bind-port", type=int, required=True)
    parser.add_argument("--expect-workers", type=int, required=True)
    parser.add_argument(OPTION, type=int, required=True)
    arguments = parser.parse_args()
    lab = ControlSocket.inherited(arguments.control_socket)
    setup_logging("INFO")  # type: ignore[no-untyped-call]
    token = os.environ.pop(TOKEN_VARIABLE, "")
    rpc = RpcClient(arguments.bind_host, arguments.bind_port, Signer(lambda: token))

    def dismiss() -> None:
        rpc.dismiss()
        os._exit(0)

    gevent.signal_handler(signal.SIGTERM, dismiss)
    master = Master(rpc, arguments.expect_workers, lab)
    lab.send(READY)
    while line := _received(lab):
        lab.send(ENDED, master.run_request(line))
    dismiss()


def _received(lab: ControlSocket) -> str:
    """The next line; other greenlets run until it comes."""
    gevent.socket.wait_read(lab.fileno())
    return lab.receive()


if __name__ == "__main__":
    main()
