"""Makes and prints a run's reports, and says what they mean as an exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadlab.errors import IncompleteError, InconclusiveError
from loadlab.store import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.findings import Findings, RunSummary


def report_on(path: Path) -> Findings:
    """Make all reports of the run at `path`; print the verdict, then where the HTML page is."""
    # Analysis and reports take a second to import: not before there is something to say.
    from loadlab.cli._publish import publish  # noqa: PLC0415
    from loadlab.report.terminal import Terminal  # noqa: PLC0415

    findings, written = publish(RunFolder.at(path))
    print(Terminal(colour=sys.stdout.isatty()).render(findings))
    for file in written:
        if file.suffix == ".html":
            print(f"Report: {file.resolve()}")
    return findings


def judge(findings: Findings, folder: Path, *, require_verdict: bool) -> int:
    """0, unless trials are missing, files are damaged, or a verdict was required and there is none.

    Raises:
        IncompleteError, InconclusiveError: so.
    """
    run = findings.run
    command = RunFolder.at(folder).continuation().command(folder)
    if run.state == "incomplete":
        raise IncompleteError(
            f"The run is incomplete: {_lacking(run)}.{_of_damage(run)} {command} measures what is missing or failed."
        )
    if run.damaged:
        raise IncompleteError(f"All trials are there.{_of_damage(run)} {command} mends what can be mended.")
    open_questions = [verdict.server for verdict in findings.verdicts if verdict.recommend is None]
    if require_verdict and (open_questions or not findings.verdicts):
        raise InconclusiveError(f"No verdict for {', '.join(open_questions) or 'any server mode'}: see why above.")
    return 0


def _of_damage(run: RunSummary) -> str:
    return f" Damaged in the run folder: {', '.join(run.damaged)}." if run.damaged else ""


def _lacking(run: RunSummary) -> str:
    if run.trials_done < run.trials_planned:
        return f"{run.trials_done} of {run.trials_planned} trials were recorded"
    return f"all {run.trials_planned} trials were recorded, and some of them failed"
