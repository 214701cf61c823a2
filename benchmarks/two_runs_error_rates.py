"""How often the interval of `loadlab compare` holds the truth when the machine changed between the runs.

Writes the tables of docs/explanation/statistics.md, section Two runs.
"""

from __future__ import annotations

from functools import partial
from math import inf, log, sqrt
from typing import TYPE_CHECKING, Final

import error_rates
import numpy as np
from early_looks import CV, MARGIN

from loadlab.stats import between_runs, rank_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from loadlab.stats.intervals import Interval

    Runs = error_rates.Values  # (comparisons, 2 runs, trials), logarithms
    Change = Callable[[np.random.Generator, int, int], Runs]

TRIALS: Final = (4, 8, 12, 24)
LOSSES: Final = (0.0, 0.1, 0.2, 0.3)
APART: Final = 100  # run lengths
ENDLESS: Final = 4  # how much longer a drawn series is than what is used: its ends join
MARKS: Final = ("<!-- two runs: made by `make error-rates` -->", "<!-- end of two runs -->")


def levels(spread: float, noise: str, generator: np.random.Generator, runs: int, trials: int) -> Runs:
    """Each run has a level; those of two runs differ by `spread` times what two trials differ by."""
    drawn = error_rates.NOISES[noise](generator, (runs, trials, 2)).swapaxes(1, 2)
    return drawn + spread * CV * generator.standard_normal((runs, 2, 1))


def steady(generator: np.random.Generator, runs: int, trials: int) -> Runs:
    """A machine that slows down by e^-0.5 in the first run and by as much in the second."""
    when = np.linspace(0, 2, 2 * trials).reshape(2, trials)
    return levels(0, "log-normal", generator, runs, trials) + error_rates.DRIFT * when


def coloured(power: float, apart: int, generator: np.random.Generator, runs: int, trials: int) -> Runs:
    """Noise whose spectrum falls with frequency to this power: the slower, the stronger. A run is all slow noise."""
    length = ENDLESS * (apart + 2) * trials
    frequencies = np.fft.rfftfreq(length)
    frequencies[0] = inf
    parts = generator.standard_normal((2, runs, frequencies.size)) * frequencies ** (-power / 2)
    series = np.fft.irfft(parts[0] + 1j * parts[1], length)
    second = (apart + 1) * trials
    return np.stack([series[:, :trials], series[:, second : second + trials]], axis=1)


CHANGES: Final[Mapping[str, Change]] = {
    "none": partial(levels, 0, "log-normal"),
    "levels of runs vary half as much as trials": partial(levels, 0.5, "log-normal"),
    "levels of runs vary as much as trials": partial(levels, 1, "log-normal"),
    "the same, Student's t, 3 degrees of freedom": partial(levels, 1, "Student's t, 3 degrees of freedom"),
    "the same, exponential, slow trials": partial(levels, 1, "exponential, slow trials"),
    "levels of runs vary twice as much as trials": partial(levels, 2, "log-normal"),
    "steady drift by e^-0.5 in each run, run after run": steady,
    "1/f noise, run after run": partial(coloured, 1, 0),
    f"1/f noise, {APART} run lengths apart": partial(coloured, 1, APART),
    "random walk, run after run": partial(coloured, 2, 0),
}
TOLD: Final = ("none", "levels of runs vary half as much as trials", "levels of runs vary as much as trials")


def drawn(change: str, trials: int, runs: int, seed: int) -> Iterator[Runs]:
    """The two runs of each comparison."""
    generator = np.random.default_rng([seed, trials, *change.encode()])
    for start in range(0, runs, error_rates.AT_ONCE):
        yield from CHANGES[change](generator, min(error_rates.AT_ONCE, runs - start), trials)


def covered(change: str, trials: int, runs: int, seed: int) -> tuple[float, float]:
    """How often the interval of the rank-sum test holds "no change", and how often the one that allows for drift."""
    held = [
        [_holds(shift(before, after)[1]) for shift in (rank_sum.shift, between_runs.shift)]
        for before, after in drawn(change, trials, runs, seed)
    ]
    without, allowing = np.mean(held, axis=0).tolist()
    return without, allowing


def _holds(interval: Interval | None) -> bool:
    return interval is not None and interval.low <= 0 <= interval.high


def told(change: str, loss: float, trials: int, runs: int, seed: int) -> float:
    """How often `--fail-if-worse` tells this loss of throughput."""
    limit, found = log(1 - MARGIN), 0
    for before, after in drawn(change, trials, runs, seed):
        interval = between_runs.shift(before, after + log(1 - loss))[1]
        found += interval is not None and interval.high < limit
    return found / runs


def tables(runs: int, seed: int) -> Iterator[str]:
    """Markdown, line by line."""
    yield (
        f"Seed {seed}, {runs:,} simulated pairs of runs for each figure: the standard error of a rate of 5 % is\n"
        f"{100 * sqrt(0.05 * 0.95 / runs):.2g} %. Trials vary by {100 * CV:g} %. No case differs in truth."
    )
    yield "\n### How often the interval holds the truth\n"
    yield "Without the allowance / with it.\n"
    yield _row("change of the machine \\ trials of each run", map(str, TRIALS))
    yield _row("---", ("---" for _ in TRIALS))
    for change in CHANGES:
        cells = (covered(change, trials, runs, seed) for trials in TRIALS)
        yield _row(change, (f"{without:.3f} / {allowing:.3f}" for without, allowing in cells))
    yield "\n### What `--fail-if-worse` finds\n"
    yield f"The share of comparisons that call a loss of {' / '.join(f'{100 * loss:g} %' for loss in LOSSES)} worse.\n"
    yield _row("change of the machine \\ trials of each run", map(str, TRIALS))
    yield _row("---", ("---" for _ in TRIALS))
    for change in TOLD:
        yield _row(change, (_losses(change, trials, runs, seed) for trials in TRIALS))


def _losses(change: str, trials: int, runs: int, seed: int) -> str:
    return " / ".join(f"{told(change, loss, trials, runs, seed):.3f}" for loss in LOSSES)


def _row(name: str, cells: Iterator[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    error_rates.command(tables, "pairs of runs", MARKS, __doc__)
