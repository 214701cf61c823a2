"""An HTTP/1.1 client for gevent that costs little CPU: kept connections, cookies, redirects, nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin

from loadlab.load.http.codings import decoded
from loadlab.load.http.connection import Connector
from loadlab.load.http.cookies import Cookies
from loadlab.load.http.errors import ConnectionLostError, RedirectError, UnsafeRequestError
from loadlab.load.http.request import IDEMPOTENT, Head, checked_method, cookie_line, located, request_bytes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    from loadlab.load.http.connection import HttpConnection
    from loadlab.load.http.raw_response import RawResponse
    from loadlab.load.http.request import Location, Seconds

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
KEEP_METHOD: Final = frozenset({307, 308})
# Of these, the body goes when the method becomes GET; of those, what was meant for the first origin only.
ABOUT_THE_BODY: Final = ("content-type", "content-encoding", "content-language")
FOR_ONE_ORIGIN: Final = ("authorization", "cookie", "host")
MOST_WRITTEN: Final = 1000  # of each method
BASIC_HEADERS: Final = {"User-Agent": "loadlab", "Accept-Encoding": "gzip, deflate, br"}


@dataclass(slots=True)  # not frozen, and no tuple: both take longer to make or to read, in each request
class _Asked:
    """A request on its way through redirects; `cookies` are its own, `written` are its bytes by URL, where kept."""

    method: str
    head: Head
    body: bytes
    seconds: Seconds
    cookies: Mapping[str, object] | None
    written: dict[str, bytes] = field(default_factory=dict, init=False)


class HttpClient:
    """Sends requests and returns responses; several greenlets may share one, each exchange has its own connection."""

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
        self.seconds = (connection_timeout, network_timeout)
        self._max_redirects = max_redirects
        self._limit = max_response_bytes
        self._connector = Connector(limit=max_response_bytes, context=context)
        self._idle: dict[tuple[str, str, int], list[HttpConnection]] = {}
        self._plain: dict[str, _Asked] = {}
        self._head = Head.of({}).with_headers(BASIC_HEADERS).with_headers(headers or {})

    def request(  # noqa: PLR0913, PLR0917  a request has that many sides
        self,
        method: str,
        url: str,
        headers: Mapping[str, Any] | None = None,
        body: bytes = b"",
        follow: bool = False,  # noqa: FBT001, FBT002
        seconds: Seconds | None = None,
        cookies: Mapping[str, object] | None = None,
    ) -> RawResponse:
        """Ask once, and where the response says to ask if `follow`.

        `seconds` take the place of the client's timeouts; `cookies` are for this request and no later one.

        Raises:
            UnsafeRequestError: it must not be sent.
            HttpFaultError, OSError: no valid response came.
        """
        if headers or body or seconds or cookies:
            head = self._head.with_headers(headers) if headers else self._head
            asked = _Asked(checked_method(method), head, body, seconds or self.seconds, cookies)
        else:
            asked = self._plain.get(method) or self._plainly(method)
        response = self._ask(asked, located(url))
        if follow and response.status in REDIRECTS:
            return self._follow(response, asked)
        return response

    def _plainly(self, method: str) -> _Asked:
        """What most requests are, made once."""
        plain = self._plain[method] = _Asked(checked_method(method), self._head, b"", self.seconds, None)
        return plain

    def close(self) -> None:
        """Close the connections that are idle."""
        for connections in self._idle.values():
            while connections:
                connections.pop().close()

    def _ask(self, asked: _Asked, location: Location) -> RawResponse:
        request = None if self.cookies.jar.any else asked.written.get(location.url)
        response = self._exchange(asked, location, request or self._written(asked, location))
        response.url = location.url
        if response.telling:
            self._obey(response, location.url)
        return response

    def _obey(self, response: RawResponse, url: str) -> None:
        if response.values(b"set-cookie"):
            self.cookies.take(response, url)
        codings = response.values(b"content-encoding")
        if codings and response.content:
            response.content = decoded(response.content, codings, self._limit)

    def _written(self, asked: _Asked, location: Location) -> bytes:
        """The request's bytes; those of plain requests are kept, for as long as there are no cookies."""
        head, any_cookies = asked.head, self.cookies.jar.any
        line = self.cookies.line(location.url) if any_cookies and not head.names_cookies else ""
        if asked.cookies and not head.names_cookies:
            line = cookie_line(line, asked.cookies)
        written = request_bytes(asked.method, location, head, line, asked.body)
        if not any_cookies and self._plain.get(asked.method) is asked:
            if len(asked.written) >= MOST_WRITTEN:
                asked.written.clear()
            asked.written[location.url] = written
        return written

    def _exchange(self, asked: _Asked, location: Location, request: bytes) -> RawResponse:
        """On a kept connection; on a new one if there is none, or if it dies at this very moment and that is safe."""
        idle = self._idle.get(location.origin)
        if idle is None:
            idle = self._idle[location.origin] = []
        connection = _kept(idle)
        if connection is not None:
            try:
                return _exchange_on(connection, idle, asked, request)
            except ConnectionLostError as error:
                if not error.silent or asked.method not in IDEMPOTENT:
                    raise
        connection = self._connector.connected(location, asked.seconds[0])
        return _exchange_on(connection, idle, asked, request)

    def _follow(self, response: RawResponse, asked: _Asked) -> RawResponse:
        for _ in range(self._max_redirects):
            location = _next_location(response)
            if location is None:
                return response
            if response.status not in KEEP_METHOD and asked.method not in {"GET", "HEAD"}:
                asked = replace(asked, method="GET", body=b"", head=asked.head.without(ABOUT_THE_BODY))
            if location.origin != located(response.url).origin:
                asked = replace(asked, head=asked.head.without(FOR_ONE_ORIGIN), cookies=None)
            response = self._ask(asked, location)
            if response.status not in REDIRECTS:
                return response
        raise RedirectError(f"more than {self._max_redirects} redirects")


def _kept(idle: list[HttpConnection]) -> HttpConnection | None:
    """The connection that was used last and can still be."""
    while idle:
        connection = idle.pop()
        if connection.quiet():
            return connection
        connection.close()
    return None


def _exchange_on(connection: HttpConnection, idle: list[HttpConnection], asked: _Asked, request: bytes) -> RawResponse:
    try:
        response = connection.exchange(asked.method, request, asked.seconds[1])
    except BaseException:
        connection.close()
        raise
    if response.keep_alive and not asked.head.closes:
        idle.append(connection)
    else:
        connection.close()
    return response


def _next_location(response: RawResponse) -> Location | None:
    values = response.values(b"location")
    if len(values) > 1:
        raise RedirectError("the response redirects to several places")
    value = values[0].strip() if values else b""
    if not value:  # there is nowhere to go, so this response is the last
        return None
    try:
        return located(urljoin(response.url, _text(value)))
    except (UnsafeRequestError, UnicodeError, ValueError) as error:
        raise RedirectError(f"the response redirects to something other than an http or https URL: {error}") from error


def _text(value: bytes) -> str:
    """A field that may be UTF-8, as servers write it today, or Latin-1, as they once did."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
