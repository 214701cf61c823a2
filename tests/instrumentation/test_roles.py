"""What a process is for: by its command line, or by the unit that connects first."""

from __future__ import annotations

import sys
from typing import Final

import pytest
from every import every

from loadlab.instrumentation import roles, units, work
from loadlab.instrumentation.units import LIBRARIES, runs_tasks
from loadlab.model.metrics import ProcessRole, UnitKind

BY_COMMAND: Final = [
    (["/venv/bin/gunicorn", "site.wsgi"], ProcessRole.WEB),
    (["/venv/bin/uvicorn", "site.asgi:application"], ProcessRole.WEB),
    (["manage.py", "runserver"], ProcessRole.WEB),
    (["/venv/bin/celery", "-A", "site", "worker"], ProcessRole.WORKER),
    (["/venv/lib/celery/__main__.py", "-A", "site", "worker"], ProcessRole.WORKER),
    (["manage.py", "db_worker"], ProcessRole.WORKER),
    (["/venv/bin/dramatiq-gevent", "site.tasks"], ProcessRole.WORKER),
    (["manage.py", "shell"], ProcessRole.OTHER),
    (["manage.py"], ProcessRole.OTHER),
    (["-c"], ProcessRole.OTHER),
    ([], ProcessRole.OTHER),
]


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_workers", {name for library in LIBRARIES for name in LIBRARIES[library].workers})
    monkeypatch.setattr(sys, "argv", ["program"])
    work.become(None)


@every(("argv", "role"), BY_COMMAND)
def test_a_command_line_says_what_a_process_is_for(
    argv: list[str], role: ProcessRole, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", argv)
    assert roles.role() is role


@every(
    ("kind", "role"),
    [
        (UnitKind.TASK, ProcessRole.WORKER),
        (UnitKind.MESSAGE, ProcessRole.WEB),
        (UnitKind.REQUEST, ProcessRole.WEB),
    ],
)
def test_elsewhere_the_unit_says_it_that_connects_first(kind: UnitKind, role: ProcessRole) -> None:
    with work.unit(kind):
        assert roles.role() is role
    assert roles.role() is ProcessRole.OTHER


def test_a_task_in_a_web_server_leaves_it_a_web_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["gunicorn", "site.wsgi"])
    with work.unit(UnitKind.TASK):
        assert roles.role() is ProcessRole.WEB


def test_workers_of_libraries_that_are_not_imported_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(units, "_workers", set())
    assert not runs_tasks("celery")
