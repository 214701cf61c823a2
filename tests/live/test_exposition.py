"""What a Prometheus is shown of one trial."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories.made_runs import BEGAN, sampled
from prometheus_client import CollectorRegistry, generate_latest

from loadlab.instrumentation import layout
from loadlab.instrumentation.collector import ConnectionCollector
from loadlab.instrumentation.ledger import Ledger
from loadlab.live.exposition import exposition
from loadlab.store.progress import FaultApplied, FaultLifted, TrialBegan
from loadlab.store.run_progress import TrialProgress
from loadlab.system.state_folder import STATE_VARIABLE


def began(ledgers: Path) -> TrialBegan:
    return TrialBegan(at=BEGAN, order=0, block=0, case=0, ledgers=str(ledgers))


def everything_below(folder: Path) -> dict[str, bytes | None]:
    """Every name below a folder, and what is in each file."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


class TestOneTrial:
    @pytest.fixture
    def trial(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrialProgress:
        monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
        ledgers = tmp_path / "state" / "labs" / "4711-0123abcd" / "ledgers-0000"
        ledgers.parent.mkdir(parents=True)
        return TrialProgress(began=began(ledgers), sampled=sampled(0, BEGAN, 4))

    def test_it_shows_its_ledgers_and_what_the_lab_has_seen(self, trial: TrialProgress) -> None:
        folder = Path(trial.began.ledgers)
        folder.mkdir()
        Ledger(folder)
        text = exposition(trial).decode()
        assert "loadlab_collector_errors_total 0.0" in text
        assert 'loadlab_load_requests_total{outcome="ok"} 196.0' in text
        assert 'loadlab_load_requests_total{outcome="failed"} 4.0' in text
        assert 'loadlab_database_backends{state="idle"} 4.0' in text
        assert 'loadlab_cpu_seconds_total{part="database"}' in text
        assert 'loadlab_load_response_seconds_bucket{le="+Inf"} 200.0' in text
        assert "loadlab_database_max_connections 100.0" in text
        assert "loadlab_database_connections_peak 6.0" in text
        assert "loadlab_build_info" not in text

    def test_a_fault_is_told_by_when_it_came_and_when_it_was_over(self, trial: TrialProgress) -> None:
        assert "loadlab_fault" not in exposition(trial).decode()
        words = "database_restart (mode=fast) at 1 s"
        trial.fault = FaultApplied(at=1_800_000_000.25, order=0, fault=words)
        text = exposition(trial).decode()
        assert f'loadlab_fault_applied_timestamp_seconds{{fault="{words}"}} 1.80000000025e+09' in text
        assert "loadlab_fault_lifted" not in text
        trial.lifted = FaultLifted(at=1_800_000_001.5, order=0)
        text = exposition(trial).decode()
        assert f'loadlab_fault_lifted_timestamp_seconds{{fault="{words}"}} 1.8000000015e+09' in text

    def test_ledgers_of_live_and_dead_processes_are_read_and_left_as_they_are(self, trial: TrialProgress) -> None:
        folder = Path(trial.began.ledgers)
        folder.mkdir()
        alive = Ledger(folder)  # holds its file for life
        (written,) = folder.iterdir()
        (folder / "dead.ledger").write_bytes(written.read_bytes())
        (folder / "damaged.ledger").write_bytes(b"precious")
        (folder / "archive.json").write_text("[" * 100_000)
        (folder / "link.ledger").symlink_to("/etc/passwd")
        os.mkfifo(folder / "fifo.ledger")
        (folder / "folder.ledger").mkdir()
        before = everything_below(folder)
        text = exposition(trial).decode()
        assert "loadlab_collector_errors_total 5.0" in text
        assert everything_below(folder) == before
        del alive

    @pytest.mark.parametrize("earlier", [False, True], ids=["of this loadlab", "of an earlier one"])
    def test_an_archive_is_read_as_the_project_reads_it(self, trial: TrialProgress, *, earlier: bool) -> None:
        folder = Path(trial.began.ledgers)
        folder.mkdir()
        cells = list(range(layout.HOLDERS_AT))  # an ended process holds nothing
        archive: dict[str, Any] = {"version": layout.TOTALS_VERSION, "damaged": 0, "archived": []}
        archive["cells"] = {"default": cells[: layout.ALIAS_CELLS]}
        if not earlier:
            archive["added"] = {"default": cells[layout.ALIAS_CELLS :]}
        (folder / "archive.json").write_text(json.dumps(archive))
        alive = Ledger(folder)
        alive.connecting("default").opened()
        read_only = exposition(trial).decode()
        registry = CollectorRegistry()
        registry.register(ConnectionCollector(folder))
        of_project = generate_latest(registry).decode().splitlines()
        assert "loadlab_collector_errors_total 0.0" in of_project
        assert {line for line in of_project if "loadlab_build_info" not in line} <= set(read_only.splitlines())

    @pytest.mark.parametrize(
        "named",
        [
            "victim",
            "state/labs/4711-0123abcd",
            "state/labs/4711-0123abcd/ledgers-0001",
            "state/labs/4711-0123abcd/given",
            "state/labs/../../victim",
            "state/labs/4711-0123abcd/ledgers-0000",  # a link, below
            "state/labs/4712-0123abcd/ledgers-0000",  # in a folder that is one
            "\0",
        ],
    )
    def test_no_folder_but_a_labs_own_ledgers_is_read(self, trial: TrialProgress, tmp_path: Path, named: str) -> None:
        victim = tmp_path / "victim"
        (victim / "ledgers-0000").mkdir(parents=True)
        for folder in (victim, victim / "ledgers-0000"):
            (folder / "precious.ledger").write_bytes(b"precious")
        labs = Path(trial.began.ledgers).parent.parent
        (labs / "4711-0123abcd" / "ledgers-0000").symlink_to(victim)
        (labs / "4712-0123abcd").symlink_to(victim)
        for name in ("ledgers-0001", "given"):
            (labs / "4711-0123abcd" / name).mkdir()
        before = everything_below(tmp_path)
        text = exposition(replace(trial, began=began(tmp_path / named))).decode()
        assert "loadlab_load_requests_total" in text
        assert "loadlab_collector_errors_total" not in text
        assert everything_below(tmp_path) == before

    def test_promtool_has_nothing_to_say_of_it(self, trial: TrialProgress) -> None:
        promtool = shutil.which("promtool")
        if promtool is None:
            pytest.skip("there is no promtool on this machine")
        done = subprocess.run([promtool, "check", "metrics"], input=exposition(trial), capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")

    def test_without_ledgers_the_labs_own_view_is_shown(self, trial: TrialProgress) -> None:
        text = exposition(trial).decode()
        assert "loadlab_load_requests_total" in text
        assert "loadlab_db_connections" not in text
        assert not Path(trial.began.ledgers).exists()

    def test_a_target_that_is_served_elsewhere_is_shown_as_the_lab_has_read_it(self, trial: TrialProgress) -> None:
        text = exposition(trial, external=True).decode()
        assert 'loadlab_db_connections_opened_total{alias="default"} 100.0' in text
        assert 'loadlab_db_connections_closed_total{alias="default",reason="garbage_collected"} 80.0' in text
        assert 'loadlab_db_requests_total{alias="default",connection="reused"} 100.0' in text

    def test_holders_of_an_external_target_are_shown_where_they_are_known(self, trial: TrialProgress) -> None:
        opened = 'loadlab_db_connections_open{alias="default",holder="'
        text = exposition(trial, external=True).decode()
        shown = [line.removeprefix(opened) for line in text.splitlines() if line.startswith(opened)]
        assert shown == ['leaked"} 1.0', 'outside"} 0.0', 'in_use"} 1.0', 'idle"} 3.0', 'pool_idle"} 0.0']
        assert trial.sampled is not None
        earlier = {name: value for name, value in trial.sampled.values.items() if not name.startswith("open_")}
        trial.sampled = replace(trial.sampled, values=earlier)
        assert f'{opened}unknown"}} 5.0' in exposition(trial, external=True).decode()

    def test_before_it_has_begun_there_is_nothing_to_see(self) -> None:
        assert exposition(None) == b""
