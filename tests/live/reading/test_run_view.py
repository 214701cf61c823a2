"""A run that goes on, as the live page reads it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from factories import faulted
from factories.made_runs import BEGAN, MadeRun, made_run

from loadlab.live.reading.run_view import RunView, as_json
from loadlab.live.reading.run_views import RunViews
from loadlab.live.reading.runs import Runs, inside
from loadlab.live.reading.summary import summaries
from loadlab.live.reading.unreadable import UnreadableRunError
from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault
from loadlab.store.progress import FaultLifted

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = 2**22 - 1  # no process has it, or one that is younger than the run


def view_of(made: MadeRun) -> RunView:
    return RunViews().of(made.folder.path)


def test_a_run_goes_through_its_states(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    run = view_of(made)

    def state() -> str:
        run.read_on()
        listed = summaries(Runs(folder=tmp_path))[0].state
        assert listed == run.overview().state
        return listed

    assert state() == "incomplete"
    made.begins(at=BEGAN)
    assert state() == "preparing"
    made.trial(0, at=BEGAN + 1)
    assert state() == "running"
    made.ends("stopped", "Stopped by SIGINT.", at=BEGAN + 5)
    assert state() == "stopped"
    assert run.overview().reason == "Stopped by SIGINT."
    made.begins(at=BEGAN + 100_000)
    for order in range(1, len(made.schedule.steps)):
        made.trial(order, at=BEGAN + 100_000 + order * 4)
    assert state() == "running"
    made.ends(at=BEGAN + 100_100)
    assert state() == "complete"


def test_a_run_whose_lab_was_killed_is_interrupted(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(pid=NOBODY)
    made.trial(0, at=BEGAN + 1)
    assert view_of(made).overview().state == "interrupted"
    assert summaries(Runs(folder=tmp_path))[0].state == "interrupted"


def test_a_pid_that_somebody_younger_has_now_is_not_the_lab(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=1.0, pid=os.getpid())
    assert view_of(made).overview().state == "interrupted"


def test_the_overview_shows_stage_progress_and_time_left(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    run = view_of(made)
    total = len(made.schedule.steps)
    assert run.overview().remaining_seconds == round(3.0 * total / 5) * 5
    after = made.trial(0, at=BEGAN)
    after = made.trial(1, at=after + 7)
    made.trial(2, at=after, ended=False)
    run.read_on()
    seen = run.overview()
    assert (seen.done, seen.total) == (2, total)
    assert seen.remaining_seconds == pytest.approx(8 * (total - 2), abs=2.5)
    assert seen.trial is not None
    assert seen.trial.running
    assert seen.trial.id == made.schedule.cases[made.schedule.steps[2].case].id
    assert sum(seen.recorded) == 2
    assert seen.recorded[made.schedule.steps[0].case] == 1


def test_a_trial_is_numbered_without_those_of_cases_that_left(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(3, at=BEGAN, ended=False)
    left = [step for step in made.schedule.steps if step.order != 1]
    made.folder.write_schedule(replace(made.schedule, steps=left))
    trial = view_of(made).overview().trial
    assert trial is not None
    assert (trial.order, trial.number) == (3, 3)


def test_a_trial_is_named_by_its_fault_and_its_side(tmp_path: Path) -> None:
    restart = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=1.0)
    cases = [replace(faulted.case(), side="main"), replace(faulted.case(), fault=restart)]
    made = made_run(tmp_path / "run", cases=cases)
    made.begins(at=BEGAN)
    labels = []
    for step in made.schedule.steps[:2]:
        made.trial(step.order, at=BEGAN + step.order)
        trial = view_of(made).overview().trial
        assert trial is not None
        labels.append(trial.label)
    assert sorted(label.partition("keep-alive off, ")[2] for label in labels) == [
        "database_restart (mode=fast) at 1 s",
        "side main",
    ]


def test_the_time_between_two_sessions_is_left_out(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN + 1)
    made.begins(at=BEGAN + 1_000_000)
    made.trial(1, at=BEGAN + 1_000_001)
    run = view_of(made)
    assert run.whole.rows()[-1][0] == pytest.approx(8, abs=1)
    assert run.whole.width == 0.5


def test_half_a_line_and_a_line_of_a_newer_loadlab_are_no_trouble(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins()
    progress = made.folder.path / "progress.jsonl"
    with progress.open("ab") as file:
        file.write(b'{"event":"dreamt","at":1}\nnot JSON\n{"at":1,"what":"half of a line')
    run = view_of(made)
    assert run.overview().state == "preparing"
    assert run.overview().doing == ""
    with progress.open("ab") as file:
        file.write(b'","event":"preparing"}\n')
    run.read_on()
    assert run.overview().doing == "half of a line"


def test_the_dashboard_says_what_the_reports_say(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run", blocks=3)
    made.begins()
    for order in range(len(made.schedule.steps)):
        if order == 1:
            made.record(order, state="invalid", reason="the server answered too late")
        elif order:
            made.record(order)
    run = view_of(made)
    assert run.is_stale()
    run.assess()
    assert not run.is_stale()
    dashboard = json.loads(run.dashboard)
    assert dashboard["trials"] == len(made.schedule.steps) - 1
    assert [row["mode"]["server"] for row in dashboard["rows"]] == ["sync", "gevent"]
    assert [one["label"] for one in dashboard["headings"]] == ["age 0", "age 60 s", "age unlimited"]
    cells = [cell for row in dashboard["rows"] for cell in row["cells"]]
    assert {cell["planned"] for cell in cells} == {3}
    assert [made.schedule.cases[cell["case"]].strategy.parameters["max_age"] for cell in cells[:3]] == [0, 60, None]
    assert [one["reason"] for one in dashboard["broken"]] == ["the server answered too late"]
    assert all(len(one["lines"]) == 2 for one in dashboard["opinions"])
    assert not any(one["decided"] for one in dashboard["opinions"])


def test_an_invalid_number_is_shown_as_missing(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN, ended=False)
    with (made.folder.path / "progress.jsonl").open("a") as file:
        file.write(
            '{"event":"sampled","at":1800000004,"order":0,"values":{"open":NaN,"requests":Infinity},"response_buckets":[]}\n'
        )
        file.write('{"event":"sampled","at":NaN,"order":0,"values":{},"response_buckets":[]}\n')
        file.write('{"event":"sampled","at":1e300,"order":0,"values":{"open":1e308},"response_buckets":[-1]}\n')
    run = view_of(made)
    for which in ("trial", "run"):
        json.dumps(run.points(which, None)[2], allow_nan=False)


def test_a_run_that_cannot_be_analysed_says_so_once(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins()
    made.record(0)
    record = made.folder.path / "trials" / "0000.json"
    record.write_bytes(record.read_bytes().replace(b'"schema":1', b'"schema":2', 1))
    run = view_of(made)
    run.assess()
    assert not run.is_stale()
    assert run.dashboard == ""
    assert "0000.json was written by a newer loadlab" in run.overview().notices[-1]


def test_a_run_whose_schedule_is_damaged_is_listed_as_unreadable(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.folder.write_text("schedule.json", "{}")
    with pytest.raises(UnreadableRunError, match=r"schedule\.json is damaged"):
        RunViews().of(made.folder.path)
    assert [one.state for one in summaries(Runs(folder=tmp_path))] == ["unreadable"]


def test_only_a_new_record_makes_an_analysis_due(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(pid=NOBODY)
    made.record(0)
    run = view_of(made)
    run.assess()
    run.read_on()
    assert not run.is_stale()
    made.record(1)
    run.read_on()
    assert run.is_stale()


def test_while_a_run_goes_on_analyses_are_kept_apart(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins()
    made.trial(0, at=BEGAN)
    run = view_of(made)
    run.assess()
    run._dashboard._rest_until = float("inf")
    made.trial(1, at=BEGAN + 4)
    run.read_on()
    assert not run.is_stale()
    made.ends()
    run.read_on()
    assert run.is_stale()


@pytest.mark.thorough
def test_an_hour_of_seven_hundred_trials_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    made = made_run(tmp_path / "run", blocks=12, users=[1, 2, 4, 8, 16, 32, 64, 96, 128, 256])
    total = len(made.schedule.steps)
    assert total >= 700
    made.begins(at=BEGAN)
    for order in range(total):
        made.trial(order, at=BEGAN + order * 5, seconds=4.5)
    run = view_of(made)
    run.assess()
    assert run.overview().done == total
    assert len(as_json(run.overview())) < 20_000
    assert len(run.dashboard) < 300_000
    for which in ("trial", "run"):
        _, _, rows, _ = run.points(which, None)
        assert 0 < len(json.dumps(rows)) < 150_000
    made.trial(0, at=BEGAN + total * 5, ended=False)
    shown, *_ = run.points("run", None)
    run.read_on()
    _, _, rows, start = run.points("run", shown)
    assert start >= len(run.whole) - len(rows)
    assert len(json.dumps(rows)) < 2_000


def test_no_file_of_a_run_may_be_a_link_to_elsewhere(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    (tmp_path / "secret").write_text("canary")
    (made.folder.path / "report.html").symlink_to(tmp_path / "secret")
    assert inside(made.folder.path, "report.html") is None
    assert inside(made.folder.path, "../secret") is None
    assert inside(made.folder.path, "plan.toml") is not None
    assert view_of(made).overview().reports == ()


PART: Final = 100_000  # bytes of progress


def test_a_run_is_shown_before_all_of_its_progress_is_read(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    over = made.trial(0, at=BEGAN, seconds=500.0)
    made.trial(1, at=over)
    made.ends("stopped", "Stopped by SIGINT.", at=over + 4)
    whole, early = view_of(made), RunViews().of(made.folder.path, PART)
    assert early.behind
    assert not whole.behind
    assert (early.overview().state, early.overview().done) == ("stopped", 2)
    assert early.overview().reason == "Stopped by SIGINT."
    parts = 1
    while early.behind:
        early.read_on(PART)
        parts += 1
    assert parts > 2
    assert early.overview() == whole.overview()
    assert early.points("run", None)[1:] == whole.points("run", None)[1:]


def test_a_line_longer_than_a_part_keeps_no_reader_waiting(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.notice("x" * 3 * PART)
    made.ends("stopped", at=BEGAN + 4)
    run = RunViews().of(made.folder.path, PART)
    while run.behind:
        run.read_on(PART)
    assert run.overview().state == "stopped"
    with (made.folder.path / "progress.jsonl").open("a") as file:
        file.write("x" * 3 * PART)
    run.read_on(PART)
    assert not run.behind


def test_a_fault_is_marked_on_the_time_axis_from_its_begin_to_its_end(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN, seconds=2.0, ended=False)
    made.fault(0, at=BEGAN + 2.0, words="backend_terminate (share=1) at 1 s")
    run = view_of(made)
    before, *_ = run.points("run", None)
    ((start, end, words),) = run.marks("run")
    assert (round(start, 3), end, words) == (2.0, None, "backend_terminate (share=1) at 1 s")
    made.fault(1, at=BEGAN + 2.5, until=BEGAN + 2.7)  # of a trial that has not begun
    made.folder.add_progress(FaultLifted(at=BEGAN + 3.0, order=0))
    run.read_on()
    after, _, rows, _ = run.points("run", before)
    assert after != before
    assert rows
    assert [[round(one, 3) for one in mark[:2] if one is not None] for mark in run.marks("run")] == [[2.0, 3.0]]
    assert len(run.marks("trial")) == 1
    made.trial(1, at=BEGAN + 5.0, ended=False)
    run.read_on()
    assert run.marks("trial") == []
    assert len(run.marks("run")) == 1
