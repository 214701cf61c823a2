"""Renders the findings of a run, and writes each report that is a file into its folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report import REPORTS

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.findings import Findings
    from loadlab.store.folder import RunFolder


def publish(folder: RunFolder, findings: Findings) -> list[Path]:
    """Write every report that is a file; returns where they are.

    Raises:
        EnvironmentFaultError: a report cannot be written.
    """
    reports = [REPORTS[name]() for name in REPORTS]
    return [folder.write_text(report.filename, report.parts(findings)) for report in reports if report.filename]
