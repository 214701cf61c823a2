"""loadlab behaviour: what it writes, what it refuses to call the same, and what is left of it when it is stopped."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any, Final

import pytest
from command_line import REPOSITORY

from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess, Outcome

RECORDED: Final = REPOSITORY / "benchmarks" / "recorded" / "behaviour.json"
ONE_ROW: Final = ("--only", "gthread,*/max_age=600,*/keep_alive=off/psycopg2")


@pytest.fixture(scope="module")
def written(loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """One row and one claim, counted once and held to the recording of this repository."""
    folder = tmp_path_factory.mktemp("behaviour")
    only = [*ONE_ROW, "--claims", "--only", "claim/thread_restart", "--check", RECORDED]
    done = loadlab("behaviour", *only, "--json", folder / "one.json", "--markdown", folder / "one.md")
    return done, folder


def changed(path: Path, **spans: list[int]) -> Path:
    """The recording as if a count had been another one."""
    recorded: dict[str, Any] = json.loads(path.read_text())
    recorded["rows"][0]["spans"] |= spans
    recorded["versions"]["django"] = "1.6"
    path = path.with_name("changed.json")
    path.write_text(json.dumps(recorded))
    return path


def test_a_pass_prints_its_tables_and_writes_a_recording_and_a_page(written: tuple[Outcome, Path]) -> None:
    done, folder = written
    assert done.code == 0, done.stderr
    (row,) = json.loads((folder / "one.json").read_text())["rows"]
    assert (row["spans"]["opened"], row["spans"]["reused"], row["exact"]) == ([4, 4], [76, 76], True)
    for text in (done.stdout, (folder / "one.md").read_text()):
        assert "4 / 76" in text
        assert "thread_restart" in text
    assert "2 of 2  claim/thread_restart" in done.stderr


def test_a_pass_as_recorded_says_so(written: tuple[Outcome, Path]) -> None:
    assert f"Compared 1 row with {RECORDED}: no difference." in written[0].stdout


def test_a_departing_pass_exits_with_10_and_updates_the_same_versions(
    loadlab: CommandLine, written: tuple[Outcome, Path], tmp_path: Path
) -> None:
    recorded, same = written[1] / "one.json", tmp_path / "same.json"
    same.write_text(recorded.read_text().replace("[76, 76]", "[7, 7]"))
    done = loadlab("behaviour", *ONE_ROW, "--check", changed(recorded, warm=[80, 80]), "--update", same)
    assert done.code == 10, done.stderr
    assert "1 count differs from" in done.stderr
    assert "keep_alive=off/psycopg2: warm was 80, and is 4" in done.stderr
    assert "Different versions: django 1.6 → " in done.stderr
    kept, updated = json.loads(recorded.read_text()), json.loads(same.read_text())
    assert updated["rows"][0]["spans"]["reused"] == [76, 76]
    assert updated["claims"] == kept["claims"] != []


def test_an_update_of_other_versions_is_refused(
    loadlab: CommandLine, here: InProcess, written: tuple[Outcome, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    other = changed(written[1] / "one.json")
    before = other.read_text()
    done = here("behaviour", *ONE_ROW, "--update", other)
    assert done.code == 2
    assert "The recording has other versions: django 1.6 → " in done.stderr
    assert other.read_text() == before


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_a_stopped_pass_keeps_its_counts_and_leaves_nothing_running(
    loadlab: CommandLine, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    path = tmp_path / "stopped.json"
    with loadlab.started("behaviour", *ONE_ROW, "--repeats", 50, "--json", path) as command:
        command.wait_until(lambda: "1 of 50" in command.stderr.read_text())
        command.popen.send_signal(number)
        done = command.outcome()
    assert done.code == code, done.stderr
    recorded = json.loads(path.read_text())
    assert not recorded["complete"]
    assert [1 <= row["repeats"] < 50 for row in recorded["rows"]] == [True]
    assert "4 / 76" in done.stdout
    assert loadlab.processes() == []
    assert list((loadlab.state / "labs").iterdir()) == []
