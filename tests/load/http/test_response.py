"""The reader of responses: it reads valid ones however they arrive, and refuses all else with a reason."""

from __future__ import annotations

import http.client
import io
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from every import every
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from messages import BODILESS, Message, garbage, messages, pieces

from loadlab.load.http.errors import (
    AnswerTooLargeError,
    ConnectionLostError,
    HttpFaultError,
    MalformedAnswerError,
)
from loadlab.load.http.response import HEAD_LIMIT_BYTES, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.load.http.raw_response import RawResponse

LIMIT = 1_000_000
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

MALFORMED = {
    "two Content-Lengths": OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    "the same Content-Length twice": OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a list of Content-Lengths": OK + b"Content-Length: 2, 2\r\n\r\nok",
    "a signed Content-Length": OK + b"Content-Length: +2\r\n\r\nok",
    "a negative Content-Length": OK + b"Content-Length: -2\r\n\r\nok",
    "an empty Content-Length": OK + b"Content-Length:\r\n\r\n",
    "a Content-Length beyond 64 bits": OK + b"Content-Length: 99999999999999999999\r\n\r\nok",
    "Content-Length, then chunked": OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked, then Content-Length": OK + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "a coding under chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "a coding over chunked": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown coding": OK + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked in HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a space before a colon": OK + b"Content-Length : 2\r\n\r\nok",
    "a folded line": OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n",
    "a NUL in a value": OK + b"X: a\x00b\r\nContent-Length: 0\r\n\r\n",
    "a bare CR in a value": OK + b"X: a\rb\r\nContent-Length: 0\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a line without colon": OK + b"nonsense\r\n\r\n",
    "a field without name": OK + b": value\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"two\r\nok\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"fffffffffffffffff\r\nok\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "a space behind a chunk size": CHUNKED + b"2 \r\nok\r\n0\r\n\r\n",
    "HTTP/0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "HTTP/2.0 after an interim answer": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    "no protocol": b"<html>not found</html>",
    "a status of two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "a status of zero": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "101 with Upgrade": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nbytes",
    "101 without Upgrade": b"HTTP/1.1 101 Switching\r\n\r\n",
    "line ends before the answer": b"\r\n" + OK + b"Content-Length: 0\r\n\r\n",
    "a second answer": OK + b"Content-Length: 2\r\n\r\nok" + OK + b"Content-Length: 0\r\n\r\n",
    "bytes behind the answer": OK + b"Content-Length: 2\r\n\r\nokay",
    "a line end behind the answer": OK + b"Content-Length: 2\r\n\r\nok\r\n",
    "a line feed behind chunks": CHUNKED + b"2\r\nok\r\n0\r\n\r\n\n",
    "bytes behind an answer that closes": OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nokay",
    "a body behind 204": b"HTTP/1.1 204 No Content\r\n\r\nbody",
    "a body behind 304": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nbody",
}


def read(parts: Iterable[bytes], method: str = "GET", reader: ResponseReader | None = None) -> RawResponse:
    """What the reader makes of these reads, and of the connection's end if it waits for more."""
    reader = reader or ResponseReader(LIMIT)
    reader.begin(method)
    for part in parts:
        reader.feed(part)
    if not reader.complete:
        reader.end()
    return reader.response()


def said(answer: RawResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    fields = [(name.decode("latin-1"), value.decode("latin-1").rstrip(" \t")) for name, value in answer.pairs]
    return answer.status, fields, answer.content


def bytewise(raw: bytes) -> list[bytes]:
    return [raw[at : at + 1] for at in range(len(raw))]


class Wire:
    """Bytes that http.client takes for a socket."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, _: str) -> io.BytesIO:
        return io.BytesIO(self._raw)


def as_http_client_reads(message: Message) -> tuple[int, list[tuple[str, str]], bytes]:
    response = http.client.HTTPResponse(Wire(message.raw), method=message.method)  # type: ignore[arg-type]
    response.begin()
    while 100 <= response.status < 200:
        raw = message.raw.split(b"\r\n\r\n", 1)[1]
        return as_http_client_reads(
            Message(raw=raw, method=message.method, status=0, fields=[], body=b"", ends_by_close=False)
        )
    return response.status, [(name, value) for name, value in response.getheaders()], response.read()


def splits_change_nothing(data: st.DataObject) -> None:
    message = data.draw(messages())
    answer = read(data.draw(pieces(message.raw)), message.method)
    assert (answer.status, answer.content) == (message.status, message.body)
    assert (
        said(answer) == said(read([message.raw], message.method)) == said(read(bytewise(message.raw), message.method))
    )
    assert not (message.ends_by_close and answer.keep_alive)


def nothing_but_faults(data: st.DataObject) -> None:
    raw, method = data.draw(garbage), data.draw(st.sampled_from(["GET", "HEAD", "POST"]))
    reader = ResponseReader(LIMIT)
    parts = data.draw(pieces(raw))
    with suppress(HttpFaultError):
        answer = read(parts, method, reader)
        assert reader.complete
        assert 200 <= answer.status <= 999


def agrees_with_http_client(message: Message) -> None:
    # http.client waits for the chunks of a 204 and a 304, which have none, even if their heads say so.
    assume(message.status not in BODILESS or b"Transfer-Encoding: chunked" not in message.raw)
    status, fields, body = said(read([message.raw], message.method))
    expected_status, expected_fields, expected_body = as_http_client_reads(message)
    assert (status, body) == (expected_status, expected_body)
    assert [(name, value) for name, value in fields if value.isascii() and value] == [
        (name, value.rstrip(" \t")) for name, value in expected_fields if value.isascii() and value
    ]


@given(st.data())
def test_any_split_of_any_valid_answer_reads_the_same(data: st.DataObject) -> None:
    splits_change_nothing(data)


@given(st.data())
def test_garbage_is_a_fault_with_a_reason_or_a_complete_answer(data: st.DataObject) -> None:
    nothing_but_faults(data)


@given(messages())
def test_valid_answers_mean_what_http_client_says(message: Message) -> None:
    agrees_with_http_client(message)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(st.data())
def test_any_split_of_any_valid_answer_reads_the_same_at_length(data: st.DataObject) -> None:
    splits_change_nothing(data)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(st.data())
def test_garbage_is_a_fault_at_length(data: st.DataObject) -> None:
    nothing_but_faults(data)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(messages())
def test_valid_answers_mean_what_http_client_says_at_length(message: Message) -> None:
    agrees_with_http_client(message)


@every("shape", MALFORMED)
def test_what_can_be_read_in_two_ways_is_refused_with_a_reason(shape: str) -> None:
    with pytest.raises(MalformedAnswerError, match=r"\w+ \w+"):
        read([MALFORMED[shape]])


@every("shape", MALFORMED)
def test_an_ambiguous_response_is_never_accepted_under_any_split(shape: str) -> None:
    reader = ResponseReader(LIMIT)
    reader.begin("GET")
    with pytest.raises(HttpFaultError):  # noqa: PT012  which byte is refused is llhttp's affair
        for part in bytewise(MALFORMED[shape]):
            if reader.complete:
                raise MalformedAnswerError("and more comes, which the connection takes for a reason to close")
            reader.feed(part)
        reader.end()


@every("follows", [b"body", b"\r\n", b"\n", OK + b"Content-Length: 0\r\n\r\n"])
def test_nothing_may_follow_the_head_of_an_answer_to_head(follows: bytes) -> None:
    with pytest.raises(MalformedAnswerError, match="data after the end"):
        read([OK + b"Content-Length: 4\r\n\r\n" + follows], "HEAD")


def test_a_reader_goes_on_to_the_next_answer() -> None:
    reader = ResponseReader(LIMIT)
    for method, raw, content in [
        ("GET", OK + b"Content-Length: 2\r\n\r\nok", b"ok"),
        ("HEAD", OK + b"Content-Length: 2\r\n\r\n", b""),
        ("GET", CHUNKED + b"2;x=y\r\nok\r\n0\r\nTrailer: t\r\n\r\n", b"ok"),
        ("HEAD", CHUNKED, b""),
        ("GET", OK + b"Content-Length: 1\r\n\r\n\n", b"\n"),
    ]:
        answer = read([raw], method, reader)
        assert answer.content == content
        assert answer.keep_alive
        assert not answer.values(b"trailer")


@every("name", [b"Set-Cookie", b"set-cookie", b"CONTENT-ENCODING", b"Transfer-Encoding", b"X-Set-Cookie", b"Vary"])
def test_a_head_tells_of_the_fields_that_the_client_obeys(name: bytes) -> None:
    telling = name.lower() in {b"set-cookie", b"content-encoding", b"transfer-encoding"}
    value, body = (b"chunked", b"0\r\n\r\n") if name == b"Transfer-Encoding" else (b"x", b"")
    length = b"" if body else b"Content-Length: 0\r\n"
    answer = read([OK + b"A: 1\r\n" + name + b": " + value + b"\r\n" + length + b"a: 2\r\n\r\n" + body])
    assert (answer.telling, answer.values(name.lower()), answer.values(b"a")) == (telling, [value], [b"1", b"2"])


def test_fields_of_an_interim_answer_are_not_those_of_the_answer() -> None:
    answer = read([b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nok"])
    assert (answer.pairs, answer.content) == ([(b"Content-Length", b"2")], b"ok")


@every(
    ("raw", "kept"),
    [
        (OK + b"Content-Length: 0\r\n\r\n", True),
        (OK + b"Connection: close\r\nContent-Length: 0\r\n\r\n", False),
        (OK + b"Connection: Close, x\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nto the end", False),
        (OK + b"\r\nto the end", False),
    ],
)
def test_a_connection_is_kept_only_if_both_versions_rules_allow_it(raw: bytes, kept: bool) -> None:  # noqa: FBT001
    assert read([raw]).keep_alive is kept


@every(
    ("raw", "silent"),
    [
        (b"", True),
        (b"HT", False),
        (OK + b"Content-Le", False),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (OK + b"Content-Length: 5\r\n\r\nhal", False),
        (CHUNKED, False),
        (CHUNKED + b"5\r\nhal", False),
        (CHUNKED + b"2\r\nok\r\n", False),
        (CHUNKED + b"2\r\nok\r\n0\r\n", False),
    ],
)
def test_an_end_before_the_answers_end_is_a_lost_connection(raw: bytes, silent: bool) -> None:  # noqa: FBT001
    with pytest.raises(ConnectionLostError) as caught:
        read([raw] if raw else [])
    assert caught.value.silent is silent


@every(
    "raw",
    [
        OK + b"X: " + b"a" * HEAD_LIMIT_BYTES + b"\r\nContent-Length: 0\r\n\r\n",
        OK + b"X: a\r\n" * HEAD_LIMIT_BYTES,
        b"HTTP/1.1 100 Continue\r\n\r\n" * HEAD_LIMIT_BYTES,
        CHUNKED + b"1;" + b"e" * 2 * HEAD_LIMIT_BYTES,
        CHUNKED + b"1\r\nx\r\n0\r\n" + b"T: t\r\n" * HEAD_LIMIT_BYTES,
    ],
    ids=["one field", "many fields", "interim answers", "a chunk extension", "trailers"],
)
@every("size", [1000, HEAD_LIMIT_BYTES])
def test_what_is_not_body_has_a_limit(raw: bytes, size: int) -> None:
    with pytest.raises(AnswerTooLargeError):
        read([raw[at : at + size] for at in range(0, len(raw), size)])


def test_a_large_head_in_a_single_read_is_refused_too() -> None:
    raw = OK + b"X: " + b"a" * HEAD_LIMIT_BYTES + b"\r\nContent-Length: 0\r\n\r\n"
    with pytest.raises(AnswerTooLargeError):
        read([raw])


def test_an_answer_beyond_its_limit_is_refused_before_it_is_all_there() -> None:
    reader = ResponseReader(100)
    with pytest.raises(AnswerTooLargeError, match="100"):
        read([OK + b"Content-Length: 1000000\r\n\r\n", b"x" * 100], reader=reader)


def test_a_long_body_in_small_chunks_is_not_taken_for_a_large_head() -> None:
    piece = b"1;extension=of-some-length\r\nx\r\n"
    count = 2 * HEAD_LIMIT_BYTES // len(piece)
    answer = read([CHUNKED, *[piece] * count, b"0\r\n\r\n"], reader=ResponseReader(10 * HEAD_LIMIT_BYTES))
    assert answer.content == b"x" * count
