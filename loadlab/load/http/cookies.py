"""Cookies by Python's own rules, worked out again only when they may have changed."""

from __future__ import annotations

import time
from email.message import Message
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, cast
from urllib.request import Request

from loadlab.load.http.request import located

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from http.cookiejar import Cookie

    from loadlab.load.http.raw_response import RawResponse


class Jar(CookieJar):
    """A CookieJar that says whether anything is in it, and forgets what was worked out when that changes."""

    def __init__(self) -> None:
        super().__init__()
        self.any = False
        self.lines: dict[tuple[str, str, int], str] = {}  # by origin, while all cookies are for its every path
        self.stale_at = 0.0

    def set_cookie(self, cookie: Cookie) -> None:
        super().set_cookie(cookie)
        self._changed()

    def clear(self, domain: str | None = None, path: str | None = None, name: str | None = None) -> None:
        super().clear(domain, path, name)
        self._changed()

    def _changed(self) -> None:
        self.any = any(True for _ in self)
        self.lines.clear()
        self.stale_at = min((cookie.expires for cookie in self if cookie.expires is not None), default=float("inf"))


class Cookies:
    """What servers have set: the field to send, and the response to learn from."""

    def __init__(self) -> None:
        self.jar = Jar()

    def line(self, url: str) -> str:
        """The Cookie field for a request, with its line end; empty when there is nothing to send."""
        jar = self.jar
        origin = located(url).origin
        if time.time() < jar.stale_at and origin in jar.lines:
            return jar.lines[origin]
        request = Request(url)  # noqa: S310  never opened
        jar.add_cookie_header(request)
        value = request.get_header("Cookie")
        # http.cookiejar passes on what a server has set, line ends apart; a head is Latin-1.
        line = f"Cookie: {value.encode('latin-1', 'replace').decode('latin-1')}\r\n" if value else ""
        if all(cookie.path == "/" for cookie in jar):
            jar.lines[origin] = line
        return line

    def take(self, response: RawResponse, url: str) -> None:
        """Learn from the Set-Cookie fields of a response."""
        self.jar.extract_cookies(cast("HTTPResponse", _Information(response)), Request(url))  # noqa: S310  never opened


class _Information:
    """What http.cookiejar wants to see of a response."""

    def __init__(self, response: RawResponse) -> None:
        self._message = Message()
        for value in response.values(b"set-cookie"):
            self._message["Set-Cookie"] = value.decode("latin-1")

    def info(self) -> Message:
        return self._message
