"""Sends tasks to a worker, as many at once as it can run, and reads what became of each."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadlab.system.processes import Program

READY_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 60.0  # a task that has no result then has failed; every limit under test is shorter
POLL_SECONDS: Final = 0.01


class TaskSender:
    """Rounds of `at_once` tasks for `worker`; `feeder` takes orders on its standard input, and `reports` is its file.

    The tasks of a round run at one instant, each in its own thread or process: they wait for each other.
    """

    def __init__(self, worker: Program, feeder: Program, reports: Path, at_once: int) -> None:
        self.worker = worker
        self._feeder = feeder
        self._reports = reports
        self._at_once = at_once
        self._rounds = 0
        self._read = 0
        self._served: list[int] = []

    def await_ready(self) -> None:
        """Wait until the worker runs tasks: a round of them that touch no database.

        Raises:
            EnvironmentFaultError: it does not, or ends.
        """
        if self._came(self._send(1, query=False), READY_SECONDS) < self._at_once:
            raise EnvironmentFaultError(
                f"The worker {self.worker.name} ran no task within {READY_SECONDS:g} s. Its log, {self.worker.log},"
                f" ends:\n{self.worker.log_tail()}"
            )

    def ask(self, path: str, each: int = 1) -> int:  # noqa: ARG002  as clients of a server ask
        """Have so many rounds done, one after the other; returns how many tasks failed or never came to an end."""
        done_before = len(self._served)
        if self._at_once == 1:
            self._came(self._send(each), PATIENCE_SECONDS)
        else:
            for _ in range(each):
                self._came(self._send(1), PATIENCE_SECONDS)
        return each * self._at_once - (len(self._served) - done_before)

    def hang_up(self) -> None:
        """Nothing is kept from one task to the next."""

    def reused(self, since: int = 0) -> int:
        """How many tasks, from that one on, had a session that had served another."""
        served = self._served[since:]
        return len(served) - len(set(served))

    @property
    def succeeded(self) -> int:
        """How many tasks have made their query."""
        return len(self._served)

    def _send(self, rounds: int, *, query: bool = True) -> range:
        first, self._rounds = self._rounds, self._rounds + rounds
        orders = range(first, self._rounds)
        stream = self._feeder.popen.stdin
        if stream is not None:
            with suppress(BrokenPipeError):  # it has ended, and nothing will come
                for number in orders:
                    stream.write(json.dumps([number, self._at_once, query]).encode() + b"\n")
                stream.flush()
        return orders

    def _came(self, rounds: range, seconds: float) -> int:
        """Wait for the reports of these rounds; returns how many there are."""
        came, deadline = 0, time.monotonic() + seconds
        while came < len(rounds) * self._at_once and time.monotonic() < deadline:
            running = self.worker.running() and self._feeder.running()
            new = [line for line in self._new_lines() if line["round"] in rounds]
            self._served += [line["backend"] for line in new if line.get("backend")]
            came += len(new)
            if not running and not new:
                break
            time.sleep(POLL_SECONDS)
        return came

    def _new_lines(self) -> Sequence[dict[str, Any]]:
        with self._reports.open("rb") as file:
            file.seek(self._read)
            whole, newline, _ = file.read().rpartition(b"\n")
        self._read += len(whole) + len(newline)
        return [json.loads(line) for line in whole.splitlines()]
