"""Questions of a master to its workers on other hosts, and their answers, as messages of Locust's own channel."""

from __future__ import annotations

import itertools
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent.event import AsyncResult
from locust import runners
from locust.env import Environment
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.rpc.protocol import Message

ASKED: Final = "loadlab_asked"
ANSWERED: Final = "loadlab_answered"
LOOK_SECONDS: Final = 0.25  # how often a master that waits looks whether the worker is still there
LIVENESS: Final = 8  # heartbeats, one a second, that a worker may miss; Locust's own 3 are few on a busy machine


_log = logging.getLogger(__name__)


class LostError(Exception):
    """A worker does not answer, or not as it should: how, as the end of a sentence."""


class Asker:
    """The master's end: workers come and go, and each can be asked by name."""

    def __init__(self, host: str, port: int) -> None:
        runners.HEARTBEAT_LIVENESS = LIVENESS
        self._runner = MasterRunner(Environment(), host, port)
        self._runner.register_message(ANSWERED, self._hear)
        self._numbers = itertools.count()
        self._open: dict[int, AsyncResult[dict[str, Any]]] = {}

    def there(self) -> list[str]:
        """The names of the workers that are there now, those that came first in front."""
        names = [name for name, worker in self._runner.clients.items() if worker.state != STATE_MISSING]
        return sorted(names, key=self._runner.get_worker_index)

    def ask(self, worker: str, question: str, timeout_seconds: float, **data: object) -> dict[str, Any]:
        """What the worker answers.

        Raises:
            LostError: it is gone, or says nothing in time, or cannot do what it was asked.
        """
        number = next(self._numbers)
        waiting: AsyncResult[dict[str, Any]] = AsyncResult()
        self._open[number] = waiting
        try:
            self._runner.send_message(ASKED, {"number": number, "question": question, "data": data}, worker)
            answer = self._await(waiting, worker, timeout_seconds)
        finally:
            del self._open[number]
        if "fault" in answer:
            raise LostError(answer["fault"])
        return answer

    def _await(self, waiting: AsyncResult[dict[str, Any]], worker: str, timeout_seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_seconds
        while not waiting.wait(timeout=LOOK_SECONDS):
            if worker not in self.there():
                raise LostError("is gone, or does not answer any more")
            if time.monotonic() > deadline:
                raise LostError(f"did not answer within {timeout_seconds:g} s")
        return waiting.get() or {}

    def _hear(self, msg: Message, **_: object) -> None:
        waiting = self._open.get(msg.data["number"])
        if waiting is not None:  # else it comes too late, and nobody waits for it
            waiting.set(msg.data)

    def dismiss(self) -> None:
        """Let all workers end."""
        self._runner.quit()


class Answerer:
    """A worker's end: hands each question to the function of its name, in a greenlet of its own."""

    def __init__(self, host: str, port: int, answers: dict[str, Callable[..., dict[str, Any]]]) -> None:
        self._answers = answers
        self._runner = WorkerRunner(Environment(), host, port)
        self._runner.register_message(ASKED, self._hear, concurrent=True)
        gevent.spawn(self._stay_known)

    def _hear(self, msg: Message, **_: object) -> None:
        try:
            answer = self._answers[msg.data["question"]](**msg.data["data"])
        except LostError as error:
            answer = {"fault": str(error)}
        except Exception as error:  # noqa: BLE001  else the master would wait for an answer that never comes
            _log.exception("%s", msg.data["question"])
            answer = {"fault": f"failed with {type(error).__name__}: {error}"}
        self._runner.send_message(ANSWERED, {**answer, "number": msg.data["number"]})

    def _stay_known(self) -> None:
        """Introduce ourselves to a master that does not know us: it was started anew, or has given us up."""
        while True:
            gevent.sleep(LIVENESS)
            heard = self._runner.last_heartbeat_timestamp or 0.0
            if time.time() - heard > LIVENESS:
                self._runner.connection_event.clear()
                self._runner.connect_to_master()  # type: ignore[no-untyped-call]

    def serve(self) -> None:
        """Answer until the master lets us end."""
        self._runner.greenlet.join()
