"""The project for WSGI servers, with an answer to the lab's question whether it is ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.overlay.application import OVERLAY, loaded
from loadlab.overlay.configuration import READY_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_project = loaded(OVERLAY.wsgi, "django.core.wsgi.get_wsgi_application")


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    if environ["PATH_INFO"] != READY_PATH:
        return _project(environ, start_response)  # type: ignore[no-any-return]
    token = OVERLAY.token.encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(token)))])
    return [token]
