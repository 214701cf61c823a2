"""The web application: the routes of every module of `ROUTED`, behind the same guards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loadlab.live import access, discovery, downloads, exposition, pages, streams
from loadlab.live.guards import Guarded
from loadlab.live.hosting import ALIVE_PATH
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from loadlab.live.reading.runs import Runs

# Each has `routes`; endpoints find the runs at `request.app.state.runs`.
ROUTED: Final[Sequence[ModuleType]] = (access, discovery, exposition, streams, downloads, pages)


def application(runs: Runs, *, host: str, token: str | None, ending: Callable[[], bool]) -> Starlette:
    """Answers for `host` alone, so that no other site's name can be made to point here; `ending` ends open streams."""
    routes: list[BaseRoute] = [Route(ALIVE_PATH, _alive)]
    for module in ROUTED:
        routes += module.routes
    # Beyond loopback a name may be any of this machine's; a page of another site has no token to send.
    names = ["127.0.0.1", "localhost", "[::1]", "::1"] if is_loopback(host) else ["*"]
    guards = [Middleware(Guarded, token=token), Middleware(TrustedHostMiddleware, allowed_hosts=names)]
    app = Starlette(routes=routes, middleware=guards, exception_handlers={404: pages.not_found})
    app.state.runs = runs
    app.state.token = token
    app.state.ending = ending
    return app


async def _alive(request: Request) -> PlainTextResponse:  # noqa: ARG001  an endpoint's signature
    return PlainTextResponse(str(os.getpid()))
