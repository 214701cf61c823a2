"""One connection to a server, on gevent's loop: made, used for one exchange at a time, never waited for too long."""

from __future__ import annotations

import _socket
import errno
import os
import ssl
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import gevent
from gevent import monkey
from gevent import socket as gevent_socket
from gevent.hub import get_hub

from loadlab.load.http.deadlines import Deadlines
from loadlab.load.http.errors import AnswerTimeoutError, ConnectionLostError, ConnectTimeoutError
from loadlab.load.http.response import ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from loadlab.load.http.raw_response import RawResponse
    from loadlab.load.http.request import Location

    Address = tuple[int, tuple[Any, ...]]  # family, what connect() takes

# The plain ones, also in a process that gevent has patched: here it is we who wait, and know for how long.
inet_pton = monkey.get_original("socket", "inet_pton")
poll = monkey.get_original("select", "poll")
POLLIN: Final = monkey.get_original("select", "POLLIN")
AF_INET, AF_INET6, SOCK_STREAM, IPPROTO_TCP, TCP_NODELAY, SOL_SOCKET, SO_ERROR = (
    monkey.get_original("socket", name)
    for name in ("AF_INET", "AF_INET6", "SOCK_STREAM", "IPPROTO_TCP", "TCP_NODELAY", "SOL_SOCKET", "SO_ERROR")
)
SOCK_NONBLOCK: Final[int] = getattr(_socket, "SOCK_NONBLOCK", 0)  # macOS needs a call for it

READ, WRITE = 1, 2  # events, as libev names them
RECEIVE_BYTES: Final = 64 * 1024
SEGMENT_BYTES: Final = 1000  # all networks of today carry so much at once
CONNECTING: Final = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})


class HttpConnection:
    """A TCP connection; one greenlet uses it at a time. After any exception it can only be closed."""

    # In the class until it changes; what most connections do without is made when it is needed.
    _open = False
    _connected = False
    _expired: Exception | None = None
    _writable: Any = None
    _state: Any = None

    def __init__(self, family: int, limit: int, deadlines: Deadlines) -> None:
        # Not Python's class around this one, which takes longer to make and is patched by gevent.
        self._socket = _socket.socket(family, SOCK_STREAM | SOCK_NONBLOCK)
        self._hub = deadlines.hub
        self._deadlines = deadlines
        try:
            if not SOCK_NONBLOCK:
                self._socket.settimeout(0)
            self._readable = self._hub.loop.io(self._socket.fileno(), READ)
        except BaseException:
            self._socket.close()
            raise
        self._reader = ResponseReader(limit)
        self._open = True

    def __del__(self) -> None:
        # A user that Locust has stopped is forgotten with its client, without a call.
        self.close()

    def connect(self, address: tuple[Any, ...], seconds: float) -> None:
        """Connect to a numeric address.

        Raises:
            OSError, ConnectTimeoutError: there is no connection.
        """
        self._deadlines.start(self, seconds)
        try:
            self._connect(address)
        finally:
            self._deadlines.stop(self)
        if self._expired is not None:
            raise self._expired
        self._connected = True

    def quiet(self) -> bool:
        """Whether an idle connection can be used: not closed by the server, no unrequested bytes received."""
        if self._state is None:
            self._state = poll()
            self._state.register(self._socket.fileno(), POLLIN)
        return not self._state.poll(0)

    def exchange(self, method: str, request: bytes, seconds: float) -> RawResponse:
        """Send a request and read its response.

        Raises:
            HttpFaultError, OSError: no valid response came.
        """
        reader = self._reader
        reader.begin(method)
        self._deadlines.start(self, seconds)
        try:
            self._send(request)
            while not reader.complete:
                data = self._receive()
                if data:
                    reader.feed(data)
                else:
                    reader.end()
        except ConnectionResetError as error:
            raise ConnectionLostError("the server reset the connection", silent=reader.silent()) from error
        finally:
            self._deadlines.stop(self)
        response = reader.response()
        if self._expired is not None:
            # It has just not been too late; but what was to end the wait may be under way, and must find no other.
            response.keep_alive = False
        return response

    def expire(self) -> None:
        """End the wait that is under way, as its time is over."""
        self._expired = error = (
            AnswerTimeoutError("no complete response within network_timeout")
            if self._connected
            else ConnectTimeoutError("not connected within connection_timeout")
        )
        for watcher in (self._readable, self._writable):
            self._hub.cancel_wait(watcher, error)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._readable.close()
            if self._writable is not None:
                self._writable.close()
            self._socket.close()
            self._reader.release()

    def _wait_to_write(self) -> None:
        if self._expired is not None:
            raise self._expired
        if self._writable is None:
            self._writable = self._hub.loop.io(self._socket.fileno(), WRITE)
        self._hub.wait(self._writable)

    def _connect(self, address: tuple[Any, ...]) -> None:
        code = self._socket.connect_ex(address)
        if code in CONNECTING:
            code = self._outcome()
        if code:
            raise OSError(code, os.strerror(code))

    def _outcome(self) -> int:
        """What becomes of connecting: 0, or the error's number."""
        # On one machine the connection is there by now, although connect() has not waited for it.
        try:
            self._socket.getpeername()
        except OSError:
            self._wait_to_write()
            return self._socket.getsockopt(SOL_SOCKET, SO_ERROR)
        return 0

    def _send(self, data: bytes) -> None:
        """Send everything, or as much as the server still takes: it may have answered and closed, and said why."""
        try:
            if len(data) > SEGMENT_BYTES:
                self._dispatch_at_once()
            sent = self._socket.send(data)
            if sent < len(data):
                self._send_rest(memoryview(data)[sent:])
        except BlockingIOError:
            self._send_rest(memoryview(data))
        except (BrokenPipeError, ConnectionResetError):
            return

    def _dispatch_at_once(self) -> None:
        """Let no part of what is sent wait until the server has acknowledged the part before it."""
        self._socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)

    def _send_rest(self, rest: memoryview) -> None:
        while rest:
            self._wait_to_write()
            with suppress(BlockingIOError):
                rest = rest[self._socket.send(rest) :]

    def _receive(self) -> bytes:
        """What has come, after waiting for it; empty at the connection's end."""
        # Waited for first: straight after sending there is nothing yet, and asking would cost another call.
        while True:
            if self._expired is not None:
                raise self._expired
            self._hub.wait(self._readable)
            try:
                return self._socket.recv(RECEIVE_BYTES)
            except BlockingIOError:
                continue


class TlsConnection(HttpConnection):
    """The same over TLS, of which OpenSSL does the part between memory and memory."""

    def __init__(self, family: int, limit: int, deadlines: Deadlines, context: ssl.SSLContext, host: str) -> None:
        super().__init__(family, limit, deadlines)
        self._dispatch_at_once()
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def quiet(self) -> bool:
        """As without TLS, but what the TLS layers tell each other (new session tickets) is none of our business."""
        if super().quiet():
            return True
        try:
            self._take_in(self._socket.recv(RECEIVE_BYTES))
            self._tls.read(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def _connect(self, address: tuple[Any, ...]) -> None:
        super()._connect(address)
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._flush()
                self._take_in(super()._receive())
            else:
                return self._flush()

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            # Never waits: it writes to memory. In parts, so that not all of a large body is there twice.
            rest = rest[self._tls.write(rest[:RECEIVE_BYTES]) :]
            self._flush()

    def _flush(self) -> None:
        pending = self._outgoing.read()
        if pending:
            super()._send(pending)

    def _receive(self) -> bytes:
        while True:
            try:
                return self._tls.read(RECEIVE_BYTES)
            except ssl.SSLWantReadError:
                self._flush()  # a response of the TLS layer itself, as to a change of keys
                self._take_in(super()._receive())
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                # With or without a good-bye: like Python's own clients, which many servers count on.
                return b""

    def _take_in(self, data: bytes) -> None:
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()


@lru_cache(maxsize=2)
def tls_context(*, insecure: bool) -> ssl.SSLContext:
    """One for all users: reading the system's certificates takes longer than many requests."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


class Connector:
    """Makes connections, and remembers at which address a host was found."""

    def __init__(self, *, limit: int, context: Callable[[], ssl.SSLContext]) -> None:
        self._limit = limit
        self._context = context
        self._found: dict[tuple[str, str, int], Address] = {}
        self._deadlines: Deadlines | None = None

    def connected(self, location: Location, seconds: float) -> HttpConnection:
        """A new connection to the location's origin; `seconds` are for its name, and again for each address.

        Raises:
            OSError, ConnectTimeoutError: there is none; of several addresses, what the last one said.
        """
        origin = location.origin
        known = self._found.get(origin)
        for address in (known,) if known is not None else _addresses(origin[1], origin[2], seconds):
            try:
                connection = self._connection(location, address, seconds)
            except OSError as error:
                self._found.pop(origin, None)
                failure = error
            else:
                self._found[origin] = address
                return connection
        raise failure

    def _connection(self, location: Location, address: Address, seconds: float) -> HttpConnection:
        family, peer = address
        if self._deadlines is None:  # now, on the hub that will serve them, which a fork replaces
            self._deadlines = Deadlines(get_hub())
        if location.secure:
            host = location.origin[1]
            connection: HttpConnection = TlsConnection(family, self._limit, self._deadlines, self._context(), host)
        else:
            connection = HttpConnection(family, self._limit, self._deadlines)
        try:
            connection.connect(peer, seconds)
        except BaseException:
            connection.close()
            raise
        return connection


def _addresses(host: str, port: int, seconds: float) -> Iterator[Address]:
    if _is_numeric(host):
        yield AF_INET, (host, port)
        return
    with gevent.Timeout(seconds, ConnectTimeoutError("the name was not resolved within connection_timeout")):
        found = gevent_socket.getaddrinfo(host, port, 0, SOCK_STREAM)
    for family, _, _, _, peer in found:
        yield family, peer


def _is_numeric(host: str) -> bool:
    with suppress(OSError):
        return bool(inet_pton(AF_INET, host))
    return False
