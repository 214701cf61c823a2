"""`loadlab fleet --validate`: what cannot be is refused before anything starts, and a record can be read again."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

import msgspec
import pytest

from loadlab.fleet.validation.record import digest, read_validation
from loadlab.lab.fleets.validating import PREDICTIONS, RECORD
from loadlab.model.fleet import Application, Distribution, Spread

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess

ONE = ("fleet", "--validate", "--trials", "1", "--seed", "240", "--server", "waitress", "--lanes", "1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trials", "0"], "--trials must be 1 or more, not 0"),
        (["--lanes", "0"], "--lanes must be 1 or more, not 0"),
        (["--seed", "-1"], "--seed must be 0 or more, not -1"),
        (["--server", "gthraed"], "--server gthraed: unknown server mode"),
    ],
)
def test_what_cannot_be_validated_is_refused(here: InProcess, options: list[str], message: str) -> None:
    done = here("fleet", "--validate", *options)
    assert done.code == 2
    assert message in done.stderr


def test_a_folder_in_use_is_refused(here: InProcess, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    done = here("fleet", "--validate", "--server", "waitress", "--out", tmp_path)
    assert done.code == 2
    assert "is in use. Name a new folder with --out" in done.stderr


def test_what_is_no_record_is_refused(here: InProcess, tmp_path: Path) -> None:
    (tmp_path / "fleet.json").write_text("{}")
    for name in ("fleet.json", "missing.json"):
        done = here("fleet", "--record", tmp_path / name)
        assert done.code == 2
        assert name in done.stderr


def test_a_calibration_that_lacks_a_server_mode_is_refused(here: InProcess, tmp_path: Path) -> None:
    (tmp_path / "calibration.json").write_text("{}")
    done = here(*ONE, "--calibration", tmp_path, "--out", tmp_path / "out")
    assert done.code == 2
    assert "does not know waitress" in done.stderr


@pytest.mark.slow
def test_a_small_fleet_is_predicted_run_and_compared(loadlab: CommandLine, tmp_path: Path) -> None:
    done = loadlab(*ONE, "--out", tmp_path / "out", "--markdown", tmp_path / "page.md")
    assert done.code == 0, done.stderr
    validation = read_validation((tmp_path / "out" / RECORD).read_text(), RECORD)
    assert validation.complete
    (trial,) = validation.trials
    assert trial.measured is not None
    assert trial.measured.requests > 100
    before = read_validation((tmp_path / "out" / PREDICTIONS).read_text(), PREDICTIONS)
    assert before.predictions == validation.predictions
    assert digest(before.predictions) in done.stderr
    assert "# How right the fleet model is" in (tmp_path / "page.md").read_text()
    again = loadlab("fleet", "--record", tmp_path / "out" / RECORD)
    assert again.stdout == done.stdout


@pytest.mark.slow
def test_a_validation_that_is_stopped_keeps_its_trials(loadlab: CommandLine, tmp_path: Path) -> None:
    known = Application(
        connect_seconds=Distribution(values=(0.002,)),
        hold_seconds=Distribution(values=(0.003,)),
        spreads={"waitress": Spread()},
    )
    (tmp_path / "calibration.json").write_bytes(msgspec.json.encode({"waitress": known}))
    path = tmp_path / "out"
    several = ("fleet", "--validate", "--trials", "3", "--seed", "351", "--server", "waitress", "--lanes", "1")
    with loadlab.started(*several, "--calibration", tmp_path, "--out", path) as run:
        run.wait_until((path / RECORD).exists)
        run.popen.send_signal(signal.SIGINT)
        outcome = run.outcome()
    assert outcome.code == 130
    assert re.search(r"What was measured is in .*validation\.json", outcome.stderr)
    kept = read_validation((path / RECORD).read_text(), RECORD)
    assert not kept.complete
    assert kept.trials
