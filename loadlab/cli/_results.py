"""Makes and prints a run's reports, and says what they mean as an exit code."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.cli._gates import require_gates, strict, write_gates
from loadlab.cli._screen import width
from loadlab.errors import IncompleteError, InconclusiveError, UsageError
from loadlab.model.aftermath import Lesson
from loadlab.model.condition import varying
from loadlab.model.labels import condition_label
from loadlab.model.text import listed
from loadlab.store.layout import report
from loadlab.system.ending import reader_may_go

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from loadlab.cli._screen import Screen
    from loadlab.model.findings import Findings, RunSummary


def add_json_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help=f"print the content of {report('json')} instead of the verdict"
    )


def report_on(path: Path, screen: Screen, arguments: argparse.Namespace, more_gates: Sequence[str] = ()) -> Findings:
    """Print the verdict of the run at `path`, or as JSON all of it; then make all reports, and say where they are.

    Its gates are those of its plan, and `more_gates`; they are written into the files that the user asked for.

    Raises:
        UsageError: there is no run, or it or a gate cannot be read.
        EnvironmentFaultError: a report cannot be written; what it says has been printed by then.
    """
    from loadlab.analysis import findings_of
    from loadlab.cli._publish import publish
    from loadlab.report import REPORTS
    from loadlab.report.content.gates import of_run
    from loadlab.report.formats.terminal import Terminal
    from loadlab.store.folder import RunFolder

    folder = RunFolder.at(path)
    findings = findings_of(folder.recorded(), more_gates)
    findings = replace(findings, gates=strict(findings.gates, arguments))
    files = publish(folder, findings)  # before anything is printed, which a full disk may end
    with reader_may_go():
        if arguments.json:
            print(REPORTS["json"]().render(findings))
        else:
            print(Terminal(width=width(), colour=screen.colours(sys.stdout)).render(findings))
        for file in files:
            if file.suffix == ".html":
                print(f"Report: {file.resolve()}", file=sys.stderr if arguments.json else sys.stdout)
    write_gates(of_run(findings), arguments, started=findings.run.started, measured=str(path))
    return findings


def judge(findings: Findings, folder: Path, *, require_verdict: bool) -> int:
    """0, unless trials are missing or invalid ones leave nothing to say, files are damaged, a gate does not pass, or a
    verdict is lacking.

    Raises:
        IncompleteError, GateError, InconclusiveError: so.
    """
    from loadlab.report.content.gates import of_run

    run = findings.run
    if run.state == "incomplete":
        raise IncompleteError(
            f"The run is incomplete: {_lacking(run)}.{_of_damage(run)} {_continuing(folder)} runs the missing"
            " and failed trials."
        )
    if run.trials_invalid and not _anything_left(findings):
        raise IncompleteError(
            f"No comparison is possible: {run.trials_invalid} of {run.trials_done} trials are invalid"
            f" ({run.invalid_because}). Use a lower rate, fewer users, more load workers or a machine with more cores,"
            f" and run the plan again. {_continuing(folder)} repeats the trials that the target did not spoil."
        )
    if run.trials_invalid and (unknown := _unknown_faults(findings)):
        raise IncompleteError(
            f"Nothing is known of {listed(unknown)}: {run.trials_invalid} of {run.trials_done} trials are invalid"
            f" ({run.invalid_because}). {_continuing(folder)} repeats the trials that the target did not spoil."
        )
    if run.damaged:
        raise IncompleteError(f"All trials are recorded.{_of_damage(run)} {_continuing(folder)} repairs what it can.")
    require_gates(of_run(findings))
    among = varying(verdict.condition for verdict in findings.verdicts)
    undecided = (verdict.condition for verdict in findings.verdicts if verdict.recommend is None)
    open_questions = [condition_label(condition, among) for condition in undecided]
    open_questions += [one.case.id for one in findings.between_sides if one.judged and one.verdict == "inconclusive"]
    if require_verdict and (open_questions or not (findings.verdicts or findings.between_sides)):
        raise InconclusiveError(
            f"No verdict for {', '.join(open_questions) or 'any server mode'}. The reasons are above."
        )
    return 0


def _continuing(folder: Path) -> str:
    """The command that goes on with the run, with the options that no plan keeps, if the folder still tells them."""
    from loadlab.store.folder import RunFolder

    try:
        return RunFolder.at(folder).continuation().command(folder)
    except UsageError:
        return f"loadlab run --resume {folder}"


def _anything_left(findings: Findings) -> bool:
    """Whether any comparison has a pair of trials; without comparisons, whether any case has a trial."""
    asked = [one for one in findings.comparisons if one.question != "noise"]
    return any(one.blocks for one in asked) if asked else any(arm.trials for arm in findings.arms)


def _unknown_faults(findings: Findings) -> list[str]:
    """Those of which no trial was complete."""
    return [one.fault.words for one in findings.aftermaths.lessons if one.lesson is Lesson.UNMEASURED]


def _of_damage(run: RunSummary) -> str:
    return f" Damaged in the run folder: {', '.join(run.damaged)}." if run.damaged else ""


def _lacking(run: RunSummary) -> str:
    if run.trials_done < run.trials_planned:
        return f"{run.trials_done} of {run.trials_planned} trials were recorded"
    return f"all {run.trials_planned} trials were recorded, and some of them failed"
