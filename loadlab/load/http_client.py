"""An HTTP/1.1 client for gevent that costs little CPU: kept connections, cookies, redirects, nothing else."""

from __future__ import annotations

import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

import brotli

from loadlab.load.http_connection import Connector
from loadlab.load.http_cookies import Cookies
from loadlab.load.http_faults import (
    AnswerTooLargeError,
    ConnectionLostError,
    MalformedAnswerError,
    RedirectError,
    UnsafeRequestError,
)
from loadlab.load.http_request import IDEMPOTENT, Head, located, request_bytes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from loadlab.load.http_answer import Answer
    from loadlab.load.http_connection import Connection
    from loadlab.load.http_request import Location

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEEP_METHOD: Final = frozenset({307, 308})
# Of these, the body goes when the method becomes GET; of those, what was meant for the first origin only.
ABOUT_THE_BODY: Final = ("content-type", "content-encoding", "content-language")
FOR_ONE_ORIGIN: Final = ("authorization", "cookie", "host")
BASIC_HEADERS: Final = {"User-Agent": "loadlab", "Accept-Encoding": "gzip, deflate, br"}


class HttpClient:
    """Sends requests and returns answers; several greenlets may share one, each exchange has its own connection."""

    def __init__(  # noqa: PLR0913  a client has that many sides
        self,
        *,
        headers: Mapping[str, Any] | None = None,
        connection_timeout: float,
        network_timeout: float,
        max_redirects: int,
        max_response_bytes: int,
        context: Callable[[], ssl.SSLContext],
    ) -> None:
        self.cookies = Cookies()
        self._network_timeout = network_timeout
        self._max_redirects = max_redirects
        self._limit = max_response_bytes
        self._connector = Connector(seconds=connection_timeout, limit=max_response_bytes, context=context)
        self._idle: dict[tuple[str, str, int], list[Connection]] = {}
        self._head = Head.of({}).with_headers(BASIC_HEADERS).with_headers(headers or {})

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, Any] | None = None,
        body: bytes = b"",
        follow: bool = False,
    ) -> Answer:
        """Ask once, and where the answer says to ask if `follow`.

        Raises:
            UnsafeRequestError: it must not be sent.
            HttpFaultError, OSError: there is no valid answer.
        """
        head = self._head.with_headers(headers) if headers else self._head
        answer = self._ask(method, located(url), head, body)
        if follow and answer.status in REDIRECTS:
            return self._follow(answer, method, head, body)
        return answer

    def close(self) -> None:
        """Close the connections that are idle."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _ask(self, method: str, location: Location, head: Head, body: bytes) -> Answer:
        cookies = self.cookies
        line = cookies.line(location.url) if cookies.jar.any and not head.names_cookies else ""
        request = request_bytes(method, location, head, line, body)
        answer = self._exchange(method, location, request, closes=head.closes)
        answer.url = location.url
        if b"set-cookie" in answer.fields:
            cookies.take(answer, location.url)
        if b"content-encoding" in answer.fields and answer.content:
            answer.content = decoded(answer, self._limit)
        return answer

    def _exchange(self, method: str, location: Location, request: bytes, *, closes: bool) -> Answer:
        """On a kept connection; on a new one if there is none, or if it dies at this very moment and that is safe."""
        connection = self._kept(location)
        if connection is not None:
            try:
                return self._exchange_on(connection, method, location, request, closes=closes)
            except ConnectionLostError as error:
                if not error.silent or method not in IDEMPOTENT:
                    raise
        return self._exchange_on(self._connector.connected(location), method, location, request, closes=closes)

    def _exchange_on(
        self, connection: Connection, method: str, location: Location, request: bytes, *, closes: bool
    ) -> Answer:
        try:
            answer = connection.exchange(method, request, self._network_timeout)
        except BaseException:
            connection.close()
            raise
        if answer.keep_alive and not closes:
            self._idle.setdefault(location.origin, []).append(connection)
        else:
            connection.close()
        return answer

    def _kept(self, location: Location) -> Connection | None:
        """The connection that was used last and can still be."""
        idle = self._idle.get(location.origin)
        while idle:
            connection = idle.pop()
            if connection.quiet():
                return connection
            connection.close()
        return None

    def _follow(self, answer: Answer, method: str, head: Head, body: bytes) -> Answer:
        for _ in range(self._max_redirects):
            location = _next_location(answer)
            if location is None:
                return answer
            if answer.status not in KEEP_METHOD and method not in {"GET", "HEAD"}:
                method, body, head = "GET", b"", head.without(ABOUT_THE_BODY)
            if location.origin != located(answer.url).origin:
                head = head.without(FOR_ONE_ORIGIN)
            answer = self._ask(method, location, head, body)
            if answer.status not in REDIRECTS:
                return answer
        raise RedirectError(f"more than {self._max_redirects} redirects")


def _next_location(answer: Answer) -> Location | None:
    values = answer.values(b"location")
    if not values:
        return None
    if len(values) > 1:
        raise RedirectError("the answer redirects to several places")
    try:
        return located(urljoin(answer.url, values[0].decode("utf-8", "surrogateescape")))
    except (UnsafeRequestError, UnicodeError, ValueError) as error:
        raise RedirectError(f"the answer redirects to what is no http or https URL: {error}") from error


def decoded(answer: Answer, limit: int) -> bytes:
    """The content without its codings, the last one first; one that is not known stays on.

    Raises:
        MalformedAnswerError: it is not so coded.
        AnswerTooLargeError: there are more than `limit` bytes in it.
    """
    content = answer.content
    codings = b",".join(answer.values(b"content-encoding")).decode("latin-1").lower().split(",")
    for coding in reversed([coding.strip() for coding in codings]):
        if coding in {"gzip", "x-gzip"}:
            content = _gunzipped(content, limit)
        elif coding == "deflate":
            content = _inflated(content, limit)
        elif coding == "br":
            content = _unbrotlied(content, limit)
        elif coding not in {"", "identity"}:
            return content
    return content


def _gunzipped(data: bytes, limit: int) -> bytes:
    """The members of a gzip file, joined."""
    result = b""
    while data:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        result += _inflate(member, data, limit - len(result))
        data = member.unused_data
    return result


def _inflated(data: bytes, limit: int) -> bytes:
    """With the zlib envelope, as the standard has it, or without, as some servers send it."""
    with suppress(MalformedAnswerError):
        return _inflate(zlib.decompressobj(), data, limit)
    return _inflate(zlib.decompressobj(-zlib.MAX_WBITS), data, limit)


def _inflate(decompressor: Any, data: bytes, limit: int) -> bytes:  # noqa: ANN401  zlib keeps its type to itself
    try:
        result: bytes = decompressor.decompress(data, limit + 1)
    except zlib.error as error:
        raise MalformedAnswerError("the body is not compressed as its head says") from error
    if len(result) > limit:
        raise _too_large(limit)
    if not decompressor.eof:
        raise MalformedAnswerError("the compressed body ends too early")
    return result


def _unbrotlied(data: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    try:
        result: bytes = decompressor.process(data, output_buffer_limit=limit + 1)
    except brotli.error as error:
        raise MalformedAnswerError("the body is not compressed as its head says") from error
    if len(result) > limit:
        raise _too_large(limit)
    if not decompressor.is_finished():
        raise MalformedAnswerError("the compressed body ends too early")
    return result


def _too_large(limit: int) -> AnswerTooLargeError:
    return AnswerTooLargeError(f"the decompressed body has more than {limit} bytes")
