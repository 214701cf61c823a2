"""Runs small fleets in several labs at once, each in its own process, as far as the machine has room for them."""

from __future__ import annotations

import selectors
import signal
import subprocess
import sys
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from loadlab.errors import EnvironmentFaultError
from loadlab.fleet.validation.configurations import MOST_CPU, cpu_cores
from loadlab.model.fleet_trial import ConfigurationResult, Ready
from loadlab.system.processes import inherited

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import IO

    from loadlab.model.fleet_validation import Configuration
    from loadlab.system.processes import Program, Register

MOST_CPU_BESIDE_OTHERS: Final = MOST_CPU / 2
BOOT_SECONDS: Final = 120.0
SPARE_SECONDS: Final = 240.0  # beyond a load's length: servers boot and end, and may hang until something gives them up
STOP_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Lane:
    program: Program
    running: Configuration | None = None


@dataclass(slots=True)
class Lanes:
    """Labs that are ready, on these `versions`."""

    lanes: list[_Lane]
    versions: Mapping[str, str] = field(default_factory=dict)

    def run(self, configurations: Sequence[Configuration]) -> Iterator[ConfigurationResult]:
        """Run them all, and give each answer when it comes.

        Raises:
            EnvironmentFaultError: a lane has died, or hangs.
        """
        waiting = deque(configurations)
        while True:
            self._start(waiting)
            busy = [lane for lane in self.lanes if lane.running]
            if not busy:
                return
            yield from self._heard(busy)

    def _start(self, waiting: deque[Configuration]) -> None:
        """Give each lane that is free the first one for which the machine has room."""
        for lane in self.lanes:
            chosen = None if lane.running else with_room(waiting, [each.running for each in self.lanes])
            if chosen is not None:
                waiting.remove(chosen)
                lane.running = chosen
                _send(lane.program, chosen)

    def _heard(self, busy: Sequence[_Lane]) -> Iterator[ConfigurationResult]:
        """The answers of lanes that have one, after at least one has."""
        with selectors.DefaultSelector() as selector:
            for lane in busy:
                selector.register(_output(lane.program), selectors.EVENT_READ, lane)
            longest = max(lane.running.seconds for lane in busy if lane.running)
            ready = selector.select(longest + SPARE_SECONDS)
        if not ready:
            raise EnvironmentFaultError(f"No small fleet ends; {busy[0].program.log} may tell why.")
        for key, _ in ready:
            yield self._answer(key.data)

    def _answer(self, lane: _Lane) -> ConfigurationResult:
        line = _output(lane.program).readline()
        if not line:
            raise EnvironmentFaultError(f"A lane of the validation ended; its log ends:\n{lane.program.log_tail()}")
        lane.running = None
        return msgspec.json.decode(line, type=ConfigurationResult)


def with_room(waiting: Sequence[Configuration], running: Sequence[Configuration | None]) -> Configuration | None:
    """The first that the machine can run beside those that are running; any where nothing is.

    A load that takes much of it runs alone: the servers of another fleet would boot meanwhile.

    >>> with_room([], [None]) is None
    True
    """
    loads = [cpu_cores(each) for each in running if each]
    if not loads:
        return next(iter(waiting), None)
    return next((each for each in waiting if max(*loads, cpu_cores(each)) <= MOST_CPU_BESIDE_OTHERS), None)


@contextmanager
def lanes(count: int, register: Register, logs: Path) -> Iterator[Lanes]:
    """So many lanes, which boot side by side and are ready; each has a folder for its logs.

    Raises:
        EnvironmentFaultError: one of them does not start.
    """
    started: list[Program] = []
    try:
        started += (_started(number, register, logs / f"lane-{number + 1}") for number in range(count))
        ready = [_ready(program) for program in started]
        yield Lanes([_Lane(program) for program in started], ready[0].versions)
    finally:
        _end(started)


def _started(number: int, register: Register, logs: Path) -> Program:
    logs.mkdir(parents=True, exist_ok=True)
    argv = [sys.executable, "-m", "loadlab.lab.fleets.lane", str(logs.resolve())]
    name = f"Lane {number + 1} of the validation"
    return register.start(name, argv, log=logs / "lane.log", environment=inherited(), pipes=True)


def _ready(program: Program) -> Ready:
    line = program.hear(BOOT_SECONDS)
    if not line:
        raise EnvironmentFaultError(f"{program.name} did not start; its log ends:\n{program.log_tail()}")
    return msgspec.json.decode(line, type=Ready)


def _end(started: Sequence[Program]) -> None:
    """Ask all of them to end, side by side; their labs end what they have started."""
    for program in started:
        with suppress(ProcessLookupError):
            program.popen.send_signal(signal.SIGTERM)
    for program in started:
        with suppress(subprocess.TimeoutExpired):
            program.popen.wait(STOP_SECONDS)
        program.kill()
        for pipe in (program.popen.stdin, program.popen.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def _send(program: Program, configuration: Configuration) -> None:
    pipe = program.popen.stdin
    if pipe is not None:
        with suppress(BrokenPipeError):  # it has ended, as reading its answer will show
            pipe.write(msgspec.json.encode(configuration) + b"\n")
            pipe.flush()


def _output(program: Program) -> IO[bytes]:
    if program.popen.stdout is None:
        raise TypeError(f"{program.name} was started without pipes")
    return program.popen.stdout
