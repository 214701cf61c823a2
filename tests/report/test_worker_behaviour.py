"""Tables of workers: each with what it closes, and each fix with the code that was tried."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from loadlab.model.behaviour import Recording
from loadlab.model.config import Config
from loadlab.model.worker_behaviour import WORKER_COUNTS, WorkerRow, WorkerSetting
from loadlab.plan.members import build_worker
from loadlab.report.behaviour import as_markdown, for_terminal

HUEY = Config(name="huey", parameters={"threads": 4})
LOOKING = Config(name="django_tasks_db", parameters={"interval_seconds": 0.5})
KEPT = dict.fromkeys(WORKER_COUNTS, (4, 4)) | {
    "failed": (0, 0),
    "reused": (36, 36),
    "ended": (0, 0),
    "ended_checked": (0, 0),
}


def row(worker: Config = HUEY, fix: str = "", **spans: Any) -> WorkerRow:
    strategy = Config(name="max_age", parameters={"max_age": 60})
    setting = WorkerSetting(worker=worker, strategy=strategy, fix=fix, driver="psycopg")
    exact = spans.pop("exact", True)
    return WorkerRow(setting=setting, repeats=2, spans=KEPT | spans, exact=exact)


def shown(*rows: WorkerRow) -> tuple[str, str]:
    """The page, and what a terminal shows."""
    recording = Recording(versions={}, rows=(), workers=rows)
    console = Console(file=io.StringIO(), width=200)
    for part in for_terminal(recording):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return as_markdown(recording), console.file.getvalue()


def test_a_row_with_a_fix_stands_beside_the_row_without() -> None:
    page, _ = shown(row(), row(fix="db_task", failed_later=(0, 0)))
    lines = [line for line in page.splitlines() if line.startswith("| max_age=60 ")]
    assert [line.split(" | ")[1] for line in lines] == ["none", "db_task"]
    assert "| 4: 4, 4 |" in lines[0]
    assert "| 4: 4, 0 |" in lines[1]


def test_page_and_terminal_have_the_snippet_of_each_fix_whole() -> None:
    for text in shown(row()):
        for fix in build_worker(HUEY).fixes():
            assert fix.does in text
            assert all(line in text for line in fix.snippet.splitlines())


def test_only_a_worker_that_looks_for_tasks_has_a_column_for_its_looks() -> None:
    page, _ = shown(row(), row(LOOKING, idle_opened=(10, 10)))
    heads = [line for line in page.splitlines() if line.startswith("| strategy")]
    assert [head.endswith("| idle |") for head in heads] == [False, True]


def test_the_column_of_looks_is_explained_only_where_it_is_shown() -> None:
    for text, idle in zip(shown(row()), ("**idle**", "idle:"), strict=True):
        assert idle not in text
    for text, idle in zip(shown(row(LOOKING)), ("**idle**", "idle:"), strict=True):
        assert idle in text


def test_a_page_of_workers_alone_counts_no_experiments_of_servers() -> None:
    page, _ = shown(row())
    assert "experiments:" not in page


def test_what_ended_failed_or_was_counted_otherwise_is_said() -> None:
    page, _ = shown(row(ended=(1, 1), ended_checked=(0, 1), failed=(2, 2), exact=False))
    for words in ("(the worker ended)", "(the worker may end)", "2 failed", "PostgreSQL counted otherwise"):
        assert words in page


def test_a_recording_without_workers_has_no_section_of_them() -> None:
    page, terminal = shown()
    assert "Background workers" not in page
    assert terminal.strip() == ""
