"""How much trials of one case differ, by the length of their window: what long windows buy, and what many trials do.

Reads a run folder, e.g. one of `loadlab run --fixed`. Of each trial it takes the requests of the first 0.25, 0.5, 1 …
seconds after the warm-up, and compares throughputs between blocks: var(ln throughput) = between + within / seconds.
What lies between trials does not shrink with the window, only with the number of trials.
"""

from __future__ import annotations

import argparse
from math import sqrt
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from loadlab.model.window import Window
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.samples import Trial

SHORTEST: Final = 0.25


def lengths(longest: float) -> list[float]:
    """From the shortest on, each twice as long, and the whole window."""
    found = [SHORTEST]
    while 2 * found[-1] < longest:
        found.append(2 * found[-1])
    return [*found, longest]


def variance(trials: Sequence[Trial], seconds: float) -> float:
    """Of the logarithms of their throughputs over the first seconds of the window."""
    rates = []
    for trial in trials:
        window = Window(trial.window_start, trial.window_start + seconds)
        succeeded = np.asarray(trial.requests.failed)[window.of(trial.requests)] == 0
        rates.append(max(1, int(succeeded.sum())) / seconds)
    return float(np.var(np.log(rates), ddof=1))


def table(path: Path) -> Table:
    by_case: dict[str, list[Trial]] = {}
    for trial in RunFolder.at(path).trials()[0]:
        if trial.state == "complete":
            by_case.setdefault(trial.case.id, []).append(trial)
    cases = [trials for trials in by_case.values() if len(trials) > 2]  # noqa: PLR2004  two say little of a spread
    longest = min(trial.window_end - trial.window_start for trials in cases for trial in trials)
    made = Table(title=f"{len(cases)} cases, {len(cases[0])} to a case; each trial's deviation of ln(throughput), in %")
    for heading in ("window", "median of the cases", "lowest", "highest"):
        made.add_column(heading, justify="right")
    of_length = {seconds: [variance(trials, seconds) for trials in cases] for seconds in lengths(longest)}
    for seconds, found in of_length.items():
        spread = [100 * sqrt(one) for one in found]
        made.add_row(f"{seconds:g} s", f"{median(spread):.1f}", f"{min(spread):.1f}", f"{max(spread):.1f}")
    between, within = components({seconds: median(found) for seconds, found in of_length.items()})
    made.caption = (
        f"between trials {100 * sqrt(between):.1f} %, within one second of a trial {100 * sqrt(within):.1f} %"
    )
    return made


def components(of_length: dict[float, float]) -> tuple[float, float]:
    """The line through the variances over 1 / seconds: where it begins, and how it rises; neither is below 0."""
    inverse = np.array([1 / seconds for seconds in of_length])
    rises, begins = np.polyfit(inverse, np.array(list(of_length.values())), 1)
    return max(0.0, float(begins)), max(0.0, float(rises))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, nargs="+", help="run folders")
    for path in parser.parse_args().run:
        Console().print(table(path))


if __name__ == "__main__":
    main()
