"""Makes and prints a run's reports, and says what they mean as an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadlab.cli._screen import width
from loadlab.errors import IncompleteError, InconclusiveError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from loadlab.cli._screen import Screen
    from loadlab.model.findings import Findings, RunSummary


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print what report.json holds, in place of the verdict")


def report_on(path: Path, screen: Screen, *, as_json: bool = False) -> Findings:
    """Print the verdict of the run at `path`, or `as_json` all of it; then make all reports, and say where they are.

    Raises:
        UsageError: there is no run, or it cannot be read.
        EnvironmentFaultError: a report cannot be written; what it says has been printed by then.
    """
    from loadlab.assessment import findings_of
    from loadlab.cli._publish import publish
    from loadlab.report import REPORTS
    from loadlab.report.terminal import Terminal
    from loadlab.store import RunFolder

    folder = RunFolder.at(path)
    findings = findings_of(folder)
    if as_json:
        print(REPORTS["json_file"]().render(findings))
    else:
        print(Terminal(width=width(), colour=screen.colours(sys.stdout)).render(findings))
    for file in publish(folder, findings):
        if file.suffix == ".html":
            print(f"Report: {file.resolve()}", file=sys.stderr if as_json else sys.stdout)
    return findings


def judge(findings: Findings, folder: Path, *, require_verdict: bool) -> int:
    """0, unless trials are missing or a verdict was required and there is none.

    Raises:
        IncompleteError, InconclusiveError: so.
    """
    run = findings.run
    if run.state == "incomplete":
        raise IncompleteError(
            f"The run is incomplete: {_lacking(run)}. loadlab run --resume {folder} measures what is missing or failed."
        )
    open_questions = [verdict.server for verdict in findings.verdicts if verdict.recommend is None]
    if require_verdict and (open_questions or not findings.verdicts):
        raise InconclusiveError(f"No verdict for {', '.join(open_questions) or 'any server mode'}: see why above.")
    return 0


def _lacking(run: RunSummary) -> str:
    if run.trials_done < run.trials_planned:
        return f"{run.trials_done} of {run.trials_planned} trials were recorded"
    return f"all {run.trials_planned} trials were recorded, and some of them failed"
