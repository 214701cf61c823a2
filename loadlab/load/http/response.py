"""Reads HTTP/1 responses from bytes, one after the other, with llhttp; refuses ambiguous ones."""

from __future__ import annotations

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from loadlab.load.http.errors import AnswerTooLargeError, ConnectionLostError, HttpFaultError, MalformedAnswerError
from loadlab.load.http.raw_response import FIRST_FINAL, RawResponse, is_telling

HEAD_LIMIT_BYTES: Final = 64 * 1024
MOST_PIECES: Final = 1000  # of a body, before they are put together: a one-byte chunk takes 40 in memory
PROTOCOL: Final = b"HTTP/1."  # and llhttp lets only 0 or 1 follow
LINE_ENDS: Final = b"\r\n"
SWITCHING_PROTOCOLS: Final = 101
FIRST_INTERIM: Final = 100


class _NoBodyFollowsError(Exception):
    """Stops llhttp behind the head of a response to HEAD; httptools has no other way to say so."""


class ResponseReader:
    """Reads the responses of one connection. `begin`, then `feed` what comes until `complete`, then `response`.

    llhttp decides what is valid. Added here is what it leaves open: a response to HEAD has no body, nothing may follow
    a response, only `chunked` is a transfer coding, only HTTP/1.0 and 1.1 are spoken, and everything has a limit.

    The methods named `on_…` are httptools' callbacks.
    """

    __slots__ = (
        "_bodies",
        "_came",
        "_fault",
        "_head_only",
        "_interim",
        "_limit",
        "_names",
        "_parser",
        "_received",
        "_response",
        "_shapeless",
        "complete",
        "on_body",
        "on_header",
    )

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._fault: HttpFaultError | None = None
        self._bodies: list[bytes | bytearray] = []
        self._names: dict[bytes, bytes] = {}  # of the head's fields, as they came
        # Methods of C's own: no frame of Python for each field and each piece.
        self.on_body = self._bodies.append
        self.on_header = self._names.setdefault
        self._parser: HttpResponseParser | None = HttpResponseParser(self)

    def begin(self, method: str) -> None:
        """Say that the next response is to a request of that method."""
        self.complete = False
        self._head_only = method == "HEAD"
        self._received = 0
        self._shapeless = 0  # bytes since there was last a piece of body
        self._interim = False
        self._response: RawResponse | None = None  # there from the end of its head on
        self._came = b""  # up to the end of the head, and what came with it
        self._bodies.clear()
        self._names.clear()

    def feed(self, data: bytes) -> None:
        """Take in what came; at least one byte.

        Raises:
            MalformedAnswerError, AnswerTooLargeError: the connection cannot be used any more.
        """
        received = self._received
        self._received = received + len(data)
        if received or not data.startswith(PROTOCOL):
            _check_protocol(data, received)
        if self._received > self._limit:
            raise AnswerTooLargeError(f"the response has more than {self._limit} bytes")
        pieces = len(self._bodies)
        if self._response is None:
            self._came = self._came + data if received else data
        # llhttp passes silently over line ends behind a response, and stops behind the head of a response to HEAD: so
        # the last byte goes alone, and must be the one that completes it.
        if self._head_only or data[-1] in LINE_ENDS:
            self._parse(data[:-1])
            if self.complete:
                raise _surplus()
            self._parse(data[-1:])
        else:
            self._parse(data)
        if not self.complete:
            self._limit_what_is_not_body(len(data), progressed=len(self._bodies) > pieces)
            if len(self._bodies) > MOST_PIECES:
                self._put_together()

    def end(self) -> None:
        """The server has closed the connection.

        Raises:
            ConnectionLostError: in the middle of a response, or before any.
        """
        if not self._received:
            raise ConnectionLostError("the server closed the connection without a response", silent=True)
        if self._response is None:
            raise ConnectionLostError("the server closed the connection within a response's head", silent=False)
        if self._response.values(b"content-length") or self._response.values(b"transfer-encoding"):
            raise ConnectionLostError("the server closed the connection within a response's body", silent=False)
        self.complete = True

    def response(self) -> RawResponse:
        response = self._response
        assert response is not None  # noqa: S101  it is complete
        response.content = b"".join(self._bodies)  # of one piece, that piece itself
        return response

    def silent(self) -> bool:
        """Whether nothing has come yet."""
        return not self._received

    def release(self) -> None:
        """Let go of the parser, which refers back to its reader."""
        self._parser = None

    def on_message_begin(self) -> None:
        if self.complete:
            raise self._refused(_surplus())

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None  # noqa: S101  it is calling
        status = parser.get_status_code()
        if status < FIRST_FINAL:
            self._pass_over(status)
            return
        if self._interim and not parser.get_http_version().startswith("1."):
            raise self._refused(_other_protocol())
        telling = is_telling(tuple(self._names))
        self._response = response = RawResponse(status, self._came, parser.should_keep_alive(), telling)
        if telling:
            self._check_transfer_coding(response.values(b"transfer-encoding"), parser)
        if self._received > HEAD_LIMIT_BYTES and _size(response.pairs) > HEAD_LIMIT_BYTES:
            raise self._refused(_large_head())
        if self._head_only:
            self.complete = True
            raise _NoBodyFollowsError

    def on_message_complete(self) -> None:
        self.complete = self._response is not None

    def _parse(self, data: bytes) -> None:
        assert self._parser is not None  # noqa: S101  released with its connection
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as error:
            raise MalformedAnswerError("the server switched protocols, unasked") from error
        except HttpParserError as error:
            if self._fault is not None:
                raise self._fault from None
            if not isinstance(error.__context__, _NoBodyFollowsError):
                raise MalformedAnswerError(str(error)) from None
            self._parser = HttpResponseParser(self)

    def _pass_over(self, status: int) -> None:
        if status < FIRST_INTERIM:
            raise self._refused(MalformedAnswerError("the response's status is below 100"))
        if status == SWITCHING_PROTOCOLS:
            raise self._refused(MalformedAnswerError("the server switched protocols, unasked"))
        self._interim = True

    def _check_transfer_coding(self, codings: list[bytes], parser: HttpResponseParser) -> None:
        if not codings:
            return
        if [coding.lower() for coding in codings] != [b"chunked"]:
            raise self._refused(MalformedAnswerError("the response has a transfer coding other than chunked"))
        if parser.get_http_version() == "1.0":
            raise self._refused(MalformedAnswerError("a response of HTTP/1.0 has a transfer coding"))

    def _limit_what_is_not_body(self, size: int, *, progressed: bool) -> None:
        """Heads, interim responses, chunk extensions and trailers: none of them may go on for ever."""
        self._shapeless = 0 if progressed else self._shapeless + size
        if self._shapeless > HEAD_LIMIT_BYTES:
            raise _large_head()

    def _put_together(self) -> None:
        first, *others = self._bodies
        whole = first if isinstance(first, bytearray) else bytearray(first)
        whole += b"".join(others)
        self._bodies[:] = [whole]

    def _refused(self, fault: HttpFaultError) -> HttpFaultError:
        """Kept, because httptools hides what a callback raises behind its own error."""
        self._fault = fault
        return fault


def _size(pairs: list[tuple[bytes, bytes]]) -> int:
    return sum(len(name) + len(value) + len(": \r\n") for name, value in pairs)


def _check_protocol(data: bytes, received: int) -> None:
    """Of data that come after so many bytes of a response."""
    if received < len(PROTOCOL) and not data.startswith(PROTOCOL[received : received + len(data)]):
        raise _other_protocol()


def _other_protocol() -> MalformedAnswerError:
    return MalformedAnswerError("what came is neither HTTP/1.0 nor HTTP/1.1")


def _surplus() -> MalformedAnswerError:
    return MalformedAnswerError("data after the end of the response")


def _large_head() -> AnswerTooLargeError:
    return AnswerTooLargeError(f"the response's head or trailer has more than {HEAD_LIMIT_BYTES} bytes")
