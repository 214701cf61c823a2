"""Simulates one strategy several times, as often as is soon done, with all cores where one takes too long."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from loadlab.fleet.engine.simulate import engine_for, simulate

if TYPE_CHECKING:
    from loadlab.model.fleet import Application, Keeping, Numbers, Scene, Simulated

USUAL: Final = 10  # repeats, where no number is given
FEWEST: Final = 4
SOON: Final = 6.0  # seconds, of all repeats on one core
LONG: Final = 4.0  # the same from where on more processes are worth their start


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulation:
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


def repeated(simulation: Simulation, repeats: int | None, seed: int) -> list[Simulated]:
    """As many simulations as are asked for, or as `how_often` says.

    Raises:
        UsageError: it is not known how the server mode spreads requests.
    """
    seconds = engine_for(simulation.keeping, simulation.application, simulation.scene).seconds
    count = how_often(seconds, repeats)
    cores = min(count, len(os.sched_getaffinity(0)))
    if cores == 1 or seconds * count < LONG:
        return [simulation.run(generator(seed, number)) for number in range(count)]
    # Not forked: the command may have threads that show its progress.
    with multiprocessing.get_context("spawn").Pool(cores, _undisturbed) as pool:
        return pool.starmap(_run, [(simulation, seed, number) for number in range(count)], chunksize=1)


def _undisturbed() -> None:
    """The command itself hears Ctrl-C, and ends these."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A command that is being stopped ignores it, and a process that starts then inherits that.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _run(simulation: Simulation, seed: int, number: int) -> Simulated:
    return simulation.run(generator(seed, number))
