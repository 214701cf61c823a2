"""How often verdicts are wrong, and how much they find: loadlab's own statistics over simulated runs.

Every figure comes from the functions that give the verdicts of a run (`loadlab.analysis`); the first runs of each
setting are also compared as a run is, case by case, and must say the same. Writes the tables of
docs/explanation/statistics.md.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import cache
from math import log, log1p, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

import early_looks
import numpy as np
from early_looks import CV, MARGIN
from numpy.typing import NDArray

from loadlab.analysis import comparisons
from loadlab.analysis.judgement import called
from loadlab.analysis.noise import bars
from loadlab.analysis.pairs import declared_pairs
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.plan.schedule import schedule
from loadlab.stats.blocks import blocks_needed
from loadlab.stats.power import detectable_ratio
from loadlab.stats.signed_rank import Averages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Values: TypeAlias = NDArray[np.float64]  # (runs, blocks, cases), logarithms of what each trial showed

DRIFT: Final = -0.5  # of the logarithm, from the first trial of a run to its last
PER_GROUP: Final = 2  # candidates that share a baseline, as in the default plan
AT_ONCE: Final = 500  # runs, for memory's sake
CHECKED: Final = 5  # runs that are also compared case by case
SEEDS: Final = 60  # orders of trials under drift
FAMILIES: Final = ((6, 1), (7, 2), (8, 2), (8, 6), (10, 2), (10, 6), (10, 10), (12, 6), (12, 20), (14, 6), (14, 20))
BLOCKS: Final = (6, 8, 9, 10, 12, 14)
DRIFTED: Final = ((6, 1), (8, 6), (9, 6), (12, 6))
EQUALS: Final = ((8, 2, 3), (12, 4, 1), (12, 4, 3), (12, 12, 5), (14, 12, 1))  # blocks, cases in a group, groups
COMPARISONS: Final = (1, 2, 4, 6, 10, 20)
EARLY: Final = ((11, 1), (12, 1), (12, 2), (14, 2), (18, 4), (20, 6), (24, 6))
MARKS: Final = ("<!-- error rates: made by `make error-rates` -->", "<!-- end of error rates -->")


def cases_of(count: int) -> list[Case]:
    """So many candidates in groups of two, each group with its baseline; the first baseline is measured twice."""
    made = []
    for number in range(count):
        ages = (0, 60 + number) if number % PER_GROUP == 0 else (60 + number,)
        made += [_case(number // PER_GROUP + 1, age) for age in ages]
    return [*made, _case(1, 0, replica=True)]


def _case(workers: int, age: int, *, replica: bool = False) -> Case:
    return Case(
        server=Config(name="sync", parameters={"workers": workers}),
        strategy=Config(name="max_age", parameters={"max_age": age, "conn_health_checks": False}),
        scenario="read_one",
        users=8,
        keep_alive=False,
        usable_connections=workers,
        replica=replica,
    )


def normal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    return np.log(np.maximum(0.01, 1 + CV * generator.standard_normal(shape)))


def lognormal(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    return CV * generator.standard_normal(shape)


def heavy_tails(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    return CV * generator.standard_t(3, shape) / sqrt(3)


def slow_trials(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    return -CV * generator.standard_exponential(shape)


def two_speeds(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    return log(0.9) * generator.integers(0, 2, shape) + 0.01 * generator.standard_normal(shape)


def drift(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    """A machine that slows down steadily; each run has one of 60 orders, made as a plan's is."""
    _, blocks, cases = shape
    orders = np.array([places(blocks, cases, seed) for seed in range(SEEDS)])
    return lognormal(generator, shape) + DRIFT * orders[generator.integers(0, SEEDS, shape[0])]


def less_and_less_steady(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    """The spread of trials grows tenfold from the first block to the last."""
    return np.geomspace(0.2, 2, shape[1])[:, np.newaxis] * lognormal(generator, shape)


def one_sided(generator: np.random.Generator, shape: tuple[int, int, int]) -> Values:
    """Baselines vary evenly, candidates have slow trials: the differences are skewed. Their centre is put at 0."""
    values = lognormal(generator, shape)
    candidates = np.array([case.max_age != 0 for case in cases_of_width(shape[2])])
    values[..., candidates] = slow_trials(generator, shape)[..., candidates] - _centre()
    return values


@cache
def _centre() -> float:
    """The median of the mean of two differences, which is what Hodges and Lehmann's estimate estimates."""
    generator = np.random.default_rng(0)
    drawn = -CV * generator.standard_exponential((2, 2_000_000)) - CV * generator.standard_normal((2, 2_000_000))
    return float(np.median(drawn.mean(axis=0)))


@cache
def cases_of_width(width: int) -> list[Case]:
    return next(cases for count in range(1, width) if len(cases := cases_of(count)) == width)


@cache
def places(blocks: int, cases: int, seed: int) -> Values:
    """(block, case) → when in the run the trial is made, from 0 to 1."""
    at = np.zeros((blocks, cases))
    for place, (block, case) in enumerate(schedule(cases_of_width(cases), blocks, seed)):
        at[block, case] = place / (blocks * cases - 1)
    return at


NOISES: Final[Mapping[str, Callable[[np.random.Generator, tuple[int, int, int]], Values]]] = {
    "normal": normal,
    "log-normal": lognormal,
    "Student's t, 3 degrees of freedom": heavy_tails,
    "exponential, slow trials": slow_trials,
    "two speeds, one of them 10 % slower": two_speeds,
    "steady drift by e^-0.5": drift,
    "spread that grows tenfold": less_and_less_steady,
    "slow trials in one case only": one_sided,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NoiseSetting:
    noise: str
    blocks: int
    comparisons: int
    seed: int

    def draw(self, runs: int) -> Iterator[tuple[list[Case], Values]]:
        """The runs of an A/A experiment, some at once."""
        cases = cases_of(self.comparisons)
        generator = np.random.default_rng([self.seed, self.blocks, self.comparisons, *self.noise.encode()])
        for start in range(0, runs, AT_ONCE):
            yield cases, NOISES[self.noise](generator, (min(AT_ONCE, runs - start), self.blocks, len(cases)))


def differences(cases: Sequence[Case], values: Values) -> tuple[Values, Values]:
    """(runs, comparison, block) of candidates against their baselines, and (runs, block) of the replica."""
    index = {case: number for number, case in enumerate(cases)}
    pairs = declared_pairs(cases)
    keep = [(index[pair.case], index[pair.baseline]) for pair in pairs if pair.question == "keep"]
    (twin,) = [(index[pair.case], index[pair.baseline]) for pair in pairs if pair.question == "noise"]
    case, baseline = np.array(keep).T
    return (values[..., case] - values[..., baseline]).swapaxes(1, 2), values[..., twin[0]] - values[..., twin[1]]


def verdicts(cases: Sequence[Case], values: Values, shift: Values | float = 0.0, *, floor: bool = True) -> Values:
    """1, -1, 0 or NaN for each (run, comparison), where the candidates differ by `shift` in truth."""
    found, twin = differences(cases, values)
    shifted = found + np.asarray(shift)[..., np.newaxis]
    return early_looks.judged(cases, shifted, twin, early=False, floor=floor).verdict


def check(cases: Sequence[Case], values: Values) -> None:
    """The first runs again, as the analysis of a run folder compares them."""
    ours = verdicts(cases, values[:CHECKED])
    for run, expected in zip(values, ours, strict=False):
        table = {
            ("throughput", case): dict(enumerate(np.exp(run[:, number]).tolist())) for number, case in enumerate(cases)
        }
        rules = comparisons.Rules(bars=bars(cases, table, MARGIN), primary="throughput", blocks=values.shape[1])
        compared = comparisons.compare_all(cases, table, rules)
        names = {"better": 1.0, "worse": -1.0, "equivalent": 0.0}
        theirs = [
            names.get(one.verdict, np.nan) for one in compared if one.question == "keep" and one.metric == "throughput"
        ]
        if not np.array_equal(theirs, expected, equal_nan=True):
            raise AssertionError(f"the analysis says {theirs}, the simulation {expected.tolist()}")


def family_error(setting: NoiseSetting, runs: int) -> float:
    """How often a run in which nothing differs calls anything better or worse."""
    wrong = 0
    for batch, (cases, values) in enumerate(setting.draw(runs)):
        if not batch:
            check(cases, values)
        wrong += int((np.abs(verdicts(cases, values)) == 1).any(axis=1).sum())
    return wrong / runs


def worst_order(setting: NoiseSetting, runs: int) -> float:
    """The family-wise error under drift for the worst of 60 orders, each of `runs` runs."""
    cases, rates = cases_of(setting.comparisons), []
    generator = np.random.default_rng([setting.seed, 1])
    for seed in range(SEEDS):
        shape = (runs, setting.blocks, len(cases))
        values = lognormal(generator, shape) + DRIFT * places(setting.blocks, len(cases), seed)
        rates.append(float((np.abs(verdicts(cases, values)) == 1).any(axis=1).mean()))
    return max(rates)


def covered(setting: NoiseSetting, runs: int) -> float:
    """How often the 95 % interval holds the true ratio."""
    held, built = 0, 0
    for cases, values in setting.draw(runs):
        interval = Averages(differences(cases, values)[0]).interval(0.95)
        if interval is None:
            raise ValueError("too few blocks for an interval")
        inside = (interval[0] <= 0) & (interval[1] >= 0)
        held, built = held + int(inside.sum()), built + inside.size
    return held / built


def false_equivalence(setting: NoiseSetting, runs: int) -> tuple[float, float]:
    """How often a ratio exactly at the lower and at the upper margin is called equivalent."""
    wrong = np.zeros(2)
    for cases, values in setting.draw(runs):
        for side, sign in enumerate((-1, 1)):
            wrong[side] += np.mean(verdicts(cases, values, sign * log1p(MARGIN), floor=False) == 0, axis=1).sum()
    low, high = (wrong / runs).tolist()
    return low, high


def power(setting: NoiseSetting, runs: int, ratio: float, *, floor: bool) -> float:
    """How often a true ratio is called better, where it alone of the family differs."""
    found = 0
    shift = np.zeros(setting.comparisons)
    shift[0] = log(ratio)
    for cases, values in setting.draw(runs):
        found += int((verdicts(cases, values, shift, floor=floor)[:, 0] == 1).sum())
    return found / runs


def tables(runs: int, seed: int) -> Iterator[str]:
    """Markdown, line by line."""
    fives, eighties = (f"{100 * sqrt(share * (1 - share) / runs):.2g} %" for share in (0.05, 0.8))
    yield (
        f"Seed {seed}, {runs:,} simulated runs for each figure: the standard error of a rate of 5 % is {fives}, of a\n"
        f"power of 80 % {eighties}. Trials vary by 5 % unless the noise says otherwise; the margin is 5 %."
    )
    yield from family_errors(runs, seed)
    yield from orders(runs, seed)
    yield from coverage(runs, seed)
    yield from equivalence(runs, seed)
    yield from detected(runs, seed)
    yield from preference(runs, seed)
    yield from stopping(runs, seed)


def family_errors(runs: int, seed: int) -> Iterator[str]:
    yield "\n### Family-wise error\n"
    yield "The share of runs without any difference that call a case better or worse. At most 5 % is promised.\n"
    yield _header("noise", [f"{blocks} / {compared}" for blocks, compared in FAMILIES], "blocks / comparisons")
    for noise in NOISES:
        yield _row(noise, [family_error(_setting(noise, *family, seed), runs) for family in FAMILIES])


def orders(runs: int, seed: int) -> Iterator[str]:
    few = max(200, runs // 5)
    rates = (worst_order(_setting("log-normal", *family, seed), few) for family in DRIFTED)
    shown = (f"{rate:.3f} ({n} / {k})" for rate, (n, k) in zip(rates, DRIFTED, strict=True))
    yield f"\nUnder the drift, the worst of {SEEDS} seeds of the order, each of {few:,} runs: {', '.join(shown)}."


def coverage(runs: int, seed: int) -> Iterator[str]:
    yield "\n### Coverage of the 95 % interval\n"
    yield _header("noise", [str(blocks) for blocks in BLOCKS], "blocks")
    for noise in NOISES:
        yield _row(noise, [covered(_setting(noise, blocks, 2, seed), runs) for blocks in BLOCKS])


def equivalence(runs: int, seed: int) -> Iterator[str]:
    yield "\n### False equivalence\n"
    yield "The share of ratios at the lower / upper margin that are called equivalent. At most 5 % each is promised.\n"
    yield _header("noise", [str(blocks) for blocks in BLOCKS], "blocks")
    for noise in NOISES:
        sides = [false_equivalence(_setting(noise, blocks, 2, seed), runs) for blocks in BLOCKS]
        yield f"| {noise} | {' | '.join(f'{low:.3f} / {high:.3f}' for low, high in sides)} |"


def detected(runs: int, seed: int) -> Iterator[str]:
    yield "\n### What is detected\n"
    yield "The smallest ratio that is detected with 80 % power, if trials vary by 5 %. In brackets: the measured power"
    yield "without / with the noise floor of a replica.\n"
    yield _header("blocks", [str(compared) for compared in COMPARISONS], "comparisons")
    for blocks in range(6, 15):
        found = (_found(_setting("log-normal", blocks, compared, seed), runs) for compared in COMPARISONS)
        yield f"| {blocks} | {' | '.join(found)} |"


def preference(runs: int, seed: int) -> Iterator[str]:
    yield "\n### Passing over a simpler case\n"
    rates = (passed_over(blocks, many, groups, runs, seed) for blocks, many, groups in EQUALS)
    shown = (
        f"{rate:.3f} ({blocks} blocks, {groups} × {many} cases)"
        for rate, (blocks, many, groups) in zip(rates, EQUALS, strict=True)
    )
    yield "If all cases of a group are equally good, this share of runs rejects the simplest case of a group as worse"
    yield f"than the best: {', '.join(shown)}."


def passed_over(blocks: int, many: int, groups: int, runs: int, seed: int) -> float:
    generator = np.random.default_rng([seed, blocks, many, groups])
    wrong = 0
    for start in range(0, runs, AT_ONCE):
        shape = (min(AT_ONCE, runs - start), groups, many + 1, blocks)
        baselines, arms = np.split(CV * generator.standard_normal(shape), [1], axis=2)
        best = Averages(arms - baselines).estimate().argmax(axis=2)[..., np.newaxis, np.newaxis]
        averages = Averages(arms[:, :, 0] - np.take_along_axis(arms, best, axis=2)[:, :, 0])
        interval, narrow = averages.interval(0.95), averages.interval(0.90)
        if interval is None or narrow is None:
            raise ValueError("too few blocks for a verdict")
        p = np.minimum(1.0, averages.p() * groups * (many - 1))
        worse = called(averages.estimate(), interval, narrow, p, margin=log1p(MARGIN), noise=0.0) == -1
        wrong += int(worse.any(axis=1).sum())
    return wrong / runs


def stopping(runs: int, seed: int) -> Iterator[str]:
    yield "\n### Leaving before the last block\n"
    yield "Cases leave once their group is decided. Per noise: family-wise error, coverage of the 95 % interval, and"
    yield "false equivalence at the lower / upper margin.\n"
    yield _header("noise", [f"{blocks} / {compared}" for blocks, compared in EARLY], "most blocks / comparisons")
    for noise in NOISES:
        yield f"| {noise} | {' | '.join(_stopped(_setting(noise, *family, seed), runs) for family in EARLY)} |"
    yield "\nPower at the ratio that the fixed design finds with 80 %: fixed → leaving early. Then the share of trials"
    yield "that is made where every case is 1.5× as fast as its baseline.\n"
    yield _header("", [f"{blocks} / {compared}" for blocks, compared in EARLY], "most blocks / comparisons")
    both = [_power_and_share(_setting("log-normal", *family, seed), runs) for family in EARLY]
    yield f"| power | {' | '.join(f'{fixed:.3f} → {early:.3f}' for fixed, early, _ in both)} |"
    yield f"| trials | {' | '.join(f'{100 * share:.0f} %' for *_, share in both)} |"


def _stopped(setting: NoiseSetting, runs: int) -> str:
    wrong = held = count = 0
    sides = np.zeros(2)
    for batch, (cases, values) in enumerate(setting.draw(runs)):
        found, twin = differences(cases, values)
        ours = early_looks.judged(cases, found, twin)
        if not batch:
            early_looks.check(cases, values[:CHECKED], ours)
        wrong += int((np.abs(ours.verdict) == 1).any(axis=1).sum())
        held, count = held + int(((ours.low <= 0) & (ours.high >= 0)).sum()), count + ours.low.size
        for side, sign in enumerate((-1, 1)):
            at_margin = early_looks.judged(cases, found + sign * log1p(MARGIN), twin, floor=False)
            sides[side] += np.mean(at_margin.verdict == 0, axis=1).sum()
    low, high = (sides / runs).tolist()
    return f"{wrong / runs:.3f}, {held / count:.3f}, {low:.3f} / {high:.3f}"


def _power_and_share(setting: NoiseSetting, runs: int) -> tuple[float, float, float]:
    fixed = early = 0
    blocks = 0.0
    shift = np.zeros((setting.comparisons, 1))
    shift[0] = early_looks.effect(setting.blocks, setting.comparisons)
    for cases, values in setting.draw(runs):
        found, twin = differences(cases, values)
        for_all = early_looks.judged(cases, found + log(early_looks.STRONG), twin)
        blocks += float(for_all.blocks.mean(axis=1).sum())
        fixed += int(
            (early_looks.judged(cases, found + shift, twin, early=False, floor=False).verdict[:, 0] == 1).sum()
        )
        early += int((early_looks.judged(cases, found + shift, twin, floor=False).verdict[:, 0] == 1).sum())
    return fixed / runs, early / runs, blocks / runs / setting.blocks


def _setting(noise: str, blocks: int, compared: int, seed: int) -> NoiseSetting:
    return NoiseSetting(noise=noise, blocks=blocks, comparisons=compared, seed=seed)


def _found(setting: NoiseSetting, runs: int) -> str:
    if setting.blocks < blocks_needed(setting.comparisons):
        return "–"
    ratio = detectable_ratio(sqrt(2) * CV, setting.blocks, setting.comparisons, margin=MARGIN)
    if ratio is None:
        return "–"
    without, with_floor = (power(setting, runs, ratio, floor=floor) for floor in (False, True))
    return f"{ratio:.3f}× ({without:.2f} / {with_floor:.2f})"


def _header(first: str, columns: Sequence[str], what: str) -> str:
    return f"| {first} \\ {what} | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}"


def _row(name: str, rates: Sequence[float]) -> str:
    return f"| {name} | {' | '.join(f'{rate:.3f}' for rate in rates)} |"


def command(
    tables_of: Callable[[int, int], Iterator[str]], what: str, marks: tuple[str, str], description: str | None
) -> None:
    """Print the tables of so many runs of a seed, and put them between two marks of a Markdown file if it is named."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--runs", type=int, default=4000, help=f"simulated {what} for each figure")
    parser.add_argument("--seed", type=int, default=2013)
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the tables in this Markdown file")
    arguments = parser.parse_args()
    lines = []
    for line in tables_of(arguments.runs, arguments.seed):
        print(line, flush=True)
        lines.append(line)
    if arguments.write:
        begin, end = marks
        text = arguments.write.read_text(encoding="utf-8")
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        if not found:
            sys.exit(f"{arguments.write} has no tables to replace: it needs the lines {begin} and {end}")
        arguments.write.write_text(f"{before}{begin}\n\n" + "\n".join(lines) + f"\n\n{end}{after}", encoding="utf-8")


if __name__ == "__main__":
    command(tables, "runs", MARKS, __doc__)
