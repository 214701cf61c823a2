"""The login page, which takes the token if one is required."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from loadlab.live.guards import COOKIE, LOGIN_PATH, is_same, pass_for
from loadlab.live.pages import page

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES: Final = 4096
REFUSED_SECONDS: Final = 0.5  # slows down guessing


async def login(request: Request) -> Response:
    token: str | None = request.app.state.token
    if token is None:
        return RedirectResponse("/", status_code=303)
    if request.method != "POST":
        return page("login.html.jinja", refused=False)
    if not is_same(await _shown(request), token):
        await asyncio.sleep(REFUSED_SECONDS)
        return page("login.html.jinja", status_code=403, refused=True)
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(COOKIE, pass_for(token), httponly=True, samesite="strict")
    return response


async def _shown(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MOST_BYTES:
            return ""
    return parse_qs(body.decode(errors="replace")).get("token", [""])[0]


routes = [Route(LOGIN_PATH, login, methods=["GET", "POST"])]
