"""LeanHttpUser beside Locust's own clients on a real server: the same call sends the same, or is refused by name."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import subprocess
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import requests
from locust import FastHttpUser, HttpUser
from locust.stats import RequestStats, StatsEntry
from peers import Server, always, ok

from loadlab.load.http import options as http_options
from loadlab.load.http.errors import AnswerTimeoutError, ConnectTimeoutError
from loadlab.load.http.lean_user import LeanHttpUser
from loadlab.load.locust_plugins.exact_percentiles import ExactPercentiles

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Reported
    from peers import Peer

    Making = Callable[..., Any]

HERE = Path(__file__).parent
RUN_SECONDS = 120.0
COMPARED: Final = ("content-type", "authorization", "cookie", "accept", "x-own")
BOUNDARY: Final = re.compile(rb"[0-9a-f]{32}")


def sent(kind: type, a_user: Making, url: str, method: str = "GET", **options: Any) -> tuple[bytes, Any, bytes]:
    """The request line, the fields that a call decides on, and the body, as the server has them."""
    with always(ok()) as server:
        user = a_user(server.port, kind)
        user.client.request(method, url, **options)
        raw = server.requests[0]
    head, _, body = BOUNDARY.sub(b"boundary", raw).partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    pairs = {name.decode().lower(): value.strip() for name, _, value in (field.partition(b":") for field in fields)}
    return line, {name: pairs[name] for name in COMPARED if name in pairs}, body


URLS = [
    '/x?q={"a":1}',
    "/a b?c d",
    "/|<>\\^`\x7f",
    "/é/€?ü=ö",
    "/%41%7e%2F%C3%A9?x=%20%26",  # what is quoted already stays so, but for what needs no quoting
    "/%",
    "/100%?share=5%&more=<",
    "/%zz?x={",
    "/a#fragment{",
    "/[x]?[y]=1",
    "/a;b=c?d;e",
    "/a?",
    "/a//b/../c",
    "/a?/b?c+d",
    "/~!$&'()*+,;=:@-._",
]


@pytest.mark.parametrize("url", URLS)
def test_a_url_is_quoted_as_fast_http_user_does_it(url: str, a_user: Making) -> None:
    assert sent(LeanHttpUser, a_user, url) == sent(FastHttpUser, a_user, url)


@pytest.mark.parametrize("method", ["get", "Post", "pUT", "delete", "Options"])
def test_a_method_in_any_case_is_sent_in_upper_case(method: str, a_user: Making, reported: Reported) -> None:
    lean = sent(LeanHttpUser, a_user, "/", method)
    assert lean[0] == f"{method.upper()} / HTTP/1.1".encode() == sent(FastHttpUser, a_user, "/", method)[0]
    assert [event["request_type"] for event in reported] == [method] * 2


OPTIONS: list[dict[str, Any]] = [
    {"data": "text"},
    {"data": "täxt"},
    {"data": b"\x00\xff"},
    {"data": {"a": "b c", "d": "ä&="}},
    {"data": {"a": ["1", "2"]}},
    {"data": {"a": None, "b": 1}},
    {"data": {}},
    {"data": ""},
    {"data": None},
    {"data": {"a": "1"}, "headers": {"Content-Type": "text/odd"}},
    {"json": {"a": [1, None, "ä"]}},
    {"json": []},
    {"json": {"a": 1}, "headers": {"content-type": "application/vnd.api+json", "accept": "text/odd"}},
    {"data": "text", "json": {"a": 1}},
    {"params": {"a": "b c", "d": ["1", "2"]}},
    {"params": {"a": "ä&="}},
    {"auth": ("me", "secret")},
    {"auth": ("mé", b"\xff")},
    {"auth": None},
    {"headers": {"X-Own": "1"}, "auth": ("me", "")},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_body_is_sent_as_fast_http_user_sends_it(options: dict[str, Any], a_user: Making) -> None:
    assert sent(LeanHttpUser, a_user, "/p", "POST", **options) == sent(FastHttpUser, a_user, "/p", "POST", **options)


@pytest.mark.parametrize(
    "make",
    [
        lambda: {"cookies": {"a": "b", "c": "d e"}},
        lambda: {"cookies": requests.cookies.cookiejar_from_dict({"a": "b"})},
        lambda: {"cookies": {"a": "b"}, "headers": {"Cookie": "own=1"}},
        lambda: {"cookies": {}},
        lambda: {"auth": requests.auth.HTTPBasicAuth("me", "secret")},
        lambda: {"files": {"file": ("name.txt", io.BytesIO(b"content"), "text/plain")}},
        lambda: {"files": {"file": b"content"}, "data": {"field": "ä"}},
        lambda: {"files": [("file", ("a", "1")), ("file", ("b", "2"))]},
        lambda: {"files": None, "stream": False, "proxies": {}, "cert": None, "hooks": None, "verify": None},
        lambda: {"verify": False, "timeout": None},
        lambda: {"timeout": 30},
        lambda: {"timeout": (30, None)},
    ],
)
def test_what_http_user_takes_besides_is_sent_as_it_sends_it(make: Callable[[], Any], a_user: Making) -> None:
    """FastHttpUser makes a query of most of these: `?timeout=30`."""
    line, fields, body = sent(HttpUser, a_user, "/p", "POST", **make())
    fields.pop("accept", None)  # requests sends its own
    assert sent(LeanHttpUser, a_user, "/p", "POST", **make()) == (line, fields, body)


def test_a_file_object_is_sent_whole(a_user: Making) -> None:
    as_bytes = sent(LeanHttpUser, a_user, "/", "PUT", data=io.BytesIO(b"content"))
    assert as_bytes == sent(LeanHttpUser, a_user, "/", "PUT", data=b"content")
    assert sent(LeanHttpUser, a_user, "/", "PUT", data=io.StringIO("text"))[2] == b"text"


def test_cookies_of_a_request_go_with_it_alone_and_before_the_sessions(a_user: Making) -> None:
    with always(ok(b"ok", b"Set-Cookie: a=session; Path=/", b"Set-Cookie: b=session; Path=/")) as server:
        client = a_user(server.port).client
        client.get("/")
        client.get("/", cookies={"a": "own", "c": 1})
        client.get("/")
    cookies = [re.search(rb"Cookie: (.*)\r\n", request) for request in server.requests]
    assert [found and sorted(found[1].split(b"; ")) for found in cookies] == [
        None,
        [b"a=own", b"b=session", b"c=1"],
        [b"a=session", b"b=session"],
    ]


def jar() -> CookieJar:
    """One of the standard library, whose cookies have domains."""
    cookies = CookieJar()
    cookies.set_cookie(requests.cookies.create_cookie("a", "b"))
    return cookies


class Digest(requests.auth.HTTPDigestAuth):
    pass


UNSUPPORTED = [
    ({"stream": True}, "stream="),
    ({"cert": "client.pem"}, "cert="),
    ({"proxies": {"http": "http://127.0.0.1:1"}}, "proxies="),
    ({"hooks": {"response": print}}, "hooks="),
    ({"cookies": jar()}, "cookies=CookieJar"),
    ({"auth": Digest("me", "secret")}, "auth=Digest"),
    ({"max_retries": 3}, "max_retries="),
    ({"no_such_keyword": 1}, "no_such_keyword="),
]


@pytest.mark.parametrize(("options", "named"), UNSUPPORTED)
def test_an_unsupported_keyword_fails_each_request_and_is_logged_once(
    options: dict[str, Any], named: str, a_user: Making, reported: Reported, caplog: Any
) -> None:
    http_options._told.clear()
    with always(ok()) as server, caplog.at_level(logging.ERROR):
        client = a_user(server.port).client
        for catch in (False, True, True):
            response = client.get("/", catch_response=catch, **options)
            if catch:
                with response:
                    pass
            assert (response.status_code, response.content) == (0, None)
    assert server.connections == 0
    assert reported.failures == ["UnsupportedOptionError"] * 3
    message = str(reported[0]["exception"])
    assert message.startswith(f"LeanHttpUser does not take {named}. ")
    assert message.endswith("See docs/how-to/lean-client.md.")
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("verify", ["ca.pem", False])
def test_certificates_are_a_matter_of_the_class_where_they_matter(
    verify: Any, a_user: Making, reported: Reported
) -> None:
    a_user("https://127.0.0.1:1").client.get("/", verify=verify)
    assert f"does not take verify={verify!r}. Set insecure" in str(reported[0]["exception"])
    a_user("https://127.0.0.1:1", insecure=True).client.get("/", verify=False)
    a_user("https://127.0.0.1:1").client.get("/", verify=True)
    assert reported.failures == ["UnsupportedOptionError", "ConnectionRefusedError", "ConnectionRefusedError"]


def silent(peer: Peer) -> None:
    while peer.request():
        pass


@pytest.mark.parametrize("timeout", [0.2, (20, 0.2), (None, 0.2)])
def test_a_timeout_is_for_its_request_alone(timeout: Any, a_user: Making, reported: Reported) -> None:
    with Server(silent) as server:
        user = a_user(server.port)
        user.client.get("/", timeout=timeout)
        assert user.client.http.seconds == (20.0, 20.0)
    assert reported.failures == [AnswerTimeoutError.__name__]


def test_a_timeout_is_for_connecting_too(a_user: Making, reported: Reported) -> None:
    with Server(silent) as server:  # which says nothing of TLS
        a_user(f"https://127.0.0.1:{server.port}").client.get("/", timeout=(0.2, 20))
    assert reported.failures == [ConnectTimeoutError.__name__]


@pytest.mark.parametrize("timeout", [0, -1, (1, 0), (1, 2, 3), "soon", float("nan")])
def test_a_timeout_that_is_none_fails_and_raises(timeout: Any, a_user: Making, reported: Reported) -> None:
    with pytest.raises((TypeError, ValueError)):
        a_user(1).client.get("/", timeout=timeout)
    assert reported.failures == ["ValueError"]


def redirecting(peer: Peer) -> None:
    while request := peer.request():
        number = re.match(rb"GET /(\d+) ", request)
        peer.send(ok(b"", b"Location: " + LOCATIONS[int(number[1])], status=b"302 Found") if number else ok(b"there"))


LOCATIONS = [
    b"/to",
    b"/caf\xe9",
    b'/x?q={"a"}',
    b"/\xff\x80|",
    b"",
    b"   ",
    b"#",
    b"?later",
    b"//127.0.0.1:1/",
    b"/%C3%A9 ",
]


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 5])
def test_a_location_is_followed_as_fast_http_user_follows_it(number: int, a_user: Making) -> None:
    followed = []
    for kind, attributes in ((FastHttpUser, {}), (LeanHttpUser, {"follow_redirects": True})):
        with Server(redirecting) as server:
            response = a_user(server.port, kind, **attributes).client.get(f"/{number}")
            followed.append((response.status_code, [line.split(b"\r\n")[0] for line in server.requests]))
    assert followed[0] == followed[1]
    assert followed[0][0] == (200 if LOCATIONS[number].strip() else 302)


def test_utf_8_in_a_location_is_followed_as_http_user_follows_it(a_user: Making) -> None:
    """FastHttpUser takes its bytes for Latin-1, and asks for another page."""
    LOCATIONS[0] = "/é".encode()
    with Server(redirecting) as server:
        a_user(server.port).client.get("/0", allow_redirects=True)
    LOCATIONS[0] = b"/to"
    assert server.requests[1].startswith(b"GET /%C3%A9 ")


def test_redirects_are_followed_by_the_class_unless_the_request_says_so(a_user: Making) -> None:
    with Server(redirecting) as server:
        for follows in (False, True):
            client = a_user(server.port, follow_redirects=follows).client
            statuses = [client.get("/0", **more).status_code for more in ({}, {"allow_redirects": not follows})]
            assert statuses == ([200, 302] if follows else [302, 200])


def test_what_the_client_lacks_is_named_with_what_to_do(a_user: Making) -> None:
    with pytest.raises(AttributeError, match=r"has no 'headers'.*default_headers.*docs/how-to/lean-client\.md"):
        a_user(1).client.headers  # noqa: B018


@pytest.mark.process
def test_a_ported_locust_file_never_seems_to_succeed(tmp_path: Path) -> None:
    """Locust's own run: requests that are refused are failures, named once in its log."""
    (tmp_path / "ported.py").write_text(
        "from locust import constant, task\n"
        "from loadlab.load.http.lean_user import LeanHttpUser\n\n\n"
        "class Ported(LeanHttpUser):\n"
        "    wait_time = constant(0.1)\n\n"
        "    @task\n"
        "    def download(self):\n"
        "        self.client.get('/', stream=True)\n"
    )
    with always(ok()) as server:
        locust = [sys.executable, "-m", "locust", "-f", "ported.py", "--headless", "-t", "2s", "--json"]
        run = subprocess.run(
            [*locust, "--host", f"http://127.0.0.1:{server.port}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
            env=os.environ,
        )
    (row,) = json.loads(run.stdout)
    assert run.returncode == 1
    assert row["num_failures"] == row["num_requests"] > 0
    assert run.stderr.count("options: LeanHttpUser does not take stream=. Use FastHttpUser") == 1
    assert "Traceback" not in run.stderr


def test_locusts_percentiles_are_one_rank_higher_than_ours() -> None:
    """p99 of 100 is the slowest there, and the 99th here; the median of two is the larger there."""
    entry, ours = StatsEntry(RequestStats(), "/", "GET", use_response_times_cache=False), ExactPercentiles()
    for milliseconds in [10] * 99 + [5000]:
        entry.log(milliseconds, 0)
        ours.add("GET", "/", milliseconds)
    assert entry.get_response_time_percentile(0.99) == 5000
    assert ours.milliseconds("GET", "/", [99.0]) == [10]


def test_fast_http_user_repeats_what_a_server_hangs_up_on(a_user: Making, reported: Reported) -> None:
    """Locust reports one failure for up to twelve requests; the lean client repeats none on a fresh connection."""

    def hangs_up(peer: Peer) -> None:
        peer.request()

    for kind, requests_sent in ((FastHttpUser, 12), (LeanHttpUser, 1)):
        with Server(hangs_up) as server:
            a_user(server.port, kind).client.get("/")
            server.settled()
            assert len(server.requests) == requests_sent
    assert [event["exception"] is not None for event in reported] == [True, True]
