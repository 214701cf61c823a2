"""Middleware: read-only, optional token, security headers."""

from __future__ import annotations

import hashlib
import hmac
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from loadlab.live.hosting import ALIVE_PATH

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOGIN_PATH: Final = "/login"
COOKIE: Final = "loadlab_live"
OPEN: Final = (LOGIN_PATH, ALIVE_PATH, "/assets/")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guarded:
    """An application behind all that; of what it sets itself, nothing is changed."""

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["path"].startswith("/assets/"):
                    headers.setdefault("cache-control", "no-cache")  # kept, but asked for whether it has changed
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await (self._refusal(scope) or self._app)(scope, receive, with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        path, method = scope["path"], scope["method"]
        logs_in = method == "POST" and path == LOGIN_PATH and self._token is not None
        if method not in {"GET", "HEAD"} and not logs_in:
            return PlainTextResponse("This page only reads.", status_code=405, headers={"allow": "GET, HEAD"})
        if self._token is None or path.startswith(OPEN) or self._is_let_in(Headers(scope=scope)):
            return None
        if "text/html" in Headers(scope=scope).get("accept", ""):
            return RedirectResponse(LOGIN_PATH, status_code=303)
        return PlainTextResponse(
            "A token is asked for: Authorization: Bearer …", status_code=401, headers={"www-authenticate": "Bearer"}
        )

    def _is_let_in(self, headers: Headers) -> bool:
        token = self._token or ""
        shown = headers.get("authorization", "").removeprefix("Bearer ")
        return is_same(shown, token) or is_same(_cookie(headers), pass_for(token))


def pass_for(token: str) -> str:
    """What a browser keeps in place of the token."""
    return hmac.digest(token.encode(), b"loadlab live", hashlib.sha256).hex()


def is_same(shown: str, right: str) -> bool:
    """Compared in a time that tells nothing."""
    return hmac.compare_digest(shown.encode(), right.encode())


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
