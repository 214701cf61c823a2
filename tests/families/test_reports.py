"""Every report format goes through the same life: rendered from findings, kept in a run folder, read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from every import every
from factories import reports
from factories.plain import trial

from loadlab.model.schedule import Schedule
from loadlab.report import REPORTS
from loadlab.store.folder import RunFolder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", list(REPORTS))
def test_a_report_is_kept_as_it_was_rendered(name: str, tmp_path: Path) -> None:
    schedule = Schedule(id="r", started="2026-01-01T00:00:00+00:00", version="0", cases=[trial().case], steps=[])
    folder = RunFolder.begin(tmp_path / "run", "blocks = 1\n", schedule)
    report = REPORTS[name]()
    text = report.render(reports.findings())
    assert len(text.splitlines()) > 1
    if report.filename is not None:
        kept = folder.write_text(report.filename, text)
        assert kept == tmp_path / "run" / report.filename
        assert kept.read_bytes().decode() == text


@every("name", list(REPORTS))
def test_a_report_names_the_run_it_is_about(name: str) -> None:
    findings = reports.findings()
    assert findings.run.id in REPORTS[name]().render(findings)
