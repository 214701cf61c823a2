"""The generator whose load processes are on other hosts: reads the same orders, and shares each out to workers.

To the lab it looks like the generator of one machine: a line of JSON is an order, and its outcome is in the same lines
and files. The workers stay between the orders.
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
from loadlab.load.distributed.channel import Asker, LostError
from loadlab.load.distributed.seals import TOKEN_VARIABLE, Seal
from loadlab.load.distributed.worker_handle import ANSWER_SECONDS, READY_SECONDS, WorkerHandle
from loadlab.load.generator.contract import ENDED, LOST, READY, SKEWED, STARTED, Rehearsal, order_of
from loadlab.load.generator.lines import OPTION, Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from loadlab.load.generator.contract import LoadOrder

COMING_SECONDS: Final = 60.0  # for workers to come, before each order
LEAD_SECONDS: Final = 0.1  # from the order to start until the start, besides the slowest way to a worker
POLL_SECONDS: Final = 0.1
COMMAND: Final = "python -m loadlab.load.distributed.worker --master-host HOST --master-port PORT"

_log = logging.getLogger(__name__)


class Master:
    """Has `expected` workers carry out each order; those that were there first, if there are more."""

    def __init__(self, asker: Asker, expected: int, lab: Lines, coming_seconds: float = COMING_SECONDS) -> None:
        self._asker = asker
        self._lab = lab
        self._coming_seconds = coming_seconds
        self._expected = expected
        self._lost: dict[int, str] = {}

    def carry_out(self, line: str) -> int:
        """An exit status: 0 for success."""
        order = order_of(line)
        try:
            workers = self._awaited()
            if isinstance(order, Rehearsal):
                self._rehearse(Path(order.locustfile), workers)
            else:
                self._lead(order, workers)
        except LostError as error:
            _log.error("%s", error)
            return 1
        return 0

    def _awaited(self) -> list[str]:
        """Workers that come later than others take part from the next order on, if one of those is lost."""
        deadline = time.monotonic() + self._coming_seconds
        while len(workers := self._asker.there()) < self._expected:
            if time.monotonic() > deadline:
                came = f"{len(workers)} of {self._expected} load workers were there after {self._coming_seconds:g} s"
                raise LostError(f"{came}. Start the others with: {COMMAND}")
            gevent.sleep(POLL_SECONDS)
        return workers[: self._expected]

    def _rehearse(self, locustfile: Path, workers: Sequence[str]) -> None:
        for worker in workers:
            known = self._asker.ask(worker, "introduce", ANSWER_SECONDS)
            where = f"The load worker on {known['host']}"
            if known["version"] != __version__:
                raise LostError(f"{where} has loadlab {known['version']}, and this is {__version__}: install the same.")
            try:
                self._asker.ask(worker, "rehearse", READY_SECONDS, name=locustfile.name, text=locustfile.read_text())
            except LostError as error:
                raise LostError(f"{where} {error}") from error

    def _lead(self, order: LoadOrder, workers: Sequence[str]) -> None:
        self._lost.clear()
        hands = [WorkerHandle(self._asker, order, number, worker) for number, worker in enumerate(workers)]
        hands = self._together(hands, WorkerHandle.prepare)
        origin = time.monotonic() + LEAD_SECONDS + max((4 * hand.offset.uncertainty for hand in hands), default=0.0)
        hands = self._together(hands, lambda hand: hand.start(origin))
        if not hands:
            raise LostError(f"No load worker started: {'; '.join(self._lost.values())}")
        self._lab.say(STARTED, os.getpid(), repr(origin))
        following = [gevent.spawn(_quietly, hand.follow) for hand in hands]
        for hand in self._together(hands, WorkerHandle.finish):
            self._lab.say(SKEWED, hand.number, hand.skew_seconds)
        gevent.killall(following)
        for number, how in self._lost.items():
            self._lab.say(LOST, number, how)

    def _together(self, hands: Sequence[WorkerHandle], step: Callable[[WorkerHandle], None]) -> list[WorkerHandle]:
        """Take a step with all at the same time; those that are lost by it are told of later, and left out from now."""
        gevent.joinall([gevent.spawn(self._stepped, hand, step) for hand in hands], raise_error=True)
        return [hand for hand in hands if hand.number not in self._lost]

    def _stepped(self, hand: WorkerHandle, step: Callable[[WorkerHandle], None]) -> None:
        try:
            step(hand)
        except LostError as error:
            self._lost[hand.number] = " ".join(f"on {hand.host} {error}".split())
            _quietly(hand.abandon)


def _quietly(work: Callable[[], None]) -> None:
    with suppress(LostError):
        work()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.distributed.master")
    parser.add_argument("--bind-host", required=True)
    parser.add_argument("--bind-port", type=int, required=True)
    parser.add_argument("--expect-workers", type=int, required=True)
    parser.add_argument(OPTION, type=int, required=True)
    arguments = parser.parse_args()
    lab = Lines.inherited(arguments.lines)
    setup_logging("INFO")  # type: ignore[no-untyped-call]
    token = os.environ.pop(TOKEN_VARIABLE, "")
    asker = Asker(arguments.bind_host, arguments.bind_port, Seal(lambda: token))

    def dismiss() -> None:
        asker.dismiss()
        os._exit(0)

    gevent.signal_handler(signal.SIGTERM, dismiss)
    master = Master(asker, arguments.expect_workers, lab)
    lab.say(READY)
    while line := _heard(lab):
        lab.say(ENDED, master.carry_out(line))
    dismiss()


def _heard(lab: Lines) -> str:
    """The next line; other greenlets run until it comes."""
    gevent.socket.wait_read(lab.fileno())
    return lab.hear()


if __name__ == "__main__":
    main()
