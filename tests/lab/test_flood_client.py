"""A send_flood sends what it was told, has no more under way than it was told, and takes no failure for an answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from loadlab.lab import flood_client as module
from loadlab.lab.flood_client import send_flood
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator


class Site(ThreadingHTTPServer):
    """Knows how many requests it has had, and how many of them at once."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((LOOPBACK, 0), Answer)
        self.lock = threading.Lock()
        self.came = self.now = self.most = 0

    def change(self, by: int) -> None:
        with self.lock:
            self.now += by
            self.came += by > 0
            self.most = max(self.most, self.now)


class Answer(BaseHTTPRequestHandler):
    """Answers /good/ well, and all else with a fault."""

    protocol_version = "HTTP/1.1"
    server: Site

    def do_GET(self) -> None:
        self.server.change(1)
        time.sleep(0.01)
        self.server.change(-1)
        body = b"x" * 200_000  # more than is read at once
        self.send_response(200 if self.path == "/good/" else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  the standard library's name


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A server that takes connections, and never answers."""
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        yield server


def test_every_request_is_sent_once_and_no_more_are_under_way_than_allowed(site: Site) -> None:
    assert send_flood(site.server_port, "/good/", at_once=5, requests=40) == 0
    assert site.came == 40
    assert 1 < site.most <= 5


def test_fewer_requests_than_may_be_under_way_are_all_that_is_sent(site: Site) -> None:
    assert send_flood(site.server_port, "/good/", at_once=50, requests=3) == 0
    assert site.came == 3


def test_a_server_error_is_a_failed_request(site: Site) -> None:
    assert send_flood(site.server_port, "/bad/", at_once=2, requests=4) == 4


def test_what_is_never_answered_has_failed_once_patience_is_over(
    silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.5)
    assert send_flood(silent.getsockname()[1], "/", at_once=2, requests=10) == 10


def test_a_connection_that_ends_without_an_answer_is_a_failed_request(silent: socket.socket) -> None:
    def hang_up() -> None:
        for _ in range(3):
            silent.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    assert send_flood(silent.getsockname()[1], "/", at_once=1, requests=3) == 3
    thread.join()
