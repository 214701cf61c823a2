"""What a run's findings mean as an exit code."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from factories import faulted, reports
from factories.recorded_runs import sealed_run

from loadlab.analysis.aftermaths import aftermaths
from loadlab.cli._results import judge
from loadlab.errors import IncompleteError

if TYPE_CHECKING:
    from loadlab.model.findings import Findings

RUN = Path("runs/a")


def with_invalid(*, blocks: int | None = None) -> Findings:
    """A complete run with invalid trials; its comparisons have so many blocks left."""
    full = reports.findings()
    run = replace(full.run, trials_invalid=2, invalid_because="requests were sent late")
    left = full.comparisons if blocks is None else tuple(replace(one, blocks=blocks) for one in full.comparisons)
    return replace(full, run=run, comparisons=left)


def test_a_run_that_lost_some_trials_ends_well() -> None:
    assert judge(with_invalid(), RUN, require_verdict=False) == 0


def test_a_run_whose_every_comparison_lost_its_trials_is_incomplete() -> None:
    with pytest.raises(IncompleteError) as error:
        judge(with_invalid(blocks=0), RUN, require_verdict=False)
    assert error.value.exit_code == 12
    assert "2 of 80 trials are invalid (requests were sent late)" in str(error.value)
    assert "Use a lower rate, fewer users" in str(error.value)
    assert f"loadlab run --resume {RUN}" in str(error.value)


def test_a_run_without_comparisons_needs_a_trial_that_counts() -> None:
    alone = replace(with_invalid(), comparisons=())
    assert judge(alone, RUN, require_verdict=False) == 0
    nothing = replace(alone, arms=tuple(replace(arm, trials=0) for arm in alone.arms))
    with pytest.raises(IncompleteError, match="No comparison is possible"):
        judge(nothing, RUN, require_verdict=False)


def test_a_run_of_whose_fault_no_trial_counts_is_incomplete() -> None:
    of = faulted.case(under=faulted.fault())
    calm = [faulted.trial(of.control, block=block) for block in (1, 2)]
    spoilt = [*calm, replace(faulted.trial(of), state="invalid")]
    unknown, known = (
        aftermaths([of.control, of], all_of) for all_of in (spoilt, [*spoilt, faulted.trial(of, block=2)])
    )
    with pytest.raises(IncompleteError, match=r"Nothing is known of database_restart at 1 s: 2 of 80 .*sent late"):
        judge(replace(with_invalid(), aftermaths=unknown), RUN, require_verdict=False)
    assert judge(replace(with_invalid(), aftermaths=known), RUN, require_verdict=False) == 0


@pytest.mark.process
def test_reports_are_written_even_if_the_pipe_is_closed(tmp_path: Path) -> None:
    sealed_run(tmp_path / "run")
    command = [sys.executable, "-m", "loadlab", "report", str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()  # as `| head` does
        process.wait()
    assert {"report.html", "report.md", "report.json"} <= {path.name for path in (tmp_path / "run").iterdir()}
