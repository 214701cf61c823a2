"""Each way in which an address is not one of loadlab's metrics is named with the next step."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.scrape import require_address, scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

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
def answering(status: int, body: str, headers: dict[str, str] | None = None) -> Iterator[tuple[str, list[str]]]:
    """An address with one answer for everybody, and the Authorization of whoever asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode("latin-1"))

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics", asked
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_is_understood_alias_by_alias() -> None:
    with answering(200, TEXT) as (url, asked):
        reading = scrape(url, "secret").aliases["default"]
    assert asked == ["Bearer secret"]
    assert (reading.opened, reading.closed, reading.connects) == (7, {"max_age": 2}, 7)
    assert reading.pool == {"size": 3}


def test_requests_of_all_routes_are_added_up_and_where_they_are_not_counted_there_is_no_number() -> None:
    counted = """\
# HELP loadlab_http_request_duration_seconds x
# TYPE loadlab_http_request_duration_seconds histogram
loadlab_http_request_duration_seconds_bucket{route="/",method="GET",status_class="2xx",le="+Inf"} 4.0
loadlab_http_request_duration_seconds_count{route="/",method="GET",status_class="2xx"} 4.0
loadlab_http_request_duration_seconds_count{route="/",method="GET",status_class="5xx"} 1.0
"""
    with answering(200, TEXT + counted) as (url, _):
        assert scrape(url, None).requests == 5
    with answering(200, TEXT + "".join(counted.splitlines(keepends=True)[:2])) as (url, _):
        assert scrape(url, None).requests == 0  # it has had none yet
    with answering(200, TEXT) as (url, _):
        assert scrape(url, None).requests is None


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (401, "", "--token env:NAME"),
        (403, "", "METRICS_TOKEN"),
        (404, "", "name the address"),
        (500, "", "500"),
        (302, "", "302"),
        (200, "<html>", "not in Prometheus' text format; name the address"),
        (200, "\xff\xfe", "not in Prometheus' text format"),
        (200, "# TYPE up gauge\nup 1\n", "none of loadlab's"),
        (200, "", "none of loadlab's"),
    ],
)
def test_what_is_no_answer_is_named_with_the_next_step(status: int, body: str, message: str) -> None:
    headers = {"Location": "http://192.0.2.1/"} if status == 302 else None
    with (
        answering(status, body, headers) as (url, asked),
        pytest.raises(EnvironmentFaultError, match=message) as raised,
    ):
        scrape(url, "secret-canary")
    assert len(asked) == 1
    assert "canary" not in str(raised.value)


def test_nobody_there_is_said() -> None:
    with pytest.raises(EnvironmentFaultError, match=r"does not answer: Connection refused\. Is"):
        scrape("http://127.0.0.1:1/metrics", None)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "127.0.0.1:80", "", "http://", "ftp://127.0.0.1/"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="is no address, such as"):
        require_address("--metrics", url, allow_remote=True)


def test_another_machine_needs_leave() -> None:
    with pytest.raises(UsageError, match="--allow-remote"):
        require_address("--metrics", "http://192.0.2.1/metrics", allow_remote=False)
    require_address("--metrics", "http://192.0.2.1/metrics", allow_remote=True)
    require_address("--metrics", "http://localhost:80/metrics", allow_remote=False)
