"""What Celery and db_worker do with connections is said where a project has them, and nowhere else."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Final

import django
import pytest
from django.db.utils import ConnectionHandler
from django.test import override_settings
from every import every

from loadlab.instrumentation import checks, worker_checks
from loadlab.instrumentation.worker_checks import check_workers, is_celery_worker, pool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

django.setup()

SQLITE: Final[dict[str, Any]] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}
POOL: Final = {"OPTIONS": {"pool": {"min_size": 2, "max_size": 8}}}


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts one entry in place of DATABASES, as far as the checks see."""

    def put(**entry: Any) -> None:
        monkeypatch.setattr(worker_checks, "connections", ConnectionHandler({"default": {**SQLITE, **entry}}))

    return put


@pytest.fixture
def celery_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An app of the project's, as `proj/celery.py` makes it; no longer there afterwards."""
    celery = pytest.importorskip("celery", reason="make .venv/dev installs celery")
    monkeypatch.setattr(sys, "path", [*sys.path])  # the app puts the working directory there
    app = celery.Celery("project", set_as_current=False)
    yield app
    app.close()


def ids() -> list[str | None]:
    return [message.id for message in check_workers()]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"CONN_MAX_AGE": 0}, []),
        ({"CONN_MAX_AGE": 60}, ["loadlab.I001"]),
        ({"CONN_MAX_AGE": None}, ["loadlab.I001"]),
        (POOL, ["loadlab.W030"]),
        ({"OPTIONS": {"pool": True}}, ["loadlab.W030"]),
        ({"OPTIONS": {"pool": False}}, []),
    ],
)
@pytest.mark.usefixtures("celery_app")
def test_an_age_or_a_pool_beside_celery_is_spoken_of(database: Any, entry: dict[str, Any], said: list[str]) -> None:
    database(**entry)
    assert ids() == said


def test_the_number_of_sessions_for_each_task_is_said(database: Any, celery_app: Any) -> None:
    database(**POOL)
    (message,) = check_workers()
    assert "each task opens 2 connections (min_size)" in message.msg
    del celery_app


@pytest.mark.parametrize("entry", [{"CONN_MAX_AGE": 60}, POOL])
@pytest.mark.usefixtures("celery_app")
def test_a_celery_that_keeps_to_the_age_is_not_spoken_of(
    database: Any, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]
) -> None:
    from celery.fixups.django import DjangoWorkerFixup  # noqa: PLC0415  once the fixture has found it installed

    def as_up_to_5_5(self: Any, *, force: bool = False) -> None:
        for connection in self._db.connections.all():
            connection.close() if force else connection.close_if_unusable_or_obsolete()

    monkeypatch.setattr(DjangoWorkerFixup, "_close_database", as_up_to_5_5)
    database(**entry)
    assert ids() == []


@pytest.mark.parametrize("entry", [{"CONN_MAX_AGE": 60}, POOL])
def test_celery_that_is_only_imported_is_not_spoken_of(database: Any, entry: dict[str, Any]) -> None:
    celery = pytest.importorskip("celery", reason="make .venv/dev installs celery")
    pytest.importorskip("celery.fixups.django")
    database(**entry)
    assert ids() == []
    plain = celery.Celery("plain", fixups=[], set_as_current=False)
    assert ids() == []
    plain.close()


@pytest.mark.usefixtures("celery_app")
def test_a_pool_of_threads_is_not_warned_of(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    database(**POOL)
    with override_settings(CELERY_WORKER_POOL="threads"):
        assert ids() == []
    monkeypatch.setattr(sys, "argv", ["/venv/bin/celery", "-A", "project", "worker", "--pool=threads"])
    assert ids() == []


@pytest.mark.usefixtures("celery_app")
def test_a_fix_that_is_in_place_silences_its_check(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery.fixups.django import DjangoWorkerFixup  # noqa: PLC0415  once the fixture has found it installed

    database(CONN_MAX_AGE=60)
    with override_settings(CELERY_DB_REUSE_MAX=10):
        assert ids() == []
    monkeypatch.setattr(DjangoWorkerFixup, "close_database", lambda *_, **__: None)
    assert ids() == []
    database(**POOL)
    assert ids() == []


@pytest.mark.parametrize(
    ("entry", "apps", "said"),
    [
        ({"CONN_MAX_AGE": 0}, ["django_tasks_db"], ["loadlab.I002"]),
        ({"CONN_MAX_AGE": 60}, ["django_tasks_db"], []),
        (POOL, ["django_tasks_db"], []),
        ({"CONN_MAX_AGE": 0}, [], []),
    ],
)
def test_an_idle_db_worker_without_an_age_is_spoken_of(
    database: Any, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], apps: list[str], said: list[str]
) -> None:
    database(**entry)
    monkeypatch.setattr(worker_checks.apps, "is_installed", lambda name: name in apps)
    assert ids() == said


@pytest.mark.parametrize(
    ("entry", "rq", "said"),
    [
        (POOL, {}, ["loadlab.W031"]),
        (POOL, {"WORKER_CLASS": "rq.SimpleWorker"}, []),
        ({"CONN_MAX_AGE": 60}, {}, []),
    ],
)
def test_a_pool_beside_rq_is_warned_of(
    database: Any, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], rq: dict[str, str], said: list[str]
) -> None:
    database(**entry)
    monkeypatch.setattr(worker_checks.apps, "is_installed", "django_rq".__eq__)
    with override_settings(RQ=rq):
        assert ids() == said


@every(
    ("line", "pool"),
    [
        ("celery -A project worker", ""),
        ("/venv/bin/celery -A project worker -P threads -c 4", "threads"),
        ("/venv/lib/celery/__main__.py worker --pool gevent", "gevent"),
        ("celery worker --pool=solo", "solo"),
        ("celery worker -Psolo", "solo"),
        ("celery worker -P", ""),
        ("gunicorn project.wsgi -P threads worker", ""),
    ],
)
def test_the_pool_of_a_celery_worker_is_read_from_its_command_line(line: str, pool: str) -> None:
    assert pool_of(line.split()) == pool


def test_only_celerys_own_command_is_a_celery_worker() -> None:
    assert is_celery_worker(["/usr/bin/celery", "worker"])
    assert not is_celery_worker(["/usr/bin/celery", "beat"])
    assert not is_celery_worker(["manage.py", "celery", "worker"])
    assert not is_celery_worker([])


@pytest.mark.usefixtures("celery_app")
def test_a_celery_worker_logs_what_its_checks_would_say(
    database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database(**POOL)
    monkeypatch.setattr(sys, "argv", ["/venv/bin/celery", "-A", "project", "worker"])
    with caplog.at_level(logging.WARNING, "loadlab"):
        checks.warn_when_served()
    assert "loadlab.W030" in caplog.text
