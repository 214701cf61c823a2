"""System checks: each deadly combination is said, and nothing is said of harmless ones."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.apps import AppConfig
from django.db import OperationalError, connections
from django.db.utils import ConnectionHandler
from django.test import override_settings
from django.test.utils import _TestState
from every import every

from loadlab.instrumentation import accounting, checks, counting, loading, serving
from loadlab.instrumentation.configuration import InstrumentationConfiguration, configuration
from loadlab.instrumentation.serving import UNKNOWN, Serving, of_command, of_process
from loadlab.servers import SERVERS, Site

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SQLITE: dict[str, Any] = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}

django.setup()


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts one entry in place of DATABASES, as far as the checks see."""
    handlers: list[ConnectionHandler] = []

    def put(**entry: Any) -> ConnectionHandler:
        handlers.append(ConnectionHandler({"default": {**SQLITE, **entry}}))
        counting.install(handlers[-1])
        monkeypatch.setattr(checks, "connections", handlers[-1])
        return handlers[-1]

    yield put
    for wrapper in (handler["default"] for handler in handlers):
        if wrapper.connection is not None:
            wrapper._close()  # close() leaves a database in memory open


def ids(server: str) -> list[str | None]:
    with override_settings(LOADLAB={"SERVER": server}):
        return [message.id for message in checks.check_serving()]


@pytest.mark.parametrize(
    ("server", "age", "warned"),
    [
        ("gunicorn site.wsgi -k gevent", 60, True),
        ("gunicorn site.wsgi -k gevent", None, True),
        ("gunicorn site.wsgi -k gevent", 0, False),
        ("gunicorn site.wsgi --threads 4", 60, False),
        ("gunicorn site.wsgi", None, False),
        ("uvicorn site.asgi:application", 60, True),
        ("gunicorn site.asgi -k uvicorn.workers.UvicornWorker", 60, True),
        ("daphne site.asgi:application", 0, False),
        ("daphne site.asgi:application", 60, True),
        ("granian --interface wsgi --workers 1 --blocking-threads 4 site.wsgi:application", 60, False),
        ("granian --interface=asgi site.asgi:application", 60, True),
        ("granian --interface asginl site.asgi:application", 60, True),
        ("granian site:application", 60, False),
        ("hypercorn wsgi:site.wsgi:application", 60, False),
        ("hypercorn -w 2 site.wsgi", 60, False),
        ("hypercorn asgi:site.asgi:application", 60, True),
        ("hypercorn --bind 127.0.0.1:8000 site.asgi:application", 60, True),
        ("hypercorn site:application", 60, False),
        ("uvicorn --interface wsgi site.wsgi:application", 60, False),
        ("uvicorn --interface=asgi3 site.asgi:application", 60, True),
        ("gunicorn site.wsgi -k gunicorn.workers.ggevent.GeventWorker", 60, True),
        ("gunicorn site.wsgi -k egg:gunicorn#gevent", 60, True),
        ("gunicorn site.wsgi -k site.workers.Special", 60, False),
        ("waitress-serve site.wsgi:application", 60, False),
        ("waitress-serve --threads=8 site.wsgi:application", None, False),
        ("python -m waitress site.wsgi:application", 60, False),
        ("cheroot --threads 4 site.wsgi:application", 60, False),
        ("uwsgi --module site.wsgi --processes 4", 60, False),
        ("uwsgi --module site.wsgi --processes 4 --threads 2 --master", 60, False),
        ("uwsgi --module site.wsgi --gevent 100 --gevent-early-monkey-patch", 60, True),
        ("uwsgi --module site.wsgi --gevent 100", 60, False),
        ("uwsgi --gevent=100 --gevent-early-monkey-patch site.ini", 60, False),
        ("gunicorn site.asgi -k asgi", 60, True),
        ("gunicorn site.asgi -k uvicorn_worker.UvicornWorker", 60, True),
        ("python manage.py runserver", 60, True),
        ("python manage.py runserver --nothreading", 60, False),
        ("mod_wsgi-express start-server site/wsgi.py --processes 2 --threads 5", 60, False),
        ("", 60, False),
    ],
)
def test_a_kept_connection_is_warned_of_where_no_request_can_find_it(
    database: Any, server: str, age: float | None, *, warned: bool
) -> None:
    database(CONN_MAX_AGE=age)
    assert ("loadlab.W001" in ids(server)) is warned


# By the modules that stand for programs in the lab's command lines.
PROGRAMS: dict[str, str] = {
    "loadlab.settings_override.with_uwsgi": "uwsgi",
    "mod_wsgi.express.cli": "mod_wsgi-express",
}


@every("name", list(SERVERS))
def test_the_checks_know_of_a_server_mode_what_it_says_itself(name: str) -> None:
    server = SERVERS[name]()
    known = of_command([PROGRAMS.get(word, word) for word in server.argv(Site(scratch="/scratch"), 8000)])
    assert known is not None
    assert known.own_thread is (server.lasting_connections(8, keep_alive=False) == 0)
    assert known.workers == server.processes()


def app_of(fix: str) -> type[AppConfig]:
    """The app that a project installs by the name of its module."""
    name = f"loadlab.fixes.{fix}"
    members = vars(importlib.import_module(name)).values()
    apps = [each for each in members if isinstance(each, type) and issubclass(each, AppConfig)]
    (app,) = [each for each in apps if getattr(each, "name", None) == name]
    return app


@pytest.mark.parametrize(
    ("fix", "server", "warned"),
    [
        ("close_on_thread_exit", "gunicorn site.wsgi -k gevent", False),
        ("reap_dead_threads", "uvicorn site.asgi:application", False),
        ("leased_threads", "uvicorn site.asgi:application", False),
        ("close_at_handler_end", "python manage.py runserver", False),
        ("close_at_handler_end", "gunicorn site.wsgi -k gevent", True),  # there it is a hook of gunicorn's, not the app
        ("worker_exit_hook", "gunicorn site.wsgi -k gevent", True),
    ],
)
def test_a_leak_that_an_installed_fix_ends_is_not_warned_of(
    database: Any, monkeypatch: pytest.MonkeyPatch, fix: str, server: str, *, warned: bool
) -> None:
    database(CONN_MAX_AGE=60)
    monkeypatch.setattr(checks.apps, "get_app_configs", lambda: [app_of(fix)])
    assert ("loadlab.W001" in ids(server)) is warned


@every("fix", ["close_on_thread_exit", "reap_dead_threads", "leased_threads", "close_at_handler_end"])
def test_a_fix_ends_the_leak_in_modes_that_are_warned_of(fix: str) -> None:
    modes = app_of(fix).ends_leak_in  # type: ignore[attr-defined]
    assert modes
    assert set(modes) <= {*serving.OWN_THREAD, serving.WSGI}


@pytest.mark.parametrize(
    ("server", "age", "warned"),
    [
        ("granian --interface wsgi site.wsgi:application", 60, True),
        ("granian --interface wsgi --blocking-threads-idle-timeout 600 site.wsgi:application", None, True),
        ("granian --interface wsgi site.wsgi:application", 0, False),
        ("granian --interface asgi site.asgi:application", 60, False),
        ("hypercorn wsgi:site.wsgi:application", 60, False),
        ("waitress-serve site.wsgi:application", 60, False),
    ],
)
def test_threads_that_end_when_idle_are_warned_of(
    database: Any, server: str, age: float | None, *, warned: bool
) -> None:
    database(CONN_MAX_AGE=age)
    assert ("loadlab.W010" in ids(server)) is warned


@pytest.mark.parametrize(("fix", "warned"), [("close_on_thread_exit", False), ("leased_threads", True)])
def test_a_fix_for_threads_that_end_ends_the_warning_of_idle_ones(
    database: Any, monkeypatch: pytest.MonkeyPatch, fix: str, *, warned: bool
) -> None:
    database(CONN_MAX_AGE=60)
    monkeypatch.setattr(checks.apps, "get_app_configs", lambda: [app_of(fix)])
    assert ("loadlab.W010" in ids("granian --interface wsgi site.wsgi:application")) is warned


def test_a_worker_in_whose_event_loop_django_refuses_to_query_is_warned_of(database: Any) -> None:
    database()
    assert "loadlab.W011" in ids("gunicorn site.wsgi -k tornado")
    assert "loadlab.W011" in ids("gunicorn site.wsgi -k egg:gunicorn#tornado")
    assert "loadlab.W011" not in ids("gunicorn site.asgi -k asgi")


def test_a_worker_in_whose_event_loop_queries_are_allowed_is_warned_of_the_leak(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(CONN_MAX_AGE=60)
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    assert ids("gunicorn site.wsgi -k tornado") == ["loadlab.W001"]


@every(
    ("server", "warned"),
    [
        ("uwsgi --module site.wsgi --processes 2", True),
        ("uwsgi --module site.wsgi -p 2", True),
        ("uwsgi --module site.wsgi -p 2 -M", False),
        ("uwsgi --module site.wsgi --workers=2 --master", False),
        ("uwsgi --module site.wsgi", False),
    ],
)
def test_uwsgi_with_processes_and_no_master_is_warned_of(server: str, *, warned: bool) -> None:
    assert ("loadlab.W012" in ids(server)) is warned


def opened_while_loading(handler: ConnectionHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(accounting, "loading", lambda: True)
        handler["default"].connect()


def test_a_connection_opened_while_loading_before_the_fork_is_warned_of(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = database()
    assert "loadlab.W002" not in ids("gunicorn site.wsgi --preload")
    opened_while_loading(handler, monkeypatch)
    assert "loadlab.W002" in ids("gunicorn site.wsgi --preload")
    assert "loadlab.W002" in ids("")
    assert "loadlab.W002" not in ids("gunicorn site.wsgi")


def test_a_connection_that_a_test_imports_is_not_warned_of(database: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_while_loading(database(), monkeypatch)
    assert "loadlab.W002" in ids("")
    monkeypatch.setattr(_TestState, "saved_data", None, raising=False)
    assert "loadlab.W002" not in ids("")


def test_a_connection_that_loading_closed_again_is_not_warned_of(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = database()
    opened_while_loading(handler, monkeypatch)
    handler["default"]._close()
    handler["default"].connection = None
    assert "loadlab.W002" not in ids("")
    handler["default"].connect()
    assert "loadlab.W002" not in ids("")


def test_what_is_imported_is_loading_and_what_it_has_defined_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from loadlab.instrumentation.loading import loading\nfound = loading()\n"
    (tmp_path / "an_import.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert importlib.import_module("an_import").found
    assert not loading.loading()
    scope: dict[str, Any] = {}
    exec(source, scope)  # noqa: S102  as `manage.py shell` does
    assert not scope["found"]


def test_everything_is_loading_until_the_apps_are_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading.apps, "ready", False)
    assert loading.loading()


def test_gevent_with_preload_is_warned_of(database: Any) -> None:
    database()
    assert "loadlab.W003" in ids("gunicorn site.wsgi -k gevent --preload")
    assert "loadlab.W003" not in ids("gunicorn site.wsgi -k gevent")
    assert "loadlab.W003" not in ids("gunicorn site.wsgi -k gthread --preload")


def test_uwsgi_with_the_late_monkey_patch_is_warned_of(database: Any) -> None:
    database()
    late, early = "--gevent 100 --gevent-monkey-patch", "--gevent 100 --gevent-early-monkey-patch"
    with override_settings(LOADLAB={"SERVER": f"uwsgi --module site.wsgi {late}"}):
        (said,) = [one for one in checks.check_serving() if one.id == "loadlab.W003"]
    assert "uwsgi loads the project before gevent has patched Python (--gevent-monkey-patch)" in said.msg
    assert said.hint == "Use --gevent-early-monkey-patch instead."
    assert "loadlab.W003" in ids(f"uwsgi --module site.wsgi --lazy-apps {late}")
    assert "loadlab.W003" not in ids(f"uwsgi --module site.wsgi {early}")


def test_a_pool_together_with_an_age_is_warned_of(database: Any) -> None:
    database(OPTIONS={"pool": True}, CONN_MAX_AGE=60)
    assert "loadlab.W005" in ids("")
    database(OPTIONS={"pool": True})
    assert "loadlab.W005" not in ids("")


@pytest.mark.parametrize("pool", [{"max_size": "many"}, {"max_size": None, "min_size": None}, "yes"])
def test_a_pool_of_no_size_that_can_be_reckoned_with_breaks_no_check(database: Any, pool: object) -> None:
    handler = database(OPTIONS={"pool": pool})
    entry = handler.settings["default"]
    assert checks._most_per_worker(entry, Serving(mode="sync")) == (4 if pool == "yes" else None)


def test_an_entry_without_options_breaks_no_check(database: Any) -> None:
    database(OPTIONS=None)
    assert ids("gunicorn site.wsgi") == []


class Judge:
    """A PostgreSQL that says what it lets in."""

    vendor = "postgresql"

    def __init__(self, **entry: Any) -> None:
        self.settings_dict = {"OPTIONS": {}, **entry}

    def cursor(self) -> Any:
        return self

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, _: str) -> None: ...

    def fetchone(self) -> tuple[int, int]:
        return 100, 3


@pytest.mark.parametrize(
    ("entry", "server", "arithmetic"),
    [
        ({"OPTIONS": {"pool": {"max_size": 20}}}, "gunicorn site.wsgi -w 5", "5 workers × 20 connections = 100"),
        ({"OPTIONS": {"pool": {"max_size": 20}}}, "gunicorn site.wsgi -w 4", ""),
        ({"OPTIONS": {"pool": True}}, "uvicorn site.asgi:app --workers 25", "25 workers × 4 connections = 100"),
        ({}, "gunicorn site.wsgi -w 10 --threads 10", "10 workers × 10 connections = 100"),
        ({}, "gunicorn site.wsgi -w 97", ""),
        ({}, "gunicorn site.wsgi -k gevent -w 97", ""),
        ({}, "gunicorn site.wsgi -k site.workers.Special -w 970", ""),
        ({}, "granian --interface wsgi --workers 970 site.wsgi:application", ""),
    ],
)
def test_more_connections_than_the_database_allows_are_warned_of(
    monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], server: str, arithmetic: str
) -> None:
    monkeypatch.setattr(checks, "connections", {"default": Judge(**entry)})
    with override_settings(LOADLAB={"SERVER": server}):
        messages = checks.check_room(databases=["default"])
    assert [message.id for message in messages] == (["loadlab.W004"] if arithmetic else [])
    assert all(f"{arithmetic}, but the database allows max_connections 100 − 3" in str(m.msg) for m in messages)


def test_a_database_that_does_not_answer_is_named_and_ends_no_command(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone(Judge):
        def cursor(self) -> Any:
            raise OperationalError("connection refused")

    monkeypatch.setattr(checks, "connections", {"default": Gone()})
    with override_settings(LOADLAB={"SERVER": "gunicorn site.wsgi"}):
        (message,) = checks.check_room(databases=["default"])
    assert "did not say how many connections it allows: connection refused" in str(message.msg)


def test_another_vendors_database_is_not_asked_for_its_limits(database: Any) -> None:
    database()
    with override_settings(LOADLAB={"SERVER": "gunicorn site.wsgi -w 1000"}):
        assert checks.check_room(databases=["default"]) == []


@every(
    ("given", "fault"),
    [
        ({"METRICS_TOKN": "x"}, "LOADLAB['METRICS_TOKN'] is unknown; there are METRICS_TOKEN, METRICS_OPEN"),
        ({"METRICS_OPEN": "yes"}, "LOADLAB['METRICS_OPEN'] should be a bool, not str"),
        ({"METRICS_TOKEN": 5}, "LOADLAB['METRICS_TOKEN'] should be a str, not int"),
        ({"METRICS_TOKEN": None}, "LOADLAB['METRICS_TOKEN'] should be a str, not NoneType"),
        ({"METRICS_TOKEN": b"x"}, "LOADLAB['METRICS_TOKEN'] should be a str, not bytes"),
        ({"LEDGER_DIR": "ledgers"}, "LOADLAB['LEDGER_DIR'] should be an absolute path, not 'ledgers'"),
        ({"LEDGER_DIR": ["/x"]}, "LOADLAB['LEDGER_DIR'] should be a str, not list"),
        (
            {"SERVER": 'gunicorn "site.wsgi'},
            "LOADLAB['SERVER'] should be a command line as a shell takes it: No closing",
        ),
        ({"SERVER": ["gunicorn", "site.wsgi"]}, "LOADLAB['SERVER'] should be a str, not list"),
        ({7: "x"}, "LOADLAB[7] is unknown"),
        (None, "LOADLAB should be a dict, not NoneType"),
        (["METRICS_TOKEN"], "LOADLAB should be a dict, not list"),
        ("METRICS_TOKEN=x", "LOADLAB should be a dict, not str"),
        (True, "LOADLAB should be a dict, not bool"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_its_key(given: Any, fault: str) -> None:
    with override_settings(LOADLAB=given):
        (message,) = checks.check_settings()
        assert replace(configuration(), ledger_dir="") == InstrumentationConfiguration()
        assert checks.check_serving() == []
    assert message.id == "loadlab.E001"
    assert fault in str(message.msg)


def test_a_right_setting_has_no_fault(tmp_path: Path) -> None:
    right = {"METRICS_TOKEN": "x", "METRICS_OPEN": False, "LEDGER_DIR": tmp_path, "SERVER": ""}
    for given in (right, MappingProxyType(right), {}):
        with override_settings(LOADLAB=given):
            assert checks.check_settings() == []


def test_the_environments_folder_goes_first_and_must_be_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with override_settings(LOADLAB={"LEDGER_DIR": tmp_path}):
        monkeypatch.setenv("LOADLAB_LEDGER_DIR", "/elsewhere")
        assert configuration().ledger_dir == "/elsewhere"
        monkeypatch.setenv("LOADLAB_LEDGER_DIR", "elsewhere")
        assert configuration().ledger_dir == str(tmp_path)
        (message,) = checks.check_settings()
    assert "LOADLAB_LEDGER_DIR should be an absolute path, not 'elsewhere'" in str(message.msg)


def test_a_server_says_in_its_log_what_the_checks_would_have_said(
    database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database(CONN_MAX_AGE=60)
    with caplog.at_level(logging.WARNING, "loadlab"):
        monkeypatch.setattr(sys, "argv", ["manage.py", "check"])
        checks.warn_when_served()
        assert caplog.text == ""
        monkeypatch.setattr(sys, "argv", ["/usr/lib/gunicorn/__main__.py", "site.wsgi", "-k", "gevent"])
        checks.warn_when_served()
    assert "loadlab.W001" in caplog.text


def test_what_a_project_has_silenced_is_not_logged_either(
    database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database(CONN_MAX_AGE=60)
    monkeypatch.setattr(sys, "argv", ["gunicorn", "site.wsgi", "-k", "gevent"])
    with override_settings(SILENCED_SYSTEM_CHECKS=["loadlab.W001"]):
        checks.warn_when_served()
    assert caplog.text == ""


def test_a_worker_says_that_it_has_inherited_a_connection(
    database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    handler = database()
    monkeypatch.setattr(sys, "argv", ["gunicorn", "site.wsgi", "--preload"])
    monkeypatch.setattr(checks, "_loaded_in", os.getppid())
    checks.warn_after_fork()
    assert caplog.text == ""
    handler["default"].connect()
    checks.warn_after_fork()
    assert "loadlab.W002" in caplog.text


def test_a_process_that_a_worker_forks_says_nothing(
    database: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    database()["default"].connect()
    monkeypatch.setattr(sys, "argv", ["gunicorn", "site.wsgi", "--preload"])
    monkeypatch.setattr(checks, "_loaded_in", os.getppid() + 1)
    checks.warn_after_fork()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("gunicorn site.wsgi", Serving(mode="sync")),
        ("python -m gunicorn site.wsgi -w 3 --threads=2", Serving(mode="gthread", workers=3, threads=2)),
        ("/venv/bin/gunicorn -k gevent --preload site.wsgi", Serving(mode="gevent", preload=True, late_patch=True)),
        ("/x/gunicorn/__main__.py site.wsgi --worker-class=gthread", Serving(mode="gthread")),
        ("gunicorn -k egg:gunicorn#tornado site.wsgi", Serving(mode="tornado")),
        ("waitress-serve --threads=8 site.wsgi:application", Serving(mode="gthread", threads=8)),
        ("waitress-serve site.wsgi:application", Serving(mode="gthread", threads=4)),
        ("cheroot site.wsgi:application", Serving(mode="gthread", threads=10)),
        ("mod_wsgi-express start-server wsgi.py --processes 2", Serving(mode="gthread", workers=2, threads=5)),
        ("uwsgi -p 2 --threads 3 --master", Serving(mode="gthread", workers=2, threads=3, preload=True)),
        ("uwsgi --ini site.ini --processes 2", Serving(mode=UNKNOWN)),
        ("gunicorn -k gunicorn.workers.gthread.ThreadWorker --threads 3 site.wsgi", Serving(mode="gthread", threads=3)),
        ("gunicorn site.wsgi -w -3 --threads 0", Serving(mode="sync")),
        ("granian --interface wsgi --workers 2 a:b", Serving(mode="wsgi", workers=2, idle_seconds="30")),
        ("hypercorn site.asgi:app -w 2", Serving(mode="asgi", workers=2)),
        ("gunicorn site.wsgi -w many", Serving(mode="sync")),
    ],
)
def test_a_servers_command_line_is_understood(command: str, expected: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    assert of_command(command.split()) == expected


def test_gunicorns_own_environment_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--preload -k gevent")
    monkeypatch.setenv("WEB_CONCURRENCY", "7")
    assert of_command(["gunicorn", "site.wsgi"]) == Serving(mode="gevent", workers=7, preload=True, late_patch=True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        *[("WEB_CONCURRENCY", value) for value in ("", "many", "2.5", "-4", "0", "9" * 5000, " ", "1e3")],
        *[("GUNICORN_CMD_ARGS", value) for value in ('-w "3', "-w many", "--threads", "-w " + "9" * 5000)],
    ],
    ids=lambda value: value[:20],
)
def test_a_servers_bad_environment_breaks_no_command(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    monkeypatch.setenv(variable, value)
    assert of_command(["gunicorn", "site.wsgi"]) == Serving(mode="sync")
    assert of_command(["uvicorn", "site.asgi:application"]) == Serving(mode="asgi")


def test_uvicorn_asks_the_environment_for_its_workers_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    assert of_command(["uvicorn", "site.asgi:application"]) == Serving(mode="asgi", workers=3)
    assert of_command(["uvicorn", "site.asgi:application", "--workers", "2"]) == Serving(mode="asgi", workers=2)
    monkeypatch.setenv("UVICORN_WORKERS", "5")
    assert of_command(["uvicorn", "site.asgi:application"]) == Serving(mode="asgi", workers=5)


def test_granian_asks_its_own_variables_alone_and_hypercorn_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "3")
    monkeypatch.setenv("GRANIAN_WORKERS", "4")
    monkeypatch.setenv("GRANIAN_INTERFACE", "asgi")
    assert of_command(["granian", "site.asgi:application"]) == Serving(mode="asgi", workers=4)
    assert of_command(["hypercorn", "site.asgi:application"]) == Serving(mode="asgi", workers=1)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Serving(mode="sync", preload=True)),
        (
            {"processes": b"4", "threads": b"3", "master": True},
            Serving(mode="gthread", workers=4, threads=3, preload=True),
        ),
        ({"workers": b"2", "lazy-apps": True}, Serving(mode="sync", workers=2, masterless=True)),
        ({"gevent": b"100", "gevent-early-monkey-patch": True}, Serving(mode="gevent", preload=True)),
        ({"gevent": b"100", "gevent-monkey-patch": True}, Serving(mode="gevent", preload=True, late_patch=True)),
        ({"gevent": b"100"}, Serving(mode=UNKNOWN, preload=True)),
        ({"processes": b"%k", "threads": [b"1", b"2"]}, Serving(mode="sync", preload=True)),
    ],
)
def test_uwsgi_says_itself_how_it_serves(
    options: dict[str, object], expected: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["uwsgi"])
    assert not serving.is_server()
    monkeypatch.setitem(sys.modules, "uwsgi", SimpleNamespace(opt=options))
    assert (serving.is_server(), serving.serving()) == (True, expected)


def test_mod_wsgi_says_itself_how_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["mod_wsgi"])
    monkeypatch.setitem(sys.modules, "mod_wsgi", SimpleNamespace(server=None))
    assert not serving.is_server()
    said = SimpleNamespace(maximum_processes=2, threads_per_process=5)
    monkeypatch.setitem(sys.modules, "mod_wsgi", said)
    assert (serving.is_server(), serving.serving()) == (True, Serving(mode="gthread", workers=2, threads=5))


@every(
    ("command", "serves"),
    [
        ("gunicorn site.wsgi", True),
        ("/venv/lib/python3.13/site-packages/uvicorn/__main__.py site.asgi:application", True),
        ("manage.py runserver 8000", True),
        ("manage.py startapp gunicorn", False),
        ("manage.py test uvicorn runserver", False),
        ("/venv/bin/pytest tests/gunicorn.py", False),
        ("", False),
    ],
)
def test_a_process_is_a_server_by_its_name_not_by_its_arguments(command: str, *, serves: bool) -> None:
    assert (of_process(command.split()) is not None) is serves


def test_the_checks_are_registered_and_open_no_connection() -> None:
    from django.core.checks import run_checks  # noqa: PLC0415

    checks.register()
    run_checks(tags=["loadlab"])
    assert all(wrapper.connection is None for wrapper in connections.all(initialized_only=True))
