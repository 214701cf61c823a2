"""The run folder: what was written is what is read, or it is said to be damaged."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from disks import full_disk
from factories.plain import trial

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model.holding import ClientSide, Holding, IdleBackends, KeptRows, MedianEstimate, OpeningCpu
from loadlab.model.opens import Opens, OpenTimes
from loadlab.model.samples import Recovery, Restart
from loadlab.model.schedule import Schedule, Step
from loadlab.store.folder import RunFolder
from loadlab.store.progress import Preparing, RunEnded, TrialEnded, to_line

if TYPE_CHECKING:
    from pathlib import Path

SCHEDULE = Schedule(
    id="r",
    started="2026-01-01T00:00:00+00:00",
    version="0",
    cases=[trial().case],
    steps=[Step(order=order, block=0, case=0) for order in range(3)],
)


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.begin(tmp_path / "run", "blocks = 1\n", SCHEDULE)


def test_a_trial_is_read_as_it_was_written(folder: RunFolder) -> None:
    written = [trial(order=0), trial(order=1)]
    for each in written:
        folder.add_trial(each)
    read, damaged = folder.trials()
    assert damaged == []
    assert {each.run for each in read} == {folder.schedule().key}
    plain = [replace(each, run="", series=written[0].series, requests=written[0].requests) for each in read]
    assert plain == written
    assert list(read[0].requests.ended) == list(written[0].requests.ended)
    assert list(read[0].series.open) == list(written[0].series.open)


def test_plan_schedule_and_environment_are_read_as_written(folder: RunFolder) -> None:
    folder.write_environment({"machine": {"cores": 2}})
    assert folder.plan() == "blocks = 1\n"
    assert replace(folder.schedule(), key="", plan="") == SCHEDULE
    assert folder.environment() == {"machine": {"cores": 2}}


@pytest.mark.parametrize("damage", ["truncate", "flip", "empty", "text", "binary", "nan", "deep"])
def test_a_damaged_trial_is_named_and_the_others_are_kept(folder: RunFolder, damage: str) -> None:
    folder.add_trial(trial(order=0))
    folder.add_trial(trial(order=1))
    path = folder.path / "trials" / "0001.json"
    content = path.read_bytes()
    path.write_bytes(
        {
            "truncate": content[:-10],
            "flip": content[:200] + bytes([content[200] ^ 1]) + content[201:],
            "empty": b"",
            "text": b"hello",
            "binary": b"\xff\xfe\x00",
            "nan": b"NaN",
            "deep": b"[" * 100_000,
        }[damage]
    )
    read, damaged = folder.trials()
    assert [each.order for each in read] == [0]
    assert [caveat.subject for caveat in damaged] == ["trials/0001.json"]
    assert "--resume" in str(damaged[0].figures["remedy"])


def test_a_record_with_a_right_checksum_and_wrong_content_is_damaged_too(folder: RunFolder) -> None:
    folder._seal("trials/0000.json", "trial", json.dumps({"case": 1}).encode())
    assert len(folder.trials()[1]) == 1


def test_a_newer_schema_asks_for_an_upgrade(folder: RunFolder) -> None:
    path = folder.path / "schedule.json"
    path.write_bytes(path.read_bytes().replace(b'{"schema":1', b'{"schema":2', 1))
    with pytest.raises(UsageError, match="newer loadlab"):
        folder.schedule()


def test_a_damaged_schedule_is_said_to_be_so(folder: RunFolder) -> None:
    (folder.path / "schedule.json").write_text("{}")
    with pytest.raises(UsageError, match=r"schedule\.json is damaged"):
        folder.schedule()


def test_a_folder_with_something_in_it_is_not_begun(folder: RunFolder) -> None:
    with pytest.raises(UsageError, match="is not empty"):
        RunFolder.begin(folder.path, "", SCHEDULE)


def test_a_folder_that_cannot_be_made_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Cannot create"):
        RunFolder.begin(tmp_path / "file" / "run", "", SCHEDULE)


def test_a_folder_without_a_run_is_said_to_hold_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        RunFolder.at(tmp_path)


def test_two_labs_do_not_measure_into_one_folder(folder: RunFolder) -> None:
    with folder.locked(), pytest.raises(UsageError, match="Another loadlab"), folder.locked():
        pass


def test_a_full_disk_loses_no_earlier_trial(folder: RunFolder) -> None:
    folder.add_trial(trial(order=0))
    message = r"0001\.json cannot be written: the disk is full"
    with full_disk(), pytest.raises(EnvironmentFaultError, match=message):
        folder.add_trial(trial(order=1, requests=5000))
    read, damaged = folder.trials()
    assert ([each.order for each in read], damaged) == ([0], [])
    assert os.listdir(folder.path / "trials") == ["0000.json"]  # noqa: PTH208


def test_a_disk_that_is_full_before_the_first_trial_promises_nothing(folder: RunFolder) -> None:
    with full_disk(), pytest.raises(EnvironmentFaultError) as error:
        folder.add_trial(trial(order=0, requests=5000))
    assert str(error.value).endswith("cannot be written: the disk is full. Make room, and run again.")


def test_a_run_that_cannot_be_begun_leaves_no_folder(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(EnvironmentFaultError, match=r"plan\.toml cannot be written: the disk is full"):
        RunFolder.begin(tmp_path / "run", "# a long plan\n" * 1000, SCHEDULE)
    assert not (tmp_path / "run").exists()


def test_where_opens_take_their_time_reads_back_as_written(folder: RunFolder) -> None:
    assert folder.opens() == (None, [])
    times = OpenTimes(
        strategy="",
        opens=12,
        total=0.01,
        fork=0.001,
        authentication=0.004,
        server=0.002,
        outside=0.003,
        client_cpu=0.002,
    )
    folder.write_opens(Opens(times=(times,)))
    assert RunFolder.at(folder.path).opens() == (Opens(times=(times,)), [])
    folder.write_opens(Opens(unknown="older"))
    assert RunFolder.at(folder.path).recorded().opens == Opens(unknown="older")


def test_what_a_kept_connection_costs_reads_back_as_written(folder: RunFolder) -> None:
    assert folder.holding() == (None, [])
    one = MedianEstimate(value=1e6, low=None, high=None, count=1)
    found = Holding(
        driver="psycopg",
        fresh=IdleBackends(reading="pss", resident=one, private=one, page_tables=one, files=None),
        client=ClientSide(resident=MedianEstimate(value=2e4, low=1e4, high=3e4, count=8), files=1.0),
        opening=OpeningCpu(client=one, database=one),
        kept_rows=(KeptRows(idle="has_written", rows=1000, kept=1000),),
    )
    folder.write_holding(found)
    assert RunFolder.at(folder.path).recorded().holding == found
    (folder.path / "holding.json").write_text("{}")
    holding, (caveat,) = RunFolder.at(folder.path).holding()
    assert holding is None
    assert caveat.subject == "holding.json"


def test_restarts_read_back_as_written_and_concern_every_load(folder: RunFolder) -> None:
    case = trial().case
    recovery = Recovery(warm=2, failed=2, failed_later=0, warm_checked=2, failed_checked=0)
    assert folder.restarts() == ([], [])
    folder.write_restarts([Restart(case=case, recovery=recovery)])
    ((kept,), _) = RunFolder.at(folder.path).restarts()
    assert kept.recovery == recovery
    assert kept.concerns(replace(case, users=99, scenario="read_write"))
    assert not kept.concerns(replace(case, keep_alive=True))


def test_progress_is_read_as_it_was_written_and_on_from_where_a_reader_was(folder: RunFolder) -> None:
    assert folder.events() == ([], 0)
    events = [Preparing(at=1.0, what="PostgreSQL starts\n"), TrialEnded(at=2.0, order=0, state="failed", reason="no")]
    for event in events:
        folder.add_progress(event)
    read, offset = folder.events()
    assert read == events
    folder.add_progress(end := RunEnded(at=3.0, state="complete"))
    assert folder.events(offset)[0] == [end]


def test_half_a_line_of_progress_waits_and_unknown_events_are_skipped(folder: RunFolder) -> None:
    event = Preparing(at=1.0, what="Locust starts")
    path = folder.path / "progress.jsonl"
    path.write_bytes(b'{"event":"of a newer loadlab"}\n' + to_line(event) + to_line(event)[:-7])
    read, offset = folder.events()
    assert read == [event]
    with path.open("ab") as file:
        file.write(to_line(event)[-7:])
    assert folder.events(offset)[0] == [event]


def test_a_run_that_cannot_say_how_it_goes_on_goes_on(folder: RunFolder) -> None:
    (folder.path / "progress.jsonl").mkdir()
    folder.add_progress(Preparing(at=1.0, what="Locust starts"))
