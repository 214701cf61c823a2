"""What servers do that their users do not expect, each as the documentation says it: an upgrade may change it."""

from __future__ import annotations

import asyncio
import http.client
import importlib.metadata
import importlib.util
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

pytestmark = pytest.mark.process

UNSIZED: Final = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"hello"])
"""
# Each request is under way while the others come.
QUERYING: Final = """
import time
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def view(request):
    time.sleep(0.3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse("text")

SECRET_KEY, ALLOWED_HOSTS, ROOT_URLCONF, urlpatterns = "x", ["*"], "querying", [path("", view)]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "CONN_MAX_AGE": 60}}
"""
ZONED: Final = """
SECRET_KEY, ALLOWED_HOSTS, ROOT_URLCONF, urlpatterns = "x", ["*"], "zoned", []
"""
SERVED: Final = """
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""


def needs(package: str) -> Any:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture
def register() -> Iterator[Register]:
    with Register.opened() as opened:
        yield opened


def accepts(port: int) -> bool:
    import socket  # noqa: PLC0415

    with socket.socket() as trying:
        return trying.connect_ex((LOOPBACK, port)) == 0


def unsized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter([b"hello"])


def sized(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return iter([b"hello"])


@needs("waitress")
@pytest.mark.parametrize(("application", "stays"), [(unsized, False), (sized, True)])
def test_waitress_keeps_clients_only_where_the_length_is_said(application: Any, *, stays: bool) -> None:
    """Waitress 3.0.2 asks a client to close its connection after a response without Content-Length."""
    from waitress.server import create_server  # noqa: PLC0415

    sockets: dict[int, Any] = {}
    server = create_server(application, host=LOOPBACK, port=0, map=sockets)
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            server.asyncore.loop(timeout=0.05, map=sockets, count=1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        with closing(http.client.HTTPConnection(LOOPBACK, server.effective_port, timeout=PATIENCE_SECONDS)) as client:
            client.request("GET", "/")
            client.getresponse().read()
            assert (client.sock is not None) is stays
    finally:
        ended.set()  # its loop must not wait for a socket that has been closed
        thread.join()
        server.close()


@needs("tornado")
def test_tornado_answers_no_head_request_whose_application_returns_a_body() -> None:
    """Tornado 6.6.1: it allows no byte of a body for HEAD, and hands over the application's, as Django returns it."""
    from tornado.httpserver import HTTPServer  # noqa: PLC0415
    from tornado.wsgi import WSGIContainer  # noqa: PLC0415

    port, loop = free_port(), asyncio.new_event_loop()

    async def serve() -> None:
        HTTPServer(WSGIContainer(sized)).listen(port, LOOPBACK)

    loop.run_until_complete(serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        for method, fails in (("GET", False), ("HEAD", True)):
            with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE_SECONDS)) as client:
                client.request(method, "/")
                with pytest.raises(http.client.RemoteDisconnected) if fails else nullcontext():
                    assert client.getresponse().read() == b"hello"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE_SECONDS)


@needs("pyuwsgi")
def test_uwsgi_processes_without_a_master_outlive_the_first(register: Register, tmp_path: Path) -> None:
    """UWSGI 2.0.30 and 2.0.31: a SIGTERM ends the process that gets it; the other keeps the port."""
    (tmp_path / "served.py").write_text(UNSIZED)
    port = free_port()
    program = Path(sys.executable).with_name("uwsgi")
    socket = ["--http-socket", f"{LOOPBACK}:{port}", "--die-on-term", "--need-app"]
    python = ["--virtualenv", sys.prefix, "--pythonpath", str(tmp_path), "--module", "served"]
    argv = [str(program), *socket, "--processes", "2", *python]
    started = register.start("uwsgi", argv, log=tmp_path / "log", environment={"PATH": "/usr/bin"}, folder=tmp_path)
    first = psutil.Process(started.pid)
    await_that(lambda: accepts(port) and len(first.children()) == 1)
    (other,) = first.children()

    def ends_by_sigterm() -> bool:
        started.popen.send_signal(SIGTERM)  # again, if it came before the process was ready for it
        return started.popen.poll() is not None

    try:
        await_that(ends_by_sigterm)
        assert other.is_running()
        assert accepts(port)
    finally:
        other.kill()
        other.wait(PATIENCE_SECONDS)


def statuses(port: int, requests: int) -> list[int]:
    """Of requests that are all under way at once."""

    def ask(_: int) -> int:
        with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE_SECONDS)) as client:
            client.request("GET", "/", headers={"Connection": "close"})
            return client.getresponse().status

    with ThreadPoolExecutor(requests) as clients:
        return list(clients.map(ask, range(requests)))


@needs("pyuwsgi")
@pytest.mark.slow
@pytest.mark.parametrize(("patch", "fails"), [("--gevent-monkey-patch", True), ("--gevent-early-monkey-patch", False)])
def test_uwsgi_s_late_patch_fails_concurrent_requests(
    register: Register, tmp_path: Path, patch: str, *, fails: bool
) -> None:
    """UWSGI 2.0.30 and 2.0.31 with gevent 26.9.0: it patches Python after it has loaded the site."""
    for name, text in {"querying": QUERYING, "served": SERVED}.items():
        (tmp_path / f"{name}.py").write_text(text)
    port = free_port()
    socket = ["--http-socket", f"{LOOPBACK}:{port}", "--master", "--die-on-term", "--need-app"]
    python = ["--virtualenv", sys.prefix, "--pythonpath", str(tmp_path), "--module", "served"]
    argv = [str(Path(sys.executable).with_name("uwsgi")), *socket, "--gevent", "10", patch, *python]
    environment = {"PATH": "/usr/bin", "DJANGO_SETTINGS_MODULE": "querying"}
    started = register.start("uwsgi", argv, log=tmp_path / "log", environment=environment, folder=tmp_path)
    await_that(lambda: accepts(port))
    assert (500 in statuses(port, 8)) is fails
    started.stop(SIGTERM, grace_seconds=10.0)


def test_gunicorn_needs_packaging_for_gevent_and_does_not_require_it() -> None:
    """Gunicorn 27.0.1: `pip install gunicorn gevent` is not enough; the extra gunicorn[gevent] is."""
    required = importlib.metadata.requires("gunicorn") or []
    packaging = [one for one in required if one.startswith("packaging")]
    assert packaging
    assert all("extra ==" in one for one in packaging)


@pytest.mark.slow
def test_gunicorn_logs_a_worker_in_another_zone_once_django_is_loaded(register: Register, tmp_path: Path) -> None:
    """Gunicorn 27.0.1, Django 5.2 and 6.1: without TIME_ZONE, Django sets the process to America/Chicago."""
    for name, text in {"zoned": ZONED, "served": SERVED}.items():
        (tmp_path / f"{name}.py").write_text(text)
    argv = [sys.executable, "-m", "gunicorn", "served", "-b", f"{LOOPBACK}:{free_port()}", "--no-control-socket"]
    environment = {"PYTHONPATH": str(tmp_path), "DJANGO_SETTINGS_MODULE": "zoned", "TZ": "UTC"}
    log = tmp_path / "log"
    started = register.start("gunicorn", argv, log=log, environment=environment, folder=tmp_path)
    await_that(lambda: "Booting worker" in log.read_text())
    worker = psutil.Process(started.pid).children()[0]
    await_that(lambda: accepts(int(argv[5].rpartition(":")[2])))
    worker.send_signal(SIGTERM)
    await_that(lambda: f"[{worker.pid}] [INFO] Worker exiting" in log.read_text())
    started.stop(SIGTERM, grace_seconds=10.0)
    zones = dict(re.findall(r"([+-]\d{4})\] \[\d+\] \[INFO\] (Listening at|Worker exiting)", log.read_text()))
    assert set(zones) == {"+0000", "-0600"} or set(zones) == {"+0000", "-0500"}
