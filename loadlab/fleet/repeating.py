"""Simulates one strategy several times, as often as is soon done, with all cores where one takes too long."""

from __future__ import annotations

import multiprocessing
import os
import signal
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from loadlab.errors import EnvironmentFaultError
from loadlab.fleet.engine.simulate import engine_for, simulate
from loadlab.system.signals import undisturbed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated

USUAL: Final = 10  # repeats, where no number is given
FEWEST: Final = 4
SOON: Final = 6.0  # seconds, of all repeats on one core
LONG: Final = 4.0  # the same from where on more processes are worth their start


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationInputs:
    """All that a simulation needs, but for its random numbers."""

    keeping: Keeping
    application: Application
    scene: Scene
    at: Numbers

    def run(self, random: np.random.Generator) -> Simulated:
        return simulate(self.keeping, self.application, self.scene, self.at, random)


def how_often(seconds: float, asked: int | None) -> int:
    """How many repeats: as many as are asked for; else up to ten, fewer where each takes so many seconds."""
    return asked or min(USUAL, max(FEWEST, int(SOON / max(seconds, 1e-9))))


def generator(seed: int, repeat: int) -> np.random.Generator:
    """The same for every strategy of a fleet, so that they meet the same requests as far as an engine allows."""
    return np.random.default_rng([seed, repeat])


def repeated(simulation: SimulationInputs, repeats: int | None, seed: int) -> list[Simulated]:
    """As many simulations as are asked for, or as `how_often` says.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    seconds = engine_for(simulation.keeping, simulation.application, simulation.scene).seconds
    count = how_often(seconds, repeats)
    cores = min(count, len(os.sched_getaffinity(0)))
    if cores == 1 or seconds * count < LONG:
        return [simulation.run(generator(seed, number)) for number in range(count)]
    return _in_processes(simulation, seed, count, cores)


def _in_processes(simulation: SimulationInputs, seed: int, count: int, cores: int) -> list[Simulated]:
    """In so many processes, which end with this call, however it ends."""
    context = multiprocessing.get_context("spawn")  # not forked: the command may have threads that show its progress
    # Started by the first process otherwise, it would unblock SIGINT for it (CPython 3.11 to 3.13).
    resource_tracker.ensure_running()
    found: dict[int, Simulated] = {}
    with ExitStack() as stack:
        waiting = []
        for first in range(cores):
            receiver, sender = context.Pipe(duplex=False)
            work = (sender, simulation, seed, range(first, count, cores))
            process = context.Process(target=_simulate, args=work, daemon=True)
            stack.callback(_end, process)
            with undisturbed(), _without_interrupts():
                process.start()
            sender.close()
            waiting.append(receiver)
        while waiting:
            for receiver in cast("list[Connection]", wait(waiting)):
                try:
                    number, simulated = receiver.recv()
                except EOFError:
                    waiting.remove(receiver)
                else:
                    found[number] = simulated
    if len(found) < count:
        raise EnvironmentFaultError("a process that simulated has ended: was there enough memory for it?")
    return [found[number] for number in range(count)]


def _simulate(sender: Connection, simulation: SimulationInputs, seed: int, numbers: Sequence[int]) -> None:
    with sender:
        for number in numbers:
            sender.send((number, simulation.run(generator(seed, number))))


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """What starts within never hears Ctrl-C: the command does, and ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end(process: BaseProcess) -> None:
    """At once, as it holds nothing that needs an orderly end; one that has not begun has no pid."""
    if process.pid is not None:
        process.kill()
        process.join()
