"""A worker's part in one order, as its master sees it: made ready, started, followed, and brought home."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent

from loadlab.load.distributed.channel import LostError
from loadlab.load.distributed.clocks import measured, skew

if TYPE_CHECKING:
    from typing import Any

    from loadlab.load.distributed.channel import Asker
    from loadlab.load.distributed.clocks import Offset
    from loadlab.load.generator.contract import LoadOrder

ANSWER_SECONDS: Final = 10.0
READY_SECONDS: Final = 60.0  # for a Locust file to be loaded, and users to say hello
LATER_SECONDS: Final = 25.0  # after the window: for what is under way, and for the result to be written
TALLY_SECONDS: Final = 0.5


class WorkerHandle:
    """The `number`-th share of `order`, in the hands of `worker`; each step may raise LostError."""

    def __init__(self, asker: Asker, order: LoadOrder, number: int, worker: str) -> None:
        self._asker = asker
        self._order = order
        self._worker = worker
        self._late = 0.0
        self.number = number
        self.host = worker.rpartition("_")[0]  # Locust names a worker by its host, and something that no other has
        self.skew_seconds = 0.0
        self.offset: Offset

    def prepare(self) -> None:
        """Let it make its users ready, and find out how far its clock is from ours."""
        text = Path(self._order.locustfile).read_text()
        self._ask("prepare", READY_SECONDS, order=self._order.to_json(), number=self.number, text=text)
        self.offset = self._clock()

    def start(self, origin: float) -> None:
        """Let it start at that instant of our clock."""
        self._late = self._ask("start", origin=origin + self.offset.seconds)["late"]

    def follow(self) -> None:
        """Keep what its load has come to in the order's file, twice a second, for as long as this greenlet lives."""
        path = Path(self._order.tally_of(self.number))
        while True:
            gevent.sleep(TALLY_SECONDS)
            text = self._ask("tally")["text"]
            if text:
                path.with_suffix(".draft").write_text(text)
                path.with_suffix(".draft").replace(path)

    def finish(self) -> None:
        """Wait for its end, look at the clocks again, and fetch its result."""
        order = self._order
        result = self._ask("end", order.window.end + LATER_SECONDS)
        self.skew_seconds = skew(self.offset, self._clock(), self._late)
        self._fetch(Path(order.result_of(self.number)), result["size"], result["sha256"])

    def abandon(self) -> None:
        self._ask("abandon")

    def _fetch(self, path: Path, size: int, sha256: str) -> None:
        """Piece by piece, each one asked for: so there is never more than one under way."""
        seen, written = hashlib.sha256(), 0
        with path.open("wb") as file:
            while written < size:
                piece = self._ask("read", offset=written)["piece"]
                if not piece:
                    break
                file.write(piece)
                seen.update(piece)
                written += len(piece)
        if seen.hexdigest() != sha256:
            raise LostError("sent a result that is damaged")

    def _clock(self) -> Offset:
        return measured(lambda: float(self._ask("time")["at"]))

    def _ask(self, question: str, timeout_seconds: float = ANSWER_SECONDS, **data: object) -> dict[str, Any]:
        return self._asker.ask(self._worker, question, timeout_seconds, **data)
