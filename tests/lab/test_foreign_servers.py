"""Servers that the lab does not run: after any fork and at any time of connecting, our count equals PostgreSQL's."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from signal import SIGINT
from typing import TYPE_CHECKING, Any, Final

import pytest
from laboratory import open_sessions, sessions_counted
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.lab import Lab

REPOSITORY: Final = Path(__file__).resolve().parents[2]
REQUESTS, CLIENTS = 40, 4
SETTINGS: Final = """
import json, os
from django.db import close_old_connections
from django.http import HttpResponse
from django.urls import path

SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "foreign"
INSTALLED_APPS = ["loadlab.instrumentation", "early"]
DATABASES = {"default": json.loads(os.environ["ENTRY"])}

def query():
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

def view(request):
    query()
    close_old_connections()
    query()
    return HttpResponse(str(os.getpid()))

urlpatterns = [path("", view)]
"""
# What some projects do: a query while models are imported, before any app is ready.
MODELS: Final = "from foreign import query\nquery()\n"
CLOSING: Final = "from django.db import connection\nconnection.close()\n"
WSGI: Final = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"


def gunicorn(port: int) -> list[str]:
    return [sys.executable, "-m", "gunicorn", "served", "-w", "2", "-b", f"{LOOPBACK}:{port}", "--no-control-socket"]


def uwsgi(port: int, processes: int, threads: int) -> list[str]:
    """Its defaults: the master loads the project, and forks in C without Python's hooks."""
    program = Path(sys.executable).with_name("uwsgi")
    socket = ["--http-socket", f"{LOOPBACK}:{port}", "--master", "--die-on-term", "--need-app"]
    many = ["--processes", str(processes), *(["--enable-threads", "--threads", str(threads)] if threads > 1 else [])]
    python = ["--virtualenv", sys.prefix, "--pythonpath", str(REPOSITORY), "--pythonpath", ".", "--module", "served"]
    return [str(program), *socket, *many, *python]


def ask(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own
        return str(answer.read().decode())


@contextmanager
def served(lab: Lab, folder: Path, argv: list[str], port: int, age: float | None) -> Iterator[str]:
    """The project, served by that command line; its URL."""
    entry = {**lab.database.django(), "CONN_MAX_AGE": age}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    environment = {
        **kept,
        **lab.database.environment,
        "PYTHONPATH": f"{REPOSITORY}:{folder}",
        "DJANGO_SETTINGS_MODULE": "foreign",
        "LOADLAB_LEDGER_DIR": str(folder / "ledgers"),
        "ENTRY": json.dumps(entry),
    }
    program = lab.register.start("foreign", argv, log=folder / "log", environment=environment, folder=folder)
    url = f"http://{LOOPBACK}:{port}/"

    def listens() -> bool:
        assert program.running(), program.log.read_text()
        return f"{port}" in program.log.read_text() and _accepts(port)

    try:
        await_that(listens)
        yield url
    finally:
        program.stop(SIGINT, grace_seconds=20.0)


def _accepts(port: int) -> bool:
    import socket  # noqa: PLC0415

    with socket.socket() as trying:
        return trying.connect_ex((LOOPBACK, port)) == 0


def project(folder: Path, models: str) -> None:
    (folder / "early").mkdir()
    for name, text in {"foreign": SETTINGS, "served": WSGI, "early/__init__": "", "early/models": models}.items():
        (folder / f"{name}.py").write_text(text)


def agree(lab: Lab, folder: Path, argv: list[str], port: int, age: float | None) -> Any:
    """Serve and load it; both sides of what was counted must be the same."""
    before = sessions_counted(lab)
    with served(lab, folder, argv, port, age) as url, ThreadPoolExecutor(CLIENTS) as clients:
        workers = set(clients.map(ask, [url] * REQUESTS))
    totals = CounterSet(folder / "ledgers").read().aliases["default"]
    assert totals.opened == sessions_counted(lab) - before
    assert totals.opened == sum(totals.closed.values())
    assert RequestTotals(folder / "ledgers").read().requests == REQUESTS
    return totals, workers


@pytest.mark.skipif(importlib.util.find_spec("pyuwsgi") is None, reason="pyuwsgi is not installed")
@pytest.mark.parametrize(
    ("age", "processes", "threads"),
    [
        (60, 2, 1),
        pytest.param(0, 2, 1, marks=pytest.mark.slow),
        pytest.param(0, 4, 2, marks=pytest.mark.slow),
        pytest.param(60, 4, 2, marks=pytest.mark.slow),
        pytest.param(60, 1, 4, marks=pytest.mark.slow),
    ],
)
def test_uwsgi_s_workers_are_counted_each_for_itself(
    lab: Lab, tmp_path: Path, age: float, processes: int, threads: int
) -> None:
    port = free_port()
    project(tmp_path, MODELS + CLOSING)
    totals, workers = agree(lab, tmp_path, uwsgi(port, processes, threads), port, age)
    # One more than requests: the query in the master's models, outside of any.
    assert totals.requests_opened + totals.requests_reused == REQUESTS + 1
    assert len(workers) <= processes
    if age:
        assert len(workers) + 1 <= totals.opened <= processes * threads + 1
        assert totals.requests_reused == REQUESTS + 1 - totals.opened


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("pyuwsgi") is None, reason="pyuwsgi is not installed")
def test_uwsgi_s_workers_say_that_they_have_inherited_a_connection(lab: Lab, tmp_path: Path) -> None:
    port = free_port()
    project(tmp_path, MODELS)
    before = sessions_counted(lab)
    with served(lab, tmp_path, uwsgi(port, 2, 1), port, None) as url:
        for _ in range(REQUESTS):  # one after another: two workers at once would mix up their answers
            ask(url)
        totals = CounterSet(tmp_path / "ledgers").read().aliases["default"]
        assert open_sessions(lab) == totals.open == 1
        assert totals.requests_opened + totals.requests_reused == REQUESTS + 1
        assert "(loadlab.W002)" in (tmp_path / "log").read_text()
    assert CounterSet(tmp_path / "ledgers").read().aliases["default"].opened == sessions_counted(lab) - before == 1


@pytest.mark.parametrize("age", [0, pytest.param(60, marks=pytest.mark.slow)])
def test_a_connection_opened_while_models_are_imported_is_counted(lab: Lab, tmp_path: Path, age: float) -> None:
    port = free_port()
    project(tmp_path, MODELS)
    totals, _ = agree(lab, tmp_path, gunicorn(port), port, age)
    # In each of the two workers the models' query is work outside of requests.
    assert totals.requests_opened + totals.requests_reused == REQUESTS + 2
