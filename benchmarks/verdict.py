"""How soon a run comes to its verdicts: this tree beside another one, or beside its own plan to the last block.

Each round runs every arm once, in an order that is reversed from round to round. Verdicts are compared too: a run
that is faster and says something else is no gain.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

from rich.console import Console
from rich.table import Table
from workbench import watching

HERE: Final = Path(__file__).resolve().parent.parent
NO_VERDICT: Final = (0, 11, 12)  # exit codes of a run that has made its trials


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A command of one tree; `seconds` and `verdicts` are those of its rounds."""

    name: str
    tree: Path
    options: tuple[str, ...]
    seconds: list[float] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)
    verdicts: list[dict[str, str]] = field(default_factory=list)

    def run(self, plan: list[str]) -> None:
        python = self.tree / ".venv" / "bin" / "python"
        program = str(python) if python.exists() else sys.executable
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            argv = [program, "-m", "loadlab", "run", *plan, "--out", str(folder), *self.options]
            begun = time.monotonic()
            done = subprocess.run(argv, cwd=self.tree, capture_output=True, text=True, check=False)
            self.seconds.append(time.monotonic() - begun)
            if done.returncode not in NO_VERDICT:
                sys.exit(f"{self.name} failed:\n{done.stderr[-2000:]}")
            report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        self.trials.append(report["run"]["trials_done"])
        self.verdicts.append({one["server"]: _said(one) for one in report["verdicts"]})


def _said(verdict: dict[str, object]) -> str:
    recommended = verdict["recommend"]
    if not isinstance(recommended, dict):
        return "no recommendation"
    return f"{recommended['strategy']} {recommended['max_age']}"


def table(arms: list[Arm], plan: list[str]) -> Table:
    base = arms[-1]
    made = Table(title=f"loadlab run {' '.join(plan)}: from the command to its report")
    for heading in ("arm", "seconds: median (all)", "trials", "ratio: median (all)", "verdicts"):
        made.add_column(heading)
    for arm in arms:
        ratios = [ours / theirs for ours, theirs in zip(arm.seconds, base.seconds, strict=True)]
        alike = sum(ours == theirs for ours, theirs in zip(arm.verdicts, base.verdicts, strict=True))
        made.add_row(
            arm.name,
            f"{median(arm.seconds):.0f} ({', '.join(f'{one:.0f}' for one in arm.seconds)})",
            ", ".join(map(str, arm.trials)),
            f"{median(ratios):.2f}× ({', '.join(f'{one:.2f}' for one in ratios)})",
            f"the same in {alike} of {len(ratios)}",
        )
    made.caption = "; ".join(f"{server}: {said}" for server, said in base.verdicts[-1].items())
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("plan", nargs="*", help="a plan as `loadlab run` takes it (default: the default plan)")
    parser.add_argument(
        "--tree", type=Path, help="another tree of loadlab, with its .venv (default: this one, --fixed)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    now = Arm(name="this tree", tree=HERE, options=())
    other = (
        Arm(name=arguments.tree.name, tree=arguments.tree.resolve(), options=())
        if arguments.tree
        else Arm(name="this tree, --fixed", tree=HERE, options=("--fixed",))
    )
    with watching("verdict") as watch:
        order = [arm for number in range(arguments.rounds) for arm in ((now, other) if number % 2 else (other, now))]
        for arm in watch.over(order, lambda one: one.name):
            arm.run(arguments.plan)
    Console().print(table([now, other], arguments.plan))


if __name__ == "__main__":
    main()
