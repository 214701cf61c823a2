"""Requests: what goes onto the wire, and what never does."""

from __future__ import annotations

from http.client import parse_headers
from io import BytesIO

import pytest
from every import every
from hypothesis import given
from hypothesis import strategies as st

from loadlab.load.http.errors import UnsafeRequestError
from loadlab.load.http.request import (
    Head,
    basic_authorization,
    body_of,
    checked_method,
    located,
    request_bytes,
    with_params,
)

EMPTY = Head.of({})


@every("ending", ["\r", "\n", "\r\n", "\x00", "\r\nX: y"])
@every("where", ["http://host/a{}b", "http://host/?a={}b", "http://ho{}st/", "http://host/{}"])
def test_a_url_with_control_characters_is_refused(where: str, ending: str) -> None:
    with pytest.raises(UnsafeRequestError):
        located(where.format(ending))


@every("value", ["a\r\nX: y", "a\nb", "a\rb", "a\x00b", "\r\n\r\nGET / HTTP/1.1", "€"])
def test_a_header_value_that_is_not_one_line_of_latin_1_is_refused(value: str) -> None:
    with pytest.raises(UnsafeRequestError, match="'X'"):
        EMPTY.with_headers({"X": value})


@every("name", ["", "A B", "A:", "A\r\nB", "A\n", "Ä", "A\x00"])
def test_a_header_name_that_is_not_a_token_is_refused(name: str) -> None:
    with pytest.raises(UnsafeRequestError, match="name"):
        EMPTY.with_headers({name: "value"})


@every("name", ["Content-Length", "transfer-encoding"])
def test_a_task_cannot_frame_the_body_differently_from_how_it_is_sent(name: str) -> None:
    with pytest.raises(UnsafeRequestError, match="leave it out"):
        EMPTY.with_headers({name: "5"})


@every("method", ["", "GET /", "GET\r\n", "G T", "CONNECT", "connect"])
def test_a_method_that_is_none_is_refused(method: str) -> None:
    with pytest.raises(UnsafeRequestError, match="method"):
        checked_method(method)


@every(
    "url",
    [
        *("", "/path", "host/path", "ftp://host/", "http://", "http:///path", "http://h:port/", "http://h:70000/"),
        *("http://a b/", "http://[::1/", "http://a,b/", "http://" + "ü" * 64 + "/"),
    ],
)
def test_other_urls_than_http_are_refused(url: str) -> None:
    with pytest.raises(UnsafeRequestError):
        located(url)


@every(
    ("url", "origin", "authority", "target"),
    [
        ("http://host", ("http", "host", 80), "host", "/"),
        ("HTTP://Host:80/a", ("http", "host", 80), "host", "/a"),
        ("http://host:8000/a?b=c#d", ("http", "host", 8000), "host:8000", "/a?b=c"),
        ("https://host:443?q", ("https", "host", 443), "host", "/?q"),
        ("https://host:80/", ("https", "host", 80), "host:80", "/"),
        ("http://[::1]:8000/", ("http", "::1", 8000), "[::1]:8000", "/"),
        ("http://[fe80::1%eth0]/", ("http", "fe80::1%eth0", 80), "[fe80::1]", "/"),
        ("http://user:pass@host/", ("http", "host", 80), "host", "/"),
        ("http://bücher.example/", ("http", "xn--bcher-kva.example", 80), "xn--bcher-kva.example", "/"),
        ("http://host/ä b?c=d e%20f", ("http", "host", 80), "host", "/%C3%A4%20b?c=d%20e%20f"),
    ],
)
def test_a_url_says_where_to_connect_and_what_to_ask_for(
    url: str, origin: tuple[str, str, int], authority: str, target: str
) -> None:
    location = located(url)
    assert (location.origin, location.authority, location.target) == (origin, authority, target)


def test_a_request_is_one_line_its_fields_and_its_body() -> None:
    head = EMPTY.with_headers({"A": "1", "B": 2}).with_headers({"a": b"3", "B": None})
    assert request_bytes("POST", located("http://host:81/x?y"), head, "Cookie: c=d\r\n", b"body") == (
        b"POST /x?y HTTP/1.1\r\nHost: host:81\r\na: 3\r\nCookie: c=d\r\nContent-Length: 4\r\n\r\nbody"
    )


@every(("method", "says"), [("GET", False), ("DELETE", False), ("POST", True), ("PATCH", True)])
def test_methods_that_expect_a_body_say_that_there_is_none(method: str, says: bool) -> None:  # noqa: FBT001
    assert (b"Content-Length: 0\r\n" in request_bytes(method, located("http://host/"), EMPTY, "", b"")) is says


def test_a_given_host_goes_in_place_of_the_urls() -> None:
    request = request_bytes("GET", located("http://host/"), EMPTY.with_headers({"host": "other"}), "", b"")
    assert request == b"GET / HTTP/1.1\r\nhost: other\r\n\r\n"


@every(("connection", "closes"), [("close", True), ("Close", True), ("x, close", True), ("keep-alive", False)])
def test_a_head_knows_whether_it_closes_the_connection(connection: str, closes: bool) -> None:  # noqa: FBT001
    assert EMPTY.with_headers({"Connection": connection}).closes is closes


@every(
    ("params", "url"),
    [
        ({"a": 1, "b": [2, 3]}, "http://h/p?x=y&a=1&b=2&b=3#f"),
        ([("a", "ä&"), ("none", None)], "http://h/p?x=y&a=%C3%A4%26#f"),
        ("raw=1", "http://h/p?x=y&raw=1#f"),
        ({}, "http://h/p?x=y#f"),
    ],
)
def test_params_go_behind_those_that_the_url_has(params: object, url: str) -> None:
    assert with_params("http://h/p?x=y#f", params) == url  # type: ignore[arg-type]


@every(
    ("data", "json", "body", "content_type"),
    [
        ("ä", None, "ä".encode(), "text/plain; charset=utf-8"),
        (b"\x00", None, b"\x00", "application/octet-stream"),
        ({"a": "b c"}, None, b"a=b+c", "application/x-www-form-urlencoded; charset=utf-8"),
        (None, {"a": [1]}, b'{"a": [1]}', "application/json"),
        ("text", {"a": 1}, b"text", "text/plain; charset=utf-8"),
        (None, [], b"[]", "application/json"),
    ],
)
def test_a_body_brings_its_type(data: object, json: object, body: bytes, content_type: str) -> None:
    made, about = body_of(data, json)  # type: ignore[arg-type]
    assert (made, about["Content-Type"]) == (body, content_type)


def test_credentials_are_written_as_the_standard_has_it() -> None:
    assert basic_authorization("Aladdin", b"open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@given(st.text(max_size=60), st.dictionaries(st.text(max_size=10), st.text(max_size=20), max_size=3))
def test_any_request_of_a_task_is_refused_or_stays_one_request(path: str, headers: dict[str, str]) -> None:
    try:
        location = located("http://host/" + path)
        request = request_bytes("GET", location, EMPTY.with_headers(headers), "", b"")
    except UnsafeRequestError:
        return
    first, _, rest = request.partition(b"\r\n")
    assert first.split(b" ") == [b"GET", location.target.encode(), b"HTTP/1.1"]
    assert request.count(b"\r\n\r\n") == 1
    assert rest.endswith(b"\r\n\r\n")
    names = {name.lower() for name in headers} | {"host"}
    assert {name.lower() for name in parse_headers(BytesIO(rest)).keys()} == names  # noqa: SIM118  a message, not a dict
