"""How often gates are wrong, and how much they catch: the functions that decide them, over simulated builds.

Writes the tables of docs/explanation/statistics.md, section Gates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import log, sqrt
from typing import TYPE_CHECKING, Final

import error_rates
import numpy as np

from loadlab.analysis.gates import OverBlocks, OverTrials, Question, decide
from loadlab.model.gates import GateOutcome
from loadlab.plan.gates import read_gates

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.analysis.gates import Estimator
    from loadlab.model.gates import Gate

CV: Final = 0.045  # of a trial's throughput, as benchmarks/variance.py measures it in the default plan
LOSS: Final = 0.1
BLOCKS: Final = 12  # of the default plan
NOISES: Final = tuple(error_rates.NOISES)
SKEWED: Final = "two speeds, one of them 10 % slower"  # its median is not defined
MARKS: Final = ("<!-- gates: made by `make error-rates` -->", "<!-- end of gates -->")


@dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """One gate on so many cases; `kind` says what its limit is."""

    kind: str  # "blocks": a baseline of the same run; "trials": a number
    limit: float
    cases: int
    blocks: int = BLOCKS
    noise: str = "log-normal"
    loss: float = 0.1

    @property
    def heading(self) -> str:
        what = {"blocks": f"{self.limit:g}×", "trials": "a number"}[self.kind]
        return f"{what}, {self.cases}" + (f", loss of {100 * self.loss:g} %" if self.loss != LOSS else "")

    def drawn(self, runs: int, seed: int, shift: float) -> Iterator[list[Estimator]]:
        """What is known of each case; the first one differs by `shift` from its baseline, or from the limit."""
        setting = error_rates.NoiseSetting(noise=self.noise, blocks=self.blocks, comparisons=self.cases, seed=seed)
        for cases, drawn in setting.draw(runs):
            values = drawn * (CV / error_rates.CV)
            if self.kind == "blocks":
                found = error_rates.differences(cases, values)[0]
                found[:, 0] += shift
                yield from ([OverBlocks(one) for one in run] for run in found)
            else:
                found = values[..., : self.cases].swapaxes(1, 2) - median_of(self.noise)
                found[:, 0] += shift
                yield from ([OverTrials(np.exp(one)) for one in run] for run in found)


def median_of(noise: str) -> float:
    drawn = error_rates.NOISES[noise](np.random.default_rng(0), (500, BLOCKS, len(error_rates.cases_of(6))))
    return float(np.median(drawn)) * CV / error_rates.CV


def gate(build: Build) -> Gate:
    text = f"p95 <= {build.limit:g} s" if build.kind == "trials" else f"throughput >= {build.limit:g} × baseline"
    return read_gates([text])[0]


def outcomes(build: Build, runs: int, seed: int, shift: float = 0.0) -> tuple[float, float, float]:
    """The shares of builds that fail, that are undecided, and in which the first case's own gate fails."""
    asked, failed, undecided, first = gate(build), 0, 0, 0
    for case_evidence in build.drawn(runs, seed, shift):
        results = decide([Question(gate=asked, evidence=one) for one in case_evidence])
        found = [one.outcome for one in results]
        failed += GateOutcome.FAIL in found
        undecided += GateOutcome.UNDECIDED in found and GateOutcome.FAIL not in found
        first += found[0] is GateOutcome.FAIL
    return failed / runs, undecided / runs, first / runs


NOTHING: Final = (
    Build(kind="blocks", limit=0.95, cases=1),
    Build(kind="blocks", limit=0.95, cases=6),
    Build(kind="blocks", limit=1, cases=1),
    Build(kind="blocks", limit=1, cases=6),
    Build(kind="blocks", limit=1, cases=20),
    Build(kind="trials", limit=1, cases=6),
    Build(kind="trials", limit=1, cases=20),
)
POWER: Final = (
    Build(kind="blocks", limit=0.95, cases=1),
    Build(kind="blocks", limit=0.95, cases=6),
    Build(kind="blocks", limit=0.95, cases=20),
    Build(kind="blocks", limit=0.9, cases=6, loss=0.2),
)
SIZES: Final = (8, 10, 12, 14, 16)


def changed(build: Build, *, noise: str = "log-normal", blocks: int = BLOCKS) -> Build:
    return replace(build, noise=noise, blocks=blocks)


def tables(runs: int, seed: int) -> Iterator[str]:
    """Markdown, line by line."""
    fives, eighties = (f"{100 * sqrt(share * (1 - share) / runs):.2g} %" for share in (0.05, 0.8))
    yield (
        f"Seed {seed}, {runs:,} simulated builds for each figure: the standard error of a rate of 5 % is {fives}, of\n"
        f"a power of 80 % {eighties}. Trials vary by {100 * CV:g} %. There are {BLOCKS} blocks unless a row says so."
    )
    yield "\n### A change of nothing\n"
    yield "The share of builds that fail although nothing changed. A limit that is a number lies exactly at the truth,"
    yield "which is the worst place. At most 5 % is promised.\n"
    yield _row("noise \\ limit, cases", [build.heading for build in NOTHING])
    yield "|---|" + "---|" * len(NOTHING)
    for noise in NOISES:
        yield _row(noise, [_nothing(build, noise, runs, seed) for build in NOTHING])
    yield "\n### A loss of 10 %\n"
    yield "The share of builds in which the one case that lost 10 % of its throughput fails / the share of builds that"
    yield "pass if nothing changed. Nearly all others are undecided.\n"
    yield _row("blocks \\ limit, cases", [build.heading for build in POWER])
    yield "|---|" + "---|" * len(POWER)
    for blocks in SIZES:
        yield _row(str(blocks), [_caught(changed(build, blocks=blocks), runs, seed) for build in POWER])


def _nothing(build: Build, noise: str, runs: int, seed: int) -> str:
    if build.kind == "trials" and noise in (SKEWED, "steady drift by e^-0.5", "slow trials in one case only"):
        return "–"
    return f"{outcomes(changed(build, noise=noise), runs, seed)[0]:.3f}"


def _caught(build: Build, runs: int, seed: int) -> str:
    failed, undecided, _ = outcomes(build, runs, seed)
    return f"{outcomes(build, runs, seed, log(1 - build.loss))[2]:.3f} / {1 - failed - undecided:.3f}"


def _row(name: str, cells: Sequence[str]) -> str:
    return f"| {name} | {' | '.join(cells)} |"


if __name__ == "__main__":
    error_rates.command(tables, "builds", MARKS, __doc__)
