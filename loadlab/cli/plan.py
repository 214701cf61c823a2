"""List a plan's cases, its number of trials and its expected duration, without running it."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._plan_file import ONLY_HELP, PLAN_HELP, add_plan_options, read_experiment
from loadlab.model.labels import short_names

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from loadlab.model.case import Case
    from loadlab.plan.experiment import Experiment

GATE_HELP: Final = "check this gate too, as `loadlab run` takes it; repeatable"

EXAMPLES: Final = (
    ("loadlab plan", "list the cases of the default plan"),
    ("loadlab plan loadlab.toml --order", "list every trial in the order of the run"),
    ("loadlab plan --project . --against main", "show what a run with these options measures, and how long it takes"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("plan", nargs="?", type=Path, metavar="PLAN", help=PLAN_HELP)
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help=ONLY_HELP)
    parser.add_argument("--ids", action="store_true", help="list the ids of the cases, which contain every parameter")
    parser.add_argument("--order", action="store_true", help="also list every trial in the order of the run")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_plan_options(parser)
    parser.add_argument("--gate", action="append", default=[], metavar="EXPR", help=GATE_HELP)


def execute(arguments: argparse.Namespace) -> int:
    experiment = read_experiment(arguments.plan, arguments.only, arguments)
    print(_as_json(experiment) if arguments.json else _as_text(experiment, arguments))
    return 0


def _order(experiment: Experiment) -> list[tuple[int, Case]]:
    from loadlab.plan.schedule import schedule

    steps = schedule(experiment.cases, experiment.plan.blocks, experiment.plan.seed)
    return [(block, experiment.cases[index]) for block, index in steps]


def _as_json(experiment: Experiment) -> str:
    return json.dumps(
        {
            "cases": [case.id for case in experiment.cases],
            "names": {case.id: name for case, name in short_names(experiment.cases).items()},
            "blocks": experiment.plan.blocks,
            "trials": experiment.trials,
            "expected_seconds": round(experiment.expected_seconds, 1),
            "detects": {f"{share:g}": ratio for share, ratio in detectable(experiment)},
            "left_out": [str(pair) for pair in experiment.left_out],
            "order": [{"block": block, "case": case.id} for block, case in _order(experiment)],
        },
        indent=1,
    )


def _as_text(experiment: Experiment, arguments: argparse.Namespace) -> str:
    from loadlab.report.numbers import minutes, plural

    blocks = experiment.plan.blocks
    names = {case: case.id for case in experiment.cases} if arguments.ids else short_names(experiment.cases)
    lines = list(names.values())
    if arguments.order:
        lines += ["", *(f"block {block}  {names[case]}" for block, case in _order(experiment))]
    lines += [f"left out: {pair}" for pair in experiment.left_out]
    # What a site needs to boot is not known before it has been run once, and each trial boots it.
    boots = "" if experiment.plan.project is None else ", and the time that your site takes to boot, for each"
    amount = f"{plural(len(names), 'case')} × {plural(blocks, 'block')} = {plural(experiment.trials, 'trial')} at most"
    lines += ["", f"{amount}, about {minutes(experiment.expected_seconds)}{boots}", *_power(experiment)]
    return "\n".join(lines)


def _power(experiment: Experiment) -> Iterable[str]:
    """What the plan can find, or that it can find nothing."""
    from loadlab.report.numbers import percentage, plural, ratio
    from loadlab.stats.blocks import blocks_needed
    from loadlab.stats.detectable import POWER

    comparisons, blocks = _comparisons(experiment), experiment.plan.blocks
    if not comparisons:
        return
    among = f"{plural(blocks, 'block')} and {plural(comparisons, 'comparison')}"
    if blocks < blocks_needed(comparisons):
        enough = blocks_needed(comparisons)
        yield f"{among} cannot prove a difference: set blocks to {enough} or more, or compare fewer cases"
        return
    detected = [
        f"≥ {ratio(found)} where trials vary by {percentage(share)}" for share, found in detectable(experiment) if found
    ]
    yield f"{among} detect {', '.join(detected)} ({percentage(POWER)} power)"


def detectable(experiment: Experiment) -> Iterable[tuple[float, float | None]]:
    """For each supposed coefficient of variation of a trial, the smallest ratio that is found."""
    from loadlab.stats.detectable import SUPPOSED, detected

    plan, comparisons = experiment.plan, max(1, _comparisons(experiment))
    for share in SUPPOSED:
        yield share, detected(share, plan.blocks, comparisons, margin=plan.equivalence_margin)


def _comparisons(experiment: Experiment) -> int:
    """Of the question that has most: those of one question share an error of 5 %."""
    from loadlab.analysis.pairs import declared_pairs

    asked = Counter(pair.question for pair in declared_pairs(experiment.cases))
    return max(asked["keep"], asked["side"])
