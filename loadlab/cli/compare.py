"""Compare two runs: what changed in speed, connections and environment.

Cases are paired by what both runs share. A factor that differs in every case, such as the users, counts as a change
between the runs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._garbage import left_lying
from loadlab.cli._gates import add_gate_arguments, require_gates, strict, write_gates
from loadlab.cli._screen import width
from loadlab.errors import GateError, IncompleteError, InconclusiveError, UsageError
from loadlab.system.ending import reader_may_go

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from loadlab.model.contrasts import RunContrast
    from loadlab.model.findings import Findings
    from loadlab.model.recorded import RecordedRun
    from loadlab.report.content.gates import GateLine


EXAMPLES: Final = (
    ("loadlab compare runs/before runs/after", "print what changed"),
    ("loadlab compare runs/before runs/after --fail-if-worse", "fail a CI job if the second run is worse"),
    ("loadlab compare runs/before runs/after --gate 'throughput >= 0.9 × baseline'", "allow a loss of 10 % at most"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("before", type=Path, metavar="DIR", help="the first run folder")
    parser.add_argument("after", type=Path, metavar="DIR", help="the second run folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--markdown", action="store_true", help="print Markdown")
    parser.add_argument(
        "--fail-if-worse",
        action="store_true",
        help="exit with 10 if the second run is worse in its primary metric or leaks, with 11 if that is unknown",
    )

    add_gate_arguments(parser, "throughput >= 0.95 × baseline")


def execute(arguments: argparse.Namespace) -> int:
    with left_lying():
        return _execute(arguments)


def _execute(arguments: argparse.Namespace) -> int:
    from loadlab.store.reader import RunReader

    folders = [RunReader.at(path) for path in (arguments.before, arguments.after)]
    # The analysis takes a second to import: not before both are known to be runs.
    from loadlab.analysis import contrast, findings_of

    first, second = (folder.recorded() for folder in folders)
    before, after = findings_of(first), findings_of(second)
    compared = contrast(before, after)
    runs = _named(arguments.before, arguments.after)
    if not compared.arms:
        raise UsageError(_nothing_in_common(compared, runs))
    gates = _gates(before, after, second, arguments)
    with reader_may_go():
        print(_rendered(compared, runs, gates, arguments))
    write_gates(gates, arguments, started=after.run.started, measured=str(arguments.after))
    for path, findings in zip((arguments.before, arguments.after), (before, after), strict=True):
        for remark in _remarks(findings):
            print(f"note: {path}: {remark}", file=sys.stderr)
    found = zip(folders, (before, after), strict=True)
    damaged = [str(folder.path / name) for folder, findings in found for name in findings.run.damaged]
    if damaged:
        raise IncompleteError(
            f"These files are damaged and were ignored: {', '.join(damaged)}. `loadlab report DIR` explains each."
        )
    require_gates(gates)
    if arguments.fail_if_worse:
        _gate(compared)
    return 0


def _remarks(findings: Findings) -> Iterator[str]:
    """What makes one of two runs a poor witness; a machine that was busy in one of them changes their ratios."""
    from loadlab.model.caveats import CaveatKind
    from loadlab.report.content.story import caveats

    run = findings.run
    if run.state == "incomplete":
        yield f"It is incomplete: {run.trials_done} of {run.trials_planned} trials."
    busy = replace(findings, caveats=tuple(one for one in findings.caveats if one.kind is CaveatKind.BUSY_MACHINE))
    yield from (one.line for one in caveats(busy))


def _gates(
    before: Findings, after: Findings, recorded: RecordedRun, arguments: argparse.Namespace
) -> Sequence[GateLine]:
    """The gates of the command line, on the second run beside the first."""
    from loadlab.analysis.gate_evidence import questions_between
    from loadlab.analysis.gates import decide
    from loadlab.model.gates import Gates
    from loadlab.model.labels import short_names
    from loadlab.plan.gates import gates_on
    from loadlab.plan.parse import read_measured_plan
    from loadlab.report.content.gates import lines

    plan, cases = read_measured_plan(recorded.plan, recorded.plan_path), [arm.case for arm in after.arms]
    gates = gates_on(plan, arguments.gate, cases, between_runs=True)
    results = decide(questions_between(before, after, gates))
    return lines(strict(Gates(results=results), arguments), short_names(cases))


def _named(before: Path, after: Path) -> tuple[str, str]:
    """Both by the names of their folders, or by their paths if those are the same."""
    names = before.resolve().name, after.resolve().name
    return names if names[0] != names[1] else (str(before), str(after))


def _nothing_in_common(compared: RunContrast, runs: Sequence[str]) -> str:
    first = (f"{runs[0]} has {_some(compared.only_before)}", f"{runs[1]} has {_some(compared.only_after)}")
    return f"The two runs have no case in common: {', '.join(first)}. Measure the same cases in both."


def _some(cases: Sequence[str]) -> str:
    more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
    return f"{cases[0]}{more}" if cases else "none"


def _rendered(
    compared: RunContrast, runs: Sequence[str], gates: Sequence[GateLine], arguments: argparse.Namespace
) -> str:
    from loadlab.report import comparison

    if arguments.json:
        return json.dumps(comparison.as_json(compared, runs, gates), indent=1)
    if arguments.markdown:
        return comparison.as_markdown(compared, runs, gates)
    return comparison.text(compared, width(), runs, gates)


def _gate(compared: RunContrast) -> None:
    """Hold the second run to the first.

    Raises:
        GateError: it is worse, naming each case.
        InconclusiveError: nothing is worse that can be told, and something cannot.
    """
    from loadlab.analysis.regressions import regressions
    from loadlab.report.prose.regressions import said

    worse, unknown = regressions(compared)
    if worse:
        raise GateError("\n".join(["The second run is worse:", *(f"  {said(one)}" for one in worse)]))
    if unknown:
        raise InconclusiveError(
            "\n".join(["It is not certain whether the second run is worse:", *(f"  {said(one)}" for one in unknown)])
        )
