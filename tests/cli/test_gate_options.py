"""Gates on the command line: they decide the exit code, and write what other programs read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from factories.recorded_runs import sealed_run

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import InProcess


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return sealed_run(tmp_path / "run").path


@pytest.mark.parametrize(
    ("gates", "code", "said"),
    [
        (["failed == 0", "refused == 0"], 0, ""),
        (["failed == 0", "open <= 1"], 10, "open <= 1 fails; measured"),
        (["sync*: open <= 20", "sync*: reuse >= 99.9 %"], 10, "reuse >= 99.9 % fails"),
        (["throughput >= 0.95 × baseline"], 2, "throughput is an estimate, and 2 blocks cannot decide it"),
        (["leak == 0"], 2, "did you mean leaks?"),
        (["gevent*: failed == 0"], 2, "no case matches 'gevent*'"),
        (["failed_share <= 0 %", "failed(database_restart) <= 1"], 2, "failed is not about a fault"),
    ],
)
def test_the_gates_of_a_report_decide_its_exit_code(
    here: InProcess, run: Path, gates: list[str], code: int, said: str
) -> None:
    outcome = here("report", str(run), *(word for one in gates for word in ("--gate", one)))
    assert outcome.code == code, outcome.stderr
    assert said in outcome.stderr


def test_a_failing_gate_is_written_for_every_reader(here: InProcess, run: Path, tmp_path: Path) -> None:
    junit, summary, quality = tmp_path / "gates" / "junit.xml", tmp_path / "summary.md", tmp_path / "quality.json"
    summary.write_text("before\n")
    files = ["--junit", str(junit), "--summary", str(summary), "--code-quality", str(quality)]
    outcome = here("report", str(run), "--gate", "open <= 0", *files, "--annotate", "github")
    assert outcome.code == 10
    cases = len(json.loads((run / "report.json").read_text())["gates"]["results"])
    assert len(ET.fromstring(junit.read_text())[0].findall("testcase")) == cases == 3  # noqa: S314  our own file
    assert summary.read_text().startswith("before\n### ❌ loadlab gates of ")
    assert len(json.loads(quality.read_text())) == 3
    assert outcome.stdout.count("\n::error title=open <= 0 on ") == 3
    for name in ("report.md", "report.html"):
        assert "Gates" in (run / name).read_text()
    assert "Gates" in outcome.stdout


def test_json_on_standard_output_stays_json_beside_annotations(here: InProcess, run: Path) -> None:
    outcome = here("report", str(run), "--gate", "open <= 0", "--annotate", "github", "--json")
    assert json.loads(outcome.stdout)["gates"]["outcome"] == "fail"
    assert "::error title=open <= 0" in outcome.stderr


def test_a_second_run_is_held_to_the_first(here: InProcess, run: Path, tmp_path: Path) -> None:
    again = sealed_run(tmp_path / "again").path
    same = here("compare", str(run), str(again), "--gate", "open <= 1 × baseline")
    assert same.code == 0, same.stderr
    assert "open <= 1 × baseline" in same.stdout
    fewer = here("compare", str(run), str(again), "--gate", "sync*: open <= 0.5x baseline", "--json")
    assert fewer.code == 10
    assert [one["outcome"] for one in json.loads(fewer.stdout)["gates"]] == ["fail", "fail"]


def test_a_file_that_cannot_be_written_is_said(here: InProcess, run: Path) -> None:
    outcome = here("report", str(run), "--gate", "failed == 0", "--summary", "/proc/none/summary.md")
    assert outcome.code == 3
    assert "/proc/none/summary.md cannot be written" in outcome.stderr


def test_a_gate_of_the_command_line_is_refused_before_the_run(here: InProcess, tmp_path: Path) -> None:
    outcome = here("run", "--out", str(tmp_path / "new"), "--gate", "p95 < 50", "--gate", "dropped == 0")
    assert outcome.code == 2
    assert "write 50 ms or 50 s" in outcome.stderr
    unmeasured = here("run", "--out", str(tmp_path / "new"), "--gate", "dropped == 0")
    assert unmeasured.code == 2
    assert "dropped needs an open load" in unmeasured.stderr
    assert not (tmp_path / "new").exists()


def test_a_gate_of_the_command_line_is_for_a_case_that_only_leaves(here: InProcess, tmp_path: Path) -> None:
    chosen = ("run", "--out", str(tmp_path / "new"), "--only", "sync*")
    outcome = here(*chosen, "--gate", "gevent*: leaks == 0")
    assert outcome.code == 2
    assert "no case matches 'gevent*'" in outcome.stderr
    assert not (tmp_path / "new").exists()
    assert here("plan", "--only", "sync*", "--gate", "sync*: leaks == 0").code == 0


def test_a_watch_refuses_a_gate_that_it_cannot_see(here: InProcess) -> None:
    outcome = here("watch", "--metrics", "http://127.0.0.1:1/metrics", "--gate", "p95 < 50 ms")
    assert outcome.code == 2
    assert "a watch does not see p95" in outcome.stderr
