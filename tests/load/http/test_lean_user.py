"""The user class: what Locust hears of requests, and that all that Locust does with users goes on working."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from argparse import Namespace
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from locust.exception import CatchResponseError, LocustError, ResponseError, StopTest
from peers import Server, always, ok

from loadlab.load.http.errors import BadStatusError, UnsafeRequestError
from loadlab.load.http.lean_user import LeanHttpUser
from loadlab.load.locust_plugins.user import KeepAliveOption, with_keep_alive_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Reported
    from peers import Peer

    Making = Callable[..., LeanHttpUser]

HERE = Path(__file__).parents[1]
RUN_SECONDS = 60.0
NOT_FOUND = ok(b"no", status=b"404 Not Found")


def test_a_request_is_reported_with_all_that_locusts_listeners_expect(a_user: Making, reported: Reported) -> None:
    with always(ok(b"four")) as server:
        user = a_user(server.port, context=lambda self: {"user": 1, "shop": 1})
        response = user.client.get("/path?q=1", name="path", context={"shop": 2})
    (event,) = reported
    assert event["start_time"] > 1e9
    assert 0 < event["response_time"] < RUN_SECONDS * 1000
    assert response.elapsed == timedelta(milliseconds=event["response_time"])
    assert event | {"start_time": 0, "response_time": 0} == {
        "request_type": "GET",
        "name": "path",
        "context": {"user": 1, "shop": 2},
        "response": response,
        "exception": None,
        "start_time": 0,
        "url": f"http://127.0.0.1:{server.port}/path?q=1",
        "response_length": 4,
        "response_time": 0,
    }


def test_a_request_is_named_after_its_url_its_group_or_itself(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        client.get("/a?b")
        with client.rename_request("group"):
            client.get("/a")
            client.get("/a", name="own")
        client.get("/c", params={"d": 1})
        client.get(f"http://127.0.0.1:{server.port}/absolute")
    names = [event["name"] for event in reported]
    assert names == ["/a?b", "group", "own", "/c", f"http://127.0.0.1:{server.port}/absolute"]
    assert server.requests[3].startswith(b"GET /c?d=1 HTTP/1.1\r\n")


@pytest.mark.parametrize("method", ["get", "head", "options", "delete", "post", "put", "patch"])
def test_every_method_is_there(method: str, a_user: Making, reported: Reported) -> None:
    body = b"" if method == "head" else b"ok"
    with always(ok(body)) as server:
        getattr(a_user(server.port).client, method)("/")
    assert (reported[0]["request_type"], reported.failures) == (method.upper(), [])
    assert server.requests[0].startswith(method.upper().encode() + b" / HTTP/1.1\r\n")


def test_a_response_says_what_came(a_user: Making) -> None:
    body = '{"ä": 1}'.encode("latin-1")
    fields = [b"Content-Type: application/json; charset=latin-1", b"X-Two: a", b"X-Two: b"]
    with always(ok(body, *fields)) as server:
        response = a_user(server.port).client.get("/")
    assert (response.status_code, response.ok, response.content, response.text) == (200, True, body, '{"ä": 1}')
    assert response.json() == {"ä": 1}
    assert response.headers is not None
    assert response.headers["content-TYPE"] == "application/json; charset=latin-1"
    assert response.headers.getlist("x-two") == ["a", "b"]
    assert response.url == f"http://127.0.0.1:{server.port}/"
    response.raise_for_status()


def test_a_status_of_an_error_is_a_failure_with_an_answer(a_user: Making, reported: Reported) -> None:
    with always(NOT_FOUND) as server:
        response = a_user(server.port).client.get("/")
    assert (response.status_code, response.text, response.ok) == (404, "no", False)
    assert [repr(event["exception"]) for event in reported] == ["BadStatusError('HTTP 404')"]
    with pytest.raises(BadStatusError):
        response.raise_for_status()


@pytest.mark.parametrize(
    ("answer", "verdict", "failed"),
    [
        (ok(), None, None),
        (NOT_FOUND, None, BadStatusError),
        (NOT_FOUND, lambda response: response.success(), None),
        (ok(), lambda response: response.failure("wrong"), CatchResponseError),
        (ok(), lambda response: response.failure(KeyError("wrong")), KeyError),
        (b"nonsense", None, "MalformedAnswerError"),
        (b"nonsense", lambda response: response.success(), None),
    ],
)
def test_a_with_block_decides_on_its_request_which_is_reported_at_its_end(
    answer: bytes, verdict: Callable[[Any], None] | None, failed: Any, a_user: Making, reported: Reported
) -> None:
    with always(answer) as server:
        client = a_user(server.port).client
        with client.get("/", catch_response=True) as response:
            assert not reported
            response.request_meta["name"] = "renamed"
            if verdict is not None:
                verdict(response)
    (event,) = reported
    assert (event["name"], event["response"]) == ("renamed", response)
    assert reported.failures == ([] if failed is None else [getattr(failed, "__name__", failed)])


def test_an_exception_in_a_with_block_reaches_the_task(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        with pytest.raises(ZeroDivisionError), client.get("/", catch_response=True):
            raise ZeroDivisionError
        assert not reported
        with client.get("/", catch_response=True):
            raise ResponseError("bad")
        assert reported.failures == ["ResponseError"]
        with pytest.raises(ZeroDivisionError), client.get("/", catch_response=True) as response:  # noqa: PT012
            response.failure("first")
            raise ZeroDivisionError
    assert reported.failures == ["ResponseError", "CatchResponseError"]


def test_a_verdict_without_a_with_block_is_refused_with_what_to_do(a_user: Making) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        for misuse in (
            lambda: client.get("/").success(),
            lambda: client.get("/").failure("x"),
            lambda: client.get("/").__enter__(),
            lambda: client.get("/", catch_response=True).success(),
        ):
            with pytest.raises(LocustError, match="catch_response=True"):
                misuse()


def test_what_must_not_be_sent_fails_and_raises_in_the_task(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(server.port).client
        for unsafe in (
            lambda: client.get("/a\r\nX: y"),
            lambda: client.get("/", headers={"X": "a\r\nY: z"}),
            lambda: client.get("/", headers={"X\n": "a"}),
            lambda: client.request("GET / HTTP/1.1\r\nX:", "/"),
            lambda: client.get("ftp://host/"),
            lambda: client.get("/", params="a\nb"),
            lambda: client.get("/\udce9"),
            lambda: client.get("/\n", catch_response=True),
        ):
            with pytest.raises(UnsafeRequestError):
                unsafe()
    assert server.connections == 0
    assert reported.failures == ["UnsafeRequestError"] * 8


def test_unsafe_default_headers_stop_the_user_before_it_begins(a_user: Making) -> None:
    with pytest.raises(UnsafeRequestError):
        a_user(1, default_headers={"X": "a\nb"})


def test_bodies_and_headers_go_out_as_asked(a_user: Making) -> None:
    with always(ok()) as server:
        client = a_user(server.port, default_headers={"X-All": "1", "Accept-Encoding": None}).client
        client.post("/", json={"a": 1}, headers={"content-type": "application/vnd.api+json"})
        client.post("/", data={"a": "b c"})
        client.put("/", "text", headers={"x-all": "2"})
        client.get("/", auth=("me", "secret"))
    as_json, form, text, authorized = server.requests
    assert as_json.endswith(b"\r\n\r\n" + b'{"a": 1}')
    assert b"content-type: application/vnd.api+json\r\n" in as_json
    assert b"Accept: application/json\r\n" in as_json
    assert as_json.lower().count(b"content-type") == 1
    assert form.endswith(b"\r\n\r\na=b+c")
    assert text.endswith(b"\r\n\r\ntext")
    assert b"x-all: 2\r\n" in text
    assert b"X-All: 1" not in text
    assert b"Authorization: Basic bWU6c2VjcmV0\r\n" in authorized
    assert not [request for request in server.requests if b"Accept-Encoding" in request]


def test_credentials_of_the_host_go_with_every_request_and_not_into_urls(a_user: Making, reported: Reported) -> None:
    with always(ok()) as server:
        client = a_user(f"http://me:p%40ss@127.0.0.1:{server.port}").client
        client.get("/")
        client.get("/", auth=("other", "x"))
    assert b"Authorization: Basic bWU6cEBzcw==\r\n" in server.requests[0]
    assert b"Authorization: Basic b3RoZXI6eA==\r\n" in server.requests[1]
    assert server.requests[1].count(b"Authorization") == 1
    assert reported[0]["url"] == f"http://127.0.0.1:{server.port}/"


def test_a_user_without_a_host_stops_the_test(a_user: Making) -> None:
    with pytest.raises(StopTest, match="--host"):
        a_user(None)


@pytest.mark.parametrize("through", ["a base class", "a wrapped class"])
def test_the_keep_alive_option_is_obeyed(through: str, a_user: Making) -> None:
    options = Namespace(client_keep_alive="off")
    bases = (KeepAliveOption, LeanHttpUser) if through == "a base class" else (with_keep_alive_option(LeanHttpUser),)
    with always(ok()) as server:
        client = a_user(server.port, *bases, parsed_options=options).client
        for _ in range(3):
            client.get("/", headers={"X": "y"})
    assert server.connections == 3
    assert all(b"Connection: close\r\n" in request for request in server.requests)


def test_locusts_rest_methods_work(a_user: Making, reported: Reported) -> None:
    with always(ok(b'{"a": 1}')) as server, a_user(server.port).rest("POST", "/", json={}) as response:
        assert response.js == {"a": 1}
    with always(ok(b"no json")) as server, a_user(server.port).rest("GET", "/"):
        pass
    with always(b"nonsense") as server, a_user(server.port).rest_("GET", "/") as response:
        assert response.js is None
    assert reported.failures == ["CatchResponseError", "CatchResponseError"]


def counting(peer: Peer) -> None:
    while request := peer.request():
        path = request.split(b" ", 2)[1]
        peer.send({b"/seldom": NOT_FOUND, b"/broken": ok(b"", status=b"500 No")}.get(path, ok()))


@pytest.mark.process
@pytest.mark.parametrize("keep_alive", ["on", "off"])
def test_locust_drives_its_users_and_counts_what_the_server_has_seen(keep_alive: str) -> None:
    with Server(counting) as server:
        host = f"http://127.0.0.1:{server.port}"
        locust = [sys.executable, "-m", "locust", "-f", str(HERE / "visitors.py"), "--headless", "--host", host]
        load = ["--users", "4", "--spawn-rate", "4"]
        more = ["--exclude-tags", "left-out", "--json", "--client-keep-alive", keep_alive]
        run = subprocess.run(
            [*locust, *load, *more], capture_output=True, text=True, timeout=RUN_SECONDS, check=False, env=os.environ
        )
    assert run.returncode == 0, run.stderr
    assert "Traceback" not in run.stderr
    rows = {row["name"]: row for row in json.loads(run.stdout)}
    seen = Counter(request.split(b" ", 2)[1].decode().partition("?")[0] for request in server.requests)
    assert {name: row["num_requests"] for name, row in rows.items()} == seen
    assert {name: row["num_failures"] for name, row in rows.items() if row["num_failures"]} == {
        "/broken": seen["/broken"]
    }
    assert all(
        row["total_content_length"] == 2 * row["num_requests"] for row in rows.values() if row["name"] != "/broken"
    )
    assert seen["/login"] == seen["/logout"] == 4
    assert seen["/often"] > seen["/seldom"] > 0
    assert seen["/step/1"] == seen["/step/2"] > 0
    assert seen["/nested/start"] == seen["/nested/stop"] > 0
    assert "/left-out" not in seen
    assert server.connections == (4 if keep_alive == "on" else seen.total())
