"""A run folder that an earlier loadlab has recorded says today what it said then."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from every import every
from factories.trials import Behaviour, case, trial

from loadlab.analysis import findings_of
from loadlab.model.causes import Cause
from loadlab.model.samples import Failure
from loadlab.store.folder import RunFolder
from loadlab.store.records import TRIAL_RECORDS

if TYPE_CHECKING:
    from command_line import InProcess

    from loadlab.model.samples import State

RECORDED: Final = Path(__file__).resolve().parents[1] / "recorded"


@pytest.fixture
def schema_1(tmp_path: Path) -> Path:
    """Eight trials of loadlab 0.1.0, before plan and environment were sealed."""
    return shutil.copytree(RECORDED / "schema-1", tmp_path / "schema-1")


def test_a_run_of_an_earlier_loadlab_keeps_its_figures(schema_1: Path) -> None:
    expected = json.loads((RECORDED / "schema-1.json").read_text())
    findings = findings_of(RunFolder.at(schema_1).recorded())
    seen = [
        {
            "order": trial.order,
            "case": trial.case.id,
            "state": trial.state,
            "requests": trial.requests,
            "failures": trial.failures,
            "throughput": pytest.approx(trial.throughput),
            "opened": trial.connections.at_rest.opened,
            "reused": trial.connections.at_rest.reused,
            "sessions": trial.connections.sessions,
            "peak": trial.peak,
            "left_open": trial.connections.left_open,
            "exact": trial.connections.exact,
        }
        for trial in findings.trials
    ]
    assert seen == expected
    assert (findings.run.state, findings.run.blocks, findings.run.window_seconds) == ("complete", 2, 0.5)
    assert findings.environment["versions"]["django"] == "5.2.19"


def test_a_run_of_an_earlier_loadlab_is_reported_and_resumed(schema_1: Path, here: InProcess) -> None:
    reported = here("report", schema_1)
    assert reported.code == 0, reported.stderr
    assert here("run", "--resume", schema_1).code == 0


@every(
    ("state", "reason", "causes", "outpaced"),
    [
        ("complete", "", (), False),
        ("failed", "no request was answered at all; logs/locust.log may say why", (Cause.UNANSWERED,), False),
        ("failed", "the generator broke or hung; see its log", (), False),
        ("invalid", "30 of 300 tasks that were due (10 %) were dropped, more than 0.1 %", (Cause.TASKS_DROPPED,), True),
        ("invalid", "requests were sent late: p99 of the send lag is 20 %", (Cause.SENT_LATE,), True),
        ("invalid", "the generator used 95 % of a core: it was the bottleneck", (), False),
    ],
)
def test_a_record_without_causes_gets_them_from_its_reason(
    state: State, reason: str, causes: tuple[Cause, ...], *, outpaced: bool
) -> None:
    written = json.loads(TRIAL_RECORDS.written(trial(case(), 1, Behaviour(state=state, reason=reason))))
    del written["causes"], written["by_target"]
    read = TRIAL_RECORDS.read(written)
    assert (read.causes, read.outpaced) == (causes, outpaced)
    assert read.unanswered == (Cause.UNANSWERED in causes)


def test_a_failure_without_a_status_gets_it_from_its_name() -> None:
    kinds = ("HTTP 503", "ConnectionError", "HTTP 503 raised by a task")
    failures = tuple(Failure(kind=kind, count=1, example="") for kind in kinds)
    written = TRIAL_RECORDS.written(replace(trial(case()), failures=failures))
    assert [one.status for one in TRIAL_RECORDS.read(json.loads(written)).failures] == [503, 0, 0]


def test_a_record_with_causes_keeps_them() -> None:
    causes = (Cause.PROCESS_LOST, Cause.GENERATOR_BUSY)
    lost = trial(case(), 1, Behaviour(state="invalid", reason="dropped", causes=causes))
    assert TRIAL_RECORDS.read(json.loads(TRIAL_RECORDS.written(lost))).causes == causes
