"""From a run folder to its reports: assess, render, write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.assessment import findings_of
from loadlab.report import REPORTS

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.findings import Findings
    from loadlab.store import RunFolder


def publish(folder: RunFolder) -> tuple[Findings, list[Path]]:
    """Write every report that is a file; returns what they say, and where they are.

    Raises:
        UsageError: the run cannot be read.
        EnvironmentFaultError: a report cannot be written.
    """
    findings = findings_of(folder)
    reports = [REPORTS[name]() for name in REPORTS]
    written = [folder.write_text(report.filename, report.render(findings)) for report in reports if report.filename]
    return findings, written
