"""Calls from a master to its workers on other hosts, and their replies, as messages of Locust's own channel."""

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

from loadlab.load.distributed.signing import CALL_ROLE, REPLY_ROLE, TOKEN_VARIABLE, BadSignatureError

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust.rpc.protocol import Message

    from loadlab.load.distributed.signing import Signer

# The names of the messages stay as they were first released: a worker of another release must be told so.
CALL: Final = "loadlab_asked"
REPLY: Final = "loadlab_answered"
POLL_SECONDS: Final = 0.25  # how often a waiting master checks that the worker is still connected
INTRODUCE_SECONDS: Final = 2.0  # for a new worker to introduce itself;
INTRODUCE_TRIES: Final = 15  # one that has just started misses the first calls
REFUSED: Final = "does not have the token of this run"
MOST_NAMED: Final = 100  # rejected senders that the log names
LIVENESS: Final = 8  # heartbeats, one a second, that a worker may miss; Locust's own 3 are few on a busy machine

_log = logging.getLogger(__name__)


class WorkerLostError(Exception):
    """A worker does not reply, or cannot do what it was asked; the message ends a sentence about the worker."""


class RpcClient:
    """The master's end: workers connect and leave; each that has the run's token can be called by name."""

    def __init__(self, host: str, port: int, signer: Signer) -> None:
        runners.HEARTBEAT_LIVENESS = LIVENESS
        self._signer = signer
        self._admitted: set[str] = set()
        self._rejected: set[str] = set()
        self._numbers = itertools.count()
        self._pending: dict[int, tuple[str, AsyncResult[dict[str, Any]]]] = {}
        environment = Environment()
        environment.events.worker_connect.add_listener(self._on_connect)  # type: ignore[no-untyped-call]
        self._runner = MasterRunner(environment, host, port)
        self._runner.register_message(REPLY, self._on_reply)
        self._receive, self._handle = self._runner.server.recv_from_client, self._runner.handle_message
        vars(self._runner.server)["recv_from_client"] = self._receive_checked
        vars(self._runner)["handle_message"] = self._handle_checked

    def _receive_checked(self) -> tuple[str, Message]:
        """The next valid message; at any other Locust would stop listening, or start anew without its workers."""
        while True:
            try:
                name, message = self._receive()  # type: ignore[no-untyped-call]
            except RPCError:  # of the socket itself
                raise
            except Exception:  # noqa: BLE001  anyone can send anything
                self._reject("an unknown sender", "sent an invalid message")
                continue
            if message.node_id == name:
                return name, message
            self._reject(name, "sent a message in the name of another worker")

    def _handle_checked(self, name: str, message: Message) -> None:
        try:
            self._handle(name, message)
        except Exception:  # noqa: BLE001  anyone can send anything
            self._reject(name, f"sent an unknown message {str(message.type)[:40]!r}")

    def _reject(self, name: str, what: str) -> None:
        """Log once per sender why it is ignored."""
        if name not in self._rejected and len(self._rejected) < MOST_NAMED:
            self._rejected.add(name)
            _log.warning("%s %s; it is ignored.", name[:100], what)

    def _on_connect(self, client_id: str, **_: object) -> None:
        gevent.spawn(self._admit, client_id)

    def _admit(self, name: str) -> None:
        fault = ""
        for _ in range(INTRODUCE_TRIES):
            if name in self._admitted:
                return
            try:
                self.call(name, "introduce", INTRODUCE_SECONDS)
                self._admitted.add(name)
            except WorkerLostError as error:
                fault = str(error)
                if fault == REFUSED:
                    break
        self._reject(
            f"Load worker {name}",
            f"{fault}. Set its {TOKEN_VARIABLE}, or the file on its host, to the token of this run",
        )

    def connected(self) -> list[str]:
        """The names of the admitted workers, in order of arrival."""
        clients = self._runner.clients.items()
        names = [name for name, worker in clients if worker.state != STATE_MISSING and name in self._admitted]
        return sorted(names, key=self._runner.get_worker_index)

    def call(self, worker: str, method: str, timeout_seconds: float, **data: object) -> dict[str, Any]:
        """The worker's reply.

        Raises:
            WorkerLostError: it has left, does not reply in time, or cannot do what it was asked.
        """
        number = next(self._numbers)
        waiting: AsyncResult[dict[str, Any]] = AsyncResult()
        self._pending[number] = worker, waiting
        content = {"number": number, "question": method, "data": data}
        try:
            self._runner.send_message(CALL, self._signer.sign(CALL_ROLE, worker, content), worker)
            reply = self._await(waiting, worker, timeout_seconds)
        finally:
            del self._pending[number]
        if "fault" in reply:
            raise WorkerLostError(reply["fault"])
        return reply

    def _await(self, waiting: AsyncResult[dict[str, Any]], worker: str, timeout_seconds: float) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_seconds
        while not waiting.wait(timeout=POLL_SECONDS):
            if worker in self._admitted and worker not in self.connected():
                raise WorkerLostError("has left, or does not reply any more")
            if time.monotonic() > deadline:
                raise WorkerLostError(f"did not reply within {timeout_seconds:g} s")
        return waiting.get() or {}

    def _on_reply(self, msg: Message, **_: object) -> None:
        name = msg.node_id
        try:
            reply = self._signer.verify(REPLY_ROLE, name, msg.data)
        except BadSignatureError:
            self._refuse(name)
            return
        worker, waiting = self._pending.get(reply["number"], ("", None))
        if waiting is not None and worker == name:  # else it is too late, and the call is over
            waiting.set(reply)

    def _refuse(self, name: str) -> None:
        for worker, waiting in self._pending.values():
            if worker == name and name not in self._admitted:
                waiting.set({"fault": REFUSED})

    def dismiss(self) -> None:
        """Let all workers end."""
        self._runner.quit()


class RpcServer:
    """A worker's end: runs the method that each call names, in its own greenlet."""

    def __init__(self, host: str, port: int, methods: dict[str, Callable[..., dict[str, Any]]], signer: Signer) -> None:
        self._methods = methods
        self._signer = signer
        self._warned = False
        self._runner = WorkerRunner(Environment(), host, port)
        self._runner.register_message(CALL, self._on_call, concurrent=True)
        gevent.spawn(self._stay_known)

    def _on_call(self, msg: Message, **_: object) -> None:
        name = self._runner.client_id
        try:
            call = self._signer.verify(CALL_ROLE, name, msg.data)
        except BadSignatureError:
            self._warn()
            self._runner.send_message(REPLY, {})  # so that the master need not wait
            return
        reply = {**self._run(call), "number": call["number"]}
        self._runner.send_message(REPLY, self._signer.sign(REPLY_ROLE, name, reply))

    def _run(self, call: dict[str, Any]) -> dict[str, Any]:
        try:
            return self._methods[call["question"]](**call["data"])
        except WorkerLostError as error:
            return {"fault": str(error)}
        except Exception as error:  # noqa: BLE001  without a reply the master would wait in vain
            _log.exception("%s", call["question"])
            return {"fault": f"failed with {type(error).__name__}: {error}"}

    def _warn(self) -> None:
        if not self._warned:
            self._warned = True
            _log.error(
                "The master has another token than this worker. Set %s to the token of the run and restart the worker.",
                TOKEN_VARIABLE,
            )

    def _stay_known(self) -> None:
        """Introduce this worker again to a master that does not know it: it was restarted, or gave the worker up."""
        while True:
            gevent.sleep(LIVENESS)
            heard = self._runner.last_heartbeat_timestamp or 0.0
            if time.time() - heard > LIVENESS:
                self._runner.connection_event.clear()
                self._runner.connect_to_master()  # type: ignore[no-untyped-call]

    def serve(self) -> None:
        """Reply until the master lets this worker end."""
        self._runner.greenlet.join()
