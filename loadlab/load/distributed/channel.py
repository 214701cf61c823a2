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
from locust.exception import RPCError
from locust.runners import STATE_MISSING, MasterRunner, WorkerRunner

from loadlab.load.distributed.seals import ANSWERS, ASKS, TOKEN_VARIABLE, ForgedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.rpc.protocol import Message

    from loadlab.load.distributed.seals import Seal

ASKED: Final = "loadlab_asked"
ANSWERED: Final = "loadlab_answered"
LOOK_SECONDS: Final = 0.25  # how often a master that waits looks whether the worker is still there
INTRODUCE_SECONDS: Final = 2.0  # for a worker that has come to say who it is;
INTRODUCE_TRIES: Final = 15  # one that has just started does not hear the first time
REFUSED: Final = "does not have the token of this run"
MOST_NAMED: Final = 100  # strangers that the log has by name
LIVENESS: Final = 8  # heartbeats, one a second, that a worker may miss; Locust's own 3 are few on a busy machine


_log = logging.getLogger(__name__)


class LostError(Exception):
    """A worker does not answer, or not as it should: how, as the end of a sentence."""


class Asker:
    """The master's end: workers come and go, and each that has the run's token can be asked by name."""

    def __init__(self, host: str, port: int, seal: Seal) -> None:
        runners.HEARTBEAT_LIVENESS = LIVENESS
        self._seal = seal
        self._admitted: set[str] = set()
        self._strangers: set[str] = set()
        self._numbers = itertools.count()
        self._open: dict[int, tuple[str, AsyncResult[dict[str, Any]]]] = {}
        environment = Environment()
        environment.events.worker_connect.add_listener(self._come)  # type: ignore[no-untyped-call]
        self._runner = MasterRunner(environment, host, port)
        self._runner.register_message(ANSWERED, self._hear)
        self._receive, self._handle = self._runner.server.recv_from_client, self._runner.handle_message
        vars(self._runner.server)["recv_from_client"] = self._received
        vars(self._runner)["handle_message"] = self._handled

    def _received(self) -> tuple[str, Message]:
        """The next message that is one; Locust would stop listening, or begin anew without its workers."""
        while True:
            try:
                name, message = self._receive()  # type: ignore[no-untyped-call]
            except RPCError:  # of the socket itself
                raise
            except Exception:  # noqa: BLE001  of what somebody has sent
                self._name("an unknown sender", "sent what is no message")
                continue
            if message.node_id == name:
                return name, message
            self._name(name, "spoke for another worker")

    def _handled(self, name: str, message: Message) -> None:
        try:
            self._handle(name, message)
        except Exception:  # noqa: BLE001  what it says can be anything
            self._name(name, f"sent a message {str(message.type)[:40]!r} that cannot be understood")

    def _name(self, name: str, what: str) -> None:
        """Say once of each stranger what it did."""
        if name not in self._strangers and len(self._strangers) < MOST_NAMED:
            self._strangers.add(name)
            _log.warning("%s %s; it was left out.", name[:100], what)

    def _come(self, client_id: str, **_: object) -> None:
        gevent.spawn(self._admit, client_id)

    def _admit(self, name: str) -> None:
        fault = ""
        for _ in range(INTRODUCE_TRIES):
            if name in self._admitted:
                return
            try:
                self.ask(name, "introduce", INTRODUCE_SECONDS)
                self._admitted.add(name)
            except LostError as error:
                fault = str(error)
                if fault == REFUSED:
                    break
        self._name(
            f"Load worker {name}", f"{fault}. Its {TOKEN_VARIABLE}, or its host's file, must be that of this run"
        )

    def there(self) -> list[str]:
        """The names of the workers that are there now, those that came first in front."""
        clients = self._runner.clients.items()
        names = [name for name, worker in clients if worker.state != STATE_MISSING and name in self._admitted]
        return sorted(names, key=self._runner.get_worker_index)

    def ask(self, worker: str, question: str, timeout_seconds: float, **data: object) -> dict[str, Any]:
        """What the worker answers.

        Raises:
            LostError: it is gone, or says nothing in time, or cannot do what it was asked.
        """
        number = next(self._numbers)
        waiting: AsyncResult[dict[str, Any]] = AsyncResult()
        self._open[number] = worker, waiting
        content = {"number": number, "question": question, "data": data}
        try:
            self._runner.send_message(ASKED, self._seal.sealed(ASKS, worker, content), worker)
            answer = self._await(waiting, worker, timeout_seconds)
        finally:
            del self._open[number]
        if "fault" in answer:
            raise LostError(answer["fault"])
        return answer

    def _await(self, waiting: AsyncResult[dict[str, Any]], worker: str, timeout_seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_seconds
        while not waiting.wait(timeout=LOOK_SECONDS):
            if worker in self._admitted and worker not in self.there():
                raise LostError("is gone, or does not answer any more")
            if time.monotonic() > deadline:
                raise LostError(f"did not answer within {timeout_seconds:g} s")
        return waiting.get() or {}

    def _hear(self, msg: Message, **_: object) -> None:
        name = msg.node_id
        try:
            answer = self._seal.opened(ANSWERS, name, msg.data)
        except ForgedError:
            self._refuse(name)
            return
        worker, waiting = self._open.get(answer["number"], ("", None))
        if waiting is not None and worker == name:  # else it comes too late, and no question is open
            waiting.set(answer)

    def _refuse(self, name: str) -> None:
        for worker, waiting in self._open.values():
            if worker == name and name not in self._admitted:
                waiting.set({"fault": REFUSED})

    def dismiss(self) -> None:
        """Let all workers end."""
        self._runner.quit()


class Answerer:
    """A worker's end: hands each question to the function of its name, in a greenlet of its own."""

    def __init__(self, host: str, port: int, answers: dict[str, Callable[..., dict[str, Any]]], seal: Seal) -> None:
        self._answers = answers
        self._seal = seal
        self._warned = False
        self._runner = WorkerRunner(Environment(), host, port)
        self._runner.register_message(ASKED, self._hear, concurrent=True)
        gevent.spawn(self._stay_known)

    def _hear(self, msg: Message, **_: object) -> None:
        name = self._runner.client_id
        try:
            asked = self._seal.opened(ASKS, name, msg.data)
        except ForgedError:
            if not self._warned:
                self._warned = True
                _log.error(
                    "The master's token is not this worker's. Set %s to the token of the run, and start again.",
                    TOKEN_VARIABLE,
                )
            self._runner.send_message(ANSWERED, {})  # so that it need not wait
            return
        try:
            answer = self._answers[asked["question"]](**asked["data"])
        except LostError as error:
            answer = {"fault": str(error)}
        except Exception as error:  # noqa: BLE001  else the master would wait for an answer that never comes
            _log.exception("%s", asked["question"])
            answer = {"fault": f"failed with {type(error).__name__}: {error}"}
        self._runner.send_message(ANSWERED, self._seal.sealed(ANSWERS, name, {**answer, "number": asked["number"]}))

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
