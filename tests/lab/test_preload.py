"""A server that loads the project before it forks: what its log warns of is what really happens."""

from __future__ import annotations

import http.client
import json
import os
import re
import sys
import urllib.error
import urllib.request
from contextlib import closing, contextmanager
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, Final

import pytest
from laboratory import await_alone, open_sessions
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.lab.lab import Lab
    from loadlab.system.processes import Program

REPOSITORY: Final = Path(__file__).resolve().parents[2]
LISTENING: Final = re.compile(r"Listening at: (http://\S+)")
# With a query in ready(), if EAGER says so; each answer names the worker and its backend.
PROJECT: Final = """
import json, os, sys
if os.environ["DRIVER"] == "psycopg2":
    sys.modules["psycopg"] = None
from django.apps import AppConfig
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "preloaded"
INSTALLED_APPS = ["loadlab.instrumentation", "preloaded.Eager"]
DATABASES = {"default": json.loads(os.environ["ENTRY"])}

def backend():
    from django.db import connection
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]

class Eager(AppConfig):
    name = "preloaded"
    path = os.path.dirname(__file__)
    def ready(self):
        if os.environ["EAGER"] == "yes":
            backend()

def whoami(request):
    return HttpResponse(json.dumps([os.getpid(), backend()]))

urlpatterns = [path("", whoami)]
"""
WSGI: Final = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"


@contextmanager
def gunicorn(
    lab: Lab, folder: Path, *arguments: str, eager: bool, driver: str = "psycopg2"
) -> Iterator[tuple[Program, str]]:
    """The project under gunicorn with these arguments; its URL. No one else is connected to its database."""
    await_alone(lab)
    (folder / "preloaded.py").write_text(PROJECT)
    (folder / "served.py").write_text(WSGI)
    entry = {**lab.database.django(), "CONN_MAX_AGE": None}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    environment = {
        **kept,
        **lab.database.environment,
        "PYTHONPATH": f"{REPOSITORY}:{folder}",
        "DJANGO_SETTINGS_MODULE": "preloaded",
        "LOADLAB_LEDGER_DIR": str(folder / "ledgers"),
        "ENTRY": json.dumps(entry),
        "EAGER": "yes" if eager else "no",
        "DRIVER": driver,
    }
    argv = [sys.executable, "-m", "gunicorn", "served", "--bind", f"{LOOPBACK}:0", "--preload", "--no-control-socket"]
    argv += arguments
    program = lab.register.start("gunicorn", argv, log=folder / "log", environment=environment, folder=folder)
    try:
        wait_until(lambda: "Booting worker" in log(program), program)
        yield program, LISTENING.findall(log(program))[0]
    finally:
        program.stop(SIGTERM, grace_seconds=5.0)


def log(program: Program) -> str:
    return program.log.read_text()


def wait_until(condition: Callable[[], bool], program: Program) -> None:
    def holds() -> bool:
        if condition():
            return True
        assert program.running(), log(program)
        return False

    await_that(holds, lambda: log(program))


def ask(url: str) -> Any:
    """What the worker answered; the status where that was an error."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own
            return json.load(answer)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def backends_of_workers(program: Program, url: str, workers: int) -> dict[int, int]:
    """The backend of each worker, once all have answered."""
    backends: dict[int, int] = {}

    def all_have_answered() -> bool:
        worker, backend = ask(url)
        backends[worker] = backend
        return len(backends) == workers

    wait_until(all_have_answered, program)
    return backends


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_workers_sharing_a_preforked_connection_each_say_so(lab: Lab, tmp_path: Path, driver: str) -> None:
    with gunicorn(lab, tmp_path, "--workers", "2", eager=True, driver=driver) as (program, url):
        backends = backends_of_workers(program, url, 2)
        assert len(set(backends.values())) == 1
        assert open_sessions(lab) == CounterSet(tmp_path / "ledgers").read().aliases["default"].open == 1
        wait_until(lambda: log(program).count("(loadlab.W002)") == 2, program)


def test_without_a_query_before_the_fork_workers_share_no_connection(lab: Lab, tmp_path: Path) -> None:
    with gunicorn(lab, tmp_path, "--workers", "2", eager=False) as (program, url):
        backends = backends_of_workers(program, url, 2)
        assert len(set(backends.values())) == 2
        assert open_sessions(lab) == CounterSet(tmp_path / "ledgers").read().aliases["default"].open == 2
        assert "loadlab" not in log(program)


def test_greenlets_share_a_wrapper_loaded_before_patching_and_are_told(lab: Lab, tmp_path: Path) -> None:
    arguments = ("--worker-class", "gevent", "--keep-alive", str(int(PATIENCE_SECONDS)))
    with gunicorn(lab, tmp_path, *arguments, eager=False) as (program, url):
        client = http.client.HTTPConnection(url.partition("//")[2], timeout=PATIENCE_SECONDS)
        with closing(client):
            client.request("GET", "/")  # from here on this client's greenlet lives, and owns the wrapper
            answer = client.getresponse()
            assert (answer.status, len(json.load(answer))) == (200, 2)
            assert [ask(url) for _ in range(4)] == [500] * 4
        assert log(program).count("(loadlab.W003)") == 1
        assert "(loadlab.W002)" not in log(program)


def test_gevent_workers_inherit_a_connection_from_before_the_fork_too(lab: Lab, tmp_path: Path) -> None:
    arguments = ("--worker-class", "gevent", "--workers", "2")
    with gunicorn(lab, tmp_path, *arguments, eager=True) as (program, _):
        wait_until(lambda: log(program).count("(loadlab.W002)") == 2, program)
        assert open_sessions(lab) == 1
