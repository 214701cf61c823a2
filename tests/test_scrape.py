"""Each way in which an address is not one of loadlab's metrics is named with the next step."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from answering import answering
from every import every

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.scrape import require_address, scrape
from loadlab.system.fetching import fetched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler

TEXT = """\
# HELP loadlab_build_info x
# TYPE loadlab_build_info gauge
loadlab_build_info{version="1",django="5",python="3"} 1.0
# HELP loadlab_db_connections_opened_total x
# TYPE loadlab_db_connections_opened_total counter
loadlab_db_connections_opened_total{alias="default"} 7.0
# HELP loadlab_db_connections_closed_total x
# TYPE loadlab_db_connections_closed_total counter
loadlab_db_connections_closed_total{alias="default",reason="max_age"} 2.0
# HELP loadlab_db_connect_duration_seconds x
# TYPE loadlab_db_connect_duration_seconds histogram
loadlab_db_connect_duration_seconds_bucket{alias="default",le="+Inf"} 7.0
loadlab_db_connect_duration_seconds_count{alias="default"} 7.0
loadlab_db_connect_duration_seconds_sum{alias="default"} 0.07
# HELP loadlab_db_pool_size x
# TYPE loadlab_db_pool_size gauge
loadlab_db_pool_size{alias="default"} 3.0
"""


@contextmanager
def metrics(status: int, body: str, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """An address with one response for every request; keeps the Authorization of each."""
    asked: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        asked.append(request.headers.get("Authorization", ""))
        return status, body

    with answering(answer, headers) as url:
        yield url, asked


def test_an_answer_is_understood_alias_by_alias() -> None:
    with metrics(200, TEXT) as (url, asked):
        counts = scrape(url, "secret").counts("default")
    assert asked == ["Bearer secret"]
    assert (counts.opened, counts.closed, counts.connects) == (7, {"max_age": 2}, 7)
    assert (counts.connect_seconds_sum, counts.pool_size) == (0.07, 3)


def test_requests_of_all_routes_are_added_up_or_unknown() -> None:
    counted = """\
# HELP loadlab_http_request_duration_seconds x
# TYPE loadlab_http_request_duration_seconds histogram
loadlab_http_request_duration_seconds_bucket{route="/",method="GET",status_class="2xx",le="+Inf"} 4.0
loadlab_http_request_duration_seconds_count{route="/",method="GET",status_class="2xx"} 4.0
loadlab_http_request_duration_seconds_count{route="/",method="GET",status_class="5xx"} 1.0
"""
    with metrics(200, TEXT + counted) as (url, _):
        assert scrape(url, None).answered == 5
    with metrics(200, TEXT + "".join(counted.splitlines(keepends=True)[:2])) as (url, _):
        assert scrape(url, None).answered == 0  # it has had none yet
    with metrics(200, TEXT) as (url, _):
        assert scrape(url, None).answered is None


@every(
    ("status", "body", "message"),
    [
        (401, "", "--token env:NAME"),
        (403, "", "METRICS_TOKEN"),
        (404, "", "give the address"),
        (500, "", "500"),
        (302, "", "302"),
        (200, "<html>", "not in Prometheus' text format; give the address"),
        (200, "\xff\xfe", "not in Prometheus' text format"),
        (200, "# TYPE up gauge\nup 1\n", "none of loadlab's"),
        (200, "", "none of loadlab's"),
    ],
)
def test_an_invalid_response_is_named_with_the_next_step(status: int, body: str, message: str) -> None:
    headers = {"Location": "http://192.0.2.1/"} if status == 302 else None
    with (
        metrics(status, body, headers) as (url, asked),
        pytest.raises(EnvironmentFaultError, match=message) as raised,
    ):
        scrape(url, "secret-canary")
    assert len(asked) == 1
    assert "canary" not in str(raised.value)


def test_a_server_that_is_away_is_named() -> None:
    with pytest.raises(EnvironmentFaultError, match=r"does not answer: Connection refused\. Is"):
        scrape("http://127.0.0.1:1/metrics", None)


NO_ADDRESSES = [
    "file:///etc/passwd",
    "127.0.0.1:80",
    "",
    "http://",
    "ftp://127.0.0.1/",
    "http://[::1",
    "http://a:x/",
    "http://a b/",
]


@every("url", [*NO_ADDRESSES, "http://me:canary@", "postgres://me:canary@a/", "http://me:canary@a:b"])
def test_an_invalid_address_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match=r"is not an http:// or https:// URL\. Use one such as") as raised:
        require_address("--metrics", url, allow_remote=True)
    assert "canary" not in str(raised.value)


@every("url", ["http://me:canary@127.0.0.1/metrics", "http://canary@192.0.2.1/", "http://:canary@a/"])
def test_an_address_with_a_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(UsageError, match="holds a user name or a password") as raised:
        require_address("--metrics", url, allow_remote=True)
    assert "canary" not in str(raised.value)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


@contextmanager
def speaking(*parts: bytes, again: bytes = b"", every_seconds: float = 0.0) -> Iterator[str]:
    """An address that says these parts, and then one over and over until the other side has gone."""

    def speak() -> None:
        peer, _ = listener.accept()
        with peer, suppress(OSError):
            peer.recv(65536)
            for part in parts:
                peer.sendall(part)
            while again:
                peer.sendall(again)
                gone.wait(every_seconds)

    gone = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/metrics?token=canary"
        finally:
            gone.set()
            thread.join()


@every(
    ("said", "again", "message"),
    [
        ([HEAD, b"\r\n"], b"#", "did not answer completely within 0.5 s"),
        ([HEAD, b"Transfer-Encoding: chunked\r\n\r\n"], b"1\r\n#\r\n", "did not answer completely within 0.5 s"),
        ([HEAD], b"X: y\r\n", "did not answer completely within 0.5 s"),
        ([b"HTTP/1.1 "], b"2", "did not answer completely within 0.5 s"),
        ([HEAD, b"Content-Length: 999999\r\n\r\n"], b"#", "did not answer completely within 0.5 s"),
    ],
)
@pytest.mark.thorough
def test_an_answer_a_byte_at_a_time_ends_in_time(said: list[bytes], again: bytes, message: str) -> None:
    with (
        speaking(*said, again=again, every_seconds=0.02) as url,
        pytest.raises(EnvironmentFaultError, match=message) as raised,
    ):
        fetched(url, {}, seconds=0.5)
    assert "canary" not in str(raised.value)


def test_an_endless_answer_ends_at_sixteen_megabytes() -> None:
    with (
        speaking(HEAD, b"\r\n", again=b"# \n" * 100_000) as url,
        pytest.raises(EnvironmentFaultError, match="more than 16 MB; give the address") as raised,
    ):
        fetched(url, {}, seconds=300)
    assert "canary" not in str(raised.value)


def test_half_an_answer_is_none() -> None:
    with speaking(HEAD, b"Content-Length: 99\r\n\r\n# half") as url, pytest.raises(EnvironmentFaultError):
        fetched(url, {})


def test_another_machine_needs_leave() -> None:
    with pytest.raises(UsageError, match="--allow-remote"):
        require_address("--metrics", "http://192.0.2.1/metrics", allow_remote=False)
    require_address("--metrics", "http://192.0.2.1/metrics", allow_remote=True)
    require_address("--metrics", "http://localhost:80/metrics", allow_remote=False)
