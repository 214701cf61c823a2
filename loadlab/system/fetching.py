"""Fetches a text by HTTP: bounded in time and in size."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from loadlab.errors import EnvironmentFaultError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

TIMEOUT_SECONDS: Final = 10.0  # for the whole response
MOST_BYTES: Final = 16 << 20
CHUNK_BYTES: Final = 64 << 10
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NAME_IT: Final = "; give the address of the metrics with --metrics or --target-metrics"


def shown(url: str) -> str:
    """The URL as messages show it: without what may be secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class UnreadableError(EnvironmentFaultError):
    """An address that gives no text of the kind that is wanted.

    `what` says so in words that follow its name, `next_step` what to do on a command line. `status` is the response's,
    where that is the reason.
    """

    def __init__(self, url: str, what: str, next_step: str, *, status: int | None = None) -> None:
        super().__init__(f"{shown(url)} {what}{next_step}")
        self.what = what
        self.status = status


def fetched(url: str, headers: Mapping[str, str], *, seconds: float = TIMEOUT_SECONDS) -> str:
    """The text at `url`, each byte that is not UTF-8 replaced.

    Redirects are not followed and proxies not used: the token is for the host that the user named.

    Raises:
        UnreadableError: no response, another status than 200, too long, or not complete in time.
    """
    request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310  checked by the caller
    with Deadline(seconds) as deadline:
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}), *deadline.handlers())
        try:
            with opener.open(request, timeout=seconds) as response:
                content = _read(response, url)
        except urllib.error.HTTPError as error:
            error.close()
            what = f"answers {error.code} {error.reason}"
            raise UnreadableError(url, what, f"{_hint(error.code)}.", status=error.code) from error
        except (OSError, ValueError, http.client.HTTPException) as error:  # a ValueError: read from what was shut
            raise (_late(url, seconds) if deadline.passed else _no_answer(url, error)) from error
        if deadline.passed:
            raise _late(url, seconds)
    return content.decode(errors="replace")


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    content = bytearray()
    while chunk := answer.read1(CHUNK_BYTES):
        content += chunk
        if len(content) > MOST_BYTES:
            what = f"answers with more than {MOST_BYTES >> 20} MB"
            raise UnreadableError(url, what, "; give the address of the metrics.")
    if answer.length:
        raise http.client.IncompleteRead(bytes(content[:0]), answer.length)
    return bytes(content)


def _late(url: str, seconds: float) -> UnreadableError:
    what = f"did not answer completely within {seconds:g} s"
    return UnreadableError(url, what, ". Is it the address of the metrics?")


def _no_answer(url: str, error: Exception) -> UnreadableError:
    why = error.reason if isinstance(error, urllib.error.URLError) else error
    what = f"does not answer: {getattr(why, 'strerror', None) or why}"
    return UnreadableError(url, what, ". Is the project running there?")


def _hint(status: int) -> str:
    if status == UNAUTHORIZED:
        return "; give the token of LOADLAB['METRICS_TOKEN'] with --token env:NAME"
    if status == FORBIDDEN:
        return "; the project has no LOADLAB['METRICS_TOKEN'] yet, see docs/how-to/production-metrics.md"
    return NAME_IT


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:  # noqa: ANN401
        return None


class Deadline:
    """Ends the connections that are made in it at a set time.

    A socket's own time-out begins anew with each byte. So a timer shuts the socket down, by a second handle: a TLS
    handshake under way has taken the socket over.
    """

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._handles: list[socket.socket] = []
        self._mutex = threading.Lock()
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self.passed = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()
        with self._mutex:
            for handle in self._handles:
                handle.close()
            self._handles.clear()

    def _end(self) -> None:
        with self._mutex:
            self.passed = True
            for handle in self._handles:
                try:
                    handle.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # the other side has gone already

    def _connected(self, address: tuple[str, int], *_: object) -> socket.socket:
        made = socket.create_connection(address, max(0.001, self._ends - time.monotonic()))
        with self._mutex:
            self._handles.append(made.dup())
            if self.passed:
                self._handles[-1].shutdown(socket.SHUT_RDWR)
        return made

    def handlers(self) -> tuple[urllib.request.BaseHandler, ...]:
        """Of an opener whose connections end in time."""
        connected = self._connected

        class Plain(http.client.HTTPConnection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  as the base has it
                super().__init__(*args, **kwargs)
                self._create_connection = connected

        class Secure(http.client.HTTPSConnection):
            def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
                super().__init__(*args, **kwargs)
                self._create_connection = connected

        class PlainHandler(urllib.request.HTTPHandler):
            def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Plain, request)

        class SecureHandler(urllib.request.HTTPSHandler):
            def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
                return self.do_open(Secure, request, context=ssl.create_default_context())

        return PlainHandler(), SecureHandler()
