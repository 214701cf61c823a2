"""A worker's share of one load request, as its master sees it: prepare, start, follow, finish."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent

from loadlab.load.distributed.clocks import measured, skew
from loadlab.load.distributed.rpc import WorkerLostError

if TYPE_CHECKING:
    from typing import Any

    from loadlab.load.distributed.clocks import Offset
    from loadlab.load.distributed.rpc import RpcClient
    from loadlab.load.generator.contract import LoadRequest

REPLY_SECONDS: Final = 10.0
READY_SECONDS: Final = 60.0  # to load the Locust file and run each user's on_start
LATER_SECONDS: Final = 25.0  # after the window: for requests in flight, and for the result to be written
COUNTS_SECONDS: Final = 0.5


class WorkerHandle:
    """The `number`-th share of a load request, carried out by `worker`; each step may raise WorkerLostError."""

    def __init__(self, rpc: RpcClient, request: LoadRequest, number: int, worker: str) -> None:
        self._rpc = rpc
        self._request = request
        self._worker = worker
        self._late = 0.0
        self.number = number
        self.host = worker.rpartition("_")[0]  # Locust names a worker by its host and a unique suffix
        self.skew_seconds = 0.0
        self.offset: Offset

    def prepare(self) -> None:
        """Let it prepare its users, and measure how far its clock is from ours."""
        text = Path(self._request.locustfile).read_text()
        self._call("prepare", READY_SECONDS, request=self._request.to_json(), number=self.number, text=text)
        self.offset = self._clock()

    def start(self, origin: float) -> None:
        """Let it start at that instant of our clock."""
        self._late = self._call("start", origin=origin + self.offset.seconds)["late"]

    def follow(self) -> None:
        """Copy its request counts into the counts file, twice a second, until this greenlet ends."""
        path = Path(self._request.counts_file(self.number))
        while True:
            gevent.sleep(COUNTS_SECONDS)
            text = self._call("counts")["text"]
            if text:
                path.with_suffix(".draft").write_text(text)
                path.with_suffix(".draft").replace(path)

    def finish(self) -> None:
        """Wait for its end, measure the clock offset again, and fetch its result."""
        request = self._request
        result = self._call("end", request.window.end + LATER_SECONDS)
        self.skew_seconds = skew(self.offset, self._clock(), self._late)
        self._fetch(Path(request.result_of(self.number)), result["size"], result["sha256"])

    def abandon(self) -> None:
        self._call("abandon")

    def _fetch(self, path: Path, size: int, sha256: str) -> None:
        """Piece by piece: each call fetches one, so only one is in flight."""
        seen, written = hashlib.sha256(), 0
        with path.open("wb") as file:
            while written < size:
                piece = self._call("read", offset=written)["piece"]
                if not piece:
                    break
                file.write(piece)
                seen.update(piece)
                written += len(piece)
        if seen.hexdigest() != sha256:
            raise WorkerLostError("sent a result that is damaged")

    def _clock(self) -> Offset:
        return measured(lambda: float(self._call("time")["at"]))

    def _call(self, method: str, timeout_seconds: float = REPLY_SECONDS, **data: object) -> dict[str, Any]:
        return self._rpc.call(self._worker, method, timeout_seconds, **data)
