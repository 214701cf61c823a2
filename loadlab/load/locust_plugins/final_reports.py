"""Lets a Locust master wait for the final report of each worker.

Locust itself waits half a second. It loses later reports, from its own statistics too: on a busy machine these are the
requests of the last three seconds or more.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import gevent
from locust.exception import RPCError
from locust.runners import STATE_MISSING, STATE_STOPPED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.env import Environment
    from locust.runners import MasterRunner, WorkerRunner

PROGRESS: Final = "loadlab_progress"  # the key of ours in what Locust's workers report
SILENT_SECONDS: Final = 15.0  # without a word, a heartbeat included, and a worker is taken for lost
MOST_SECONDS: Final = 60.0  # to wait in all, besides Locust's own stop timeout
LOOK_SECONDS: Final = 0.5


class ReportProgress:
    """The worker's end: each report says how many tests it has started, and whether it is the final report."""

    def __init__(self, runner: WorkerRunner) -> None:
        self._runner = runner
        self._begun = 0
        events = runner.environment.events
        events.test_start.add_listener(self._begin)  # type: ignore[no-untyped-call]
        events.report_to_master.add_listener(self._report)  # type: ignore[no-untyped-call]

    def _begin(self, **_: object) -> None:
        self._begun += 1

    def _report(self, data: dict[str, Any], **_: object) -> None:
        data[PROGRESS] = (self._begun, self._runner.state == STATE_STOPPED)


@dataclass(slots=True)
class _Worker:
    begun: int = 0
    before: int = 0  # tests that it had begun when the master began its latest
    takes_part: bool = False
    done: bool = False
    reported: float | None = None  # when, on the clock that cannot be set
    heard: float = 0.0


class FinalReports:
    """The master's end. After Locust has quit, `missing` names the reports that did not arrive."""

    def __init__(self, runner: MasterRunner) -> None:
        self.missing: list[str] = []
        self._runner = runner
        self._workers: dict[str, _Worker] = {}
        self._begun = self._quits = False
        events = runner.environment.events
        events.test_start.add_listener(self._begin)  # type: ignore[no-untyped-call]
        events.worker_report.add_listener(self._take)  # type: ignore[no-untyped-call]
        events.quitting.add_listener(self._wait)  # type: ignore[no-untyped-call]

    def _begin(self, **_: object) -> None:
        self._begun = True
        for name in self._runner.clients:
            self._workers.setdefault(name, _Worker())
        for name, worker in self._workers.items():
            worker.before, worker.done, worker.takes_part = worker.begun, False, name in self._runner.clients

    def _take(self, client_id: str, data: dict[str, Any], **_: object) -> None:
        worker = self._workers.setdefault(client_id, _Worker())
        worker.reported = worker.heard = time.monotonic()
        if PROGRESS in data:
            worker.begun, stopped = data[PROGRESS]
            worker.takes_part = worker.takes_part or worker.begun > worker.before
            # A report that was on its way when the test began is of the test before. But a worker that is to quit may
            # not have begun at all.
            worker.done = stopped and (self._quits or worker.begun > worker.before)

    def _wait(self, environment: Environment, **_: object) -> None:
        """Locust's own listener comes after this one, and what has come by then is in Locust's statistics as well."""
        if not self._begun:
            return
        runner, self._quits = self._runner, True
        if len(runner.greenlet):  # it has not told its workers to quit
            runner.quit()
        began = time.monotonic()
        deadline = began + (environment.stop_timeout or 0.0) + MOST_SECONDS
        while time.monotonic() < deadline and any(self._awaited(began)):
            self._hear()
        self.missing += [
            f"worker {name} {self._last_seen(worker, began)}"
            for name, worker in self._workers.items()
            if worker.takes_part and not worker.done
        ]

    def _awaited(self, began: float) -> Iterator[str]:
        for name, client in self._runner.clients.items():
            worker = self._workers.setdefault(name, _Worker())
            if worker.done or client.state == STATE_MISSING:
                continue
            if time.monotonic() - max(worker.heard, began) < SILENT_SECONDS:
                yield name

    def _hear(self) -> None:
        """Take in the next message as Locust does, whose own greenlet for that has ended."""
        try:
            heard = gevent.with_timeout(LOOK_SECONDS, self._runner.server.recv_from_client, timeout_value=None)
        except RPCError:
            gevent.sleep(LOOK_SECONDS)
            return
        if heard is not None:
            name, message = heard
            self._workers.setdefault(name, _Worker()).heard = time.monotonic()
            self._runner.handle_message(name, message)

    @staticmethod
    def _last_seen(worker: _Worker, ended: float) -> str:
        if worker.reported is None:
            return "reported nothing"
        ago = ended - worker.reported
        at = time.strftime("%H:%M:%S", time.localtime(time.time() - (time.monotonic() - worker.reported)))
        return f"reported nothing after {at}, {ago:.1f} s before the end" if ago > 0 else "did not report its end"
