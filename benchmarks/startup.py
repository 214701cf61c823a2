"""What commands and runs take before, between and after measuring, as ratios to another tree of loadlab.

    python benchmarks/startup.py --baseline ../other-tree

Each tree has its own virtualenv in `.venv`. They take turns, and the first of each pair changes.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HERE: Final = Path(__file__).resolve().parent.parent
COMMANDS: Final = {"--help": ["--help"], "plan": ["plan"], "plan strategies": ["plan", "strategies"]}
LOAD_SECONDS: Final = 1.0
PLAN: Final = """
blocks = {blocks}
warmup_seconds = 0.5
window_seconds = 0.5
users = [4]
[servers.{mode}]
[strategies.max_age]
max_age = [0, 60]
"""
MODES: Final = ("sync", "gthread", "gevent", "asgi", "threaded")
RUN_BLOCKS: Final = 2

Quantities = dict[str, float]
Turns = dict[str, dict[str, list[float]]]  # by quantity and tree


def main() -> None:
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console.width = 120
    trees = {"new": HERE, "baseline": arguments.baseline.resolve()}
    console.print(_table("CPU seconds of a command", _turns(trees, arguments.rounds, _commands)))
    console.print(_table("Seconds of a small run, outside of its loads", _turns(trees, arguments.runs, _runs)))


def _turns(
    trees: Mapping[str, Path], rounds: int, measure: Callable[[Path], Quantities]
) -> dict[str, dict[str, list[float]]]:
    """The values of each quantity by tree, one of each round."""
    values: Turns = defaultdict(lambda: defaultdict(list))
    for number in range(rounds):
        for name in trees if number % 2 else reversed(list(trees)):
            for quantity, value in measure(trees[name]).items():
                values[quantity][name].append(value)
    return values


def _commands(tree: Path) -> Quantities:
    return {f"loadlab {name}": _cpu(tree, line) for name, line in COMMANDS.items()}


def _cpu(tree: Path, line: Sequence[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _loadlab(tree, line)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _loadlab(tree: Path, line: Sequence[str]) -> None:
    argv = [str(tree / ".venv" / "bin" / "python"), "-m", "loadlab", *line]
    subprocess.run(argv, cwd=tree, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _runs(tree: Path) -> Quantities:
    found: Quantities = {}
    for mode in MODES:
        with tempfile.TemporaryDirectory() as folder:
            plan, out = Path(folder, "plan.toml"), Path(folder, "run")
            plan.write_text(PLAN.format(mode=mode, blocks=RUN_BLOCKS))
            began = time.time()
            _loadlab(tree, ["run", str(plan), "--out", str(out)])
            found |= _read(mode, out, began, time.time())
    return found


def _read(mode: str, out: Path, began: float, ended: float) -> Quantities:
    events = [json.loads(line) for line in (out / "progress.jsonl").read_text().splitlines()]
    starts = [event["at"] for event in events if event["event"] == "trial_began"]
    ends = [event["at"] for event in events if event["event"] == "trial_ended"]
    # The first trial's server has none before it that it could boot beside.
    between = [later - earlier - LOAD_SECONDS for earlier, later in pairwise(ends)]
    return {"before the first trial": starts[0] - began, f"per trial, {mode}": median(between)} | {
        "after the last trial": ended - ends[-1]
    }


def _table(title: str, values: Mapping[str, Mapping[str, Sequence[float]]]) -> Table:
    made = Table(title=title, caption="Medians. Ratios, new over baseline: of the medians, and of single rounds.")
    for heading in ("", "new", "baseline", "ratio"):
        made.add_column(heading, justify="right" if heading else "left")
    for quantity, by_tree in values.items():
        new, old = by_tree["new"], by_tree["baseline"]
        rounds = [a / b for a, b in zip(new, old, strict=True)]
        ratio = f"{median(new) / median(old):.2f}× ({min(rounds):.2f}–{max(rounds):.2f})"
        made.add_row(quantity, f"{median(new):.3f}", f"{median(old):.3f}", ratio)
    return made


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, required=True, metavar="DIR", help="the other tree")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="of commands (default: 9)")
    parser.add_argument("--runs", type=int, default=3, metavar="N", help="of runs (default: 3)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
