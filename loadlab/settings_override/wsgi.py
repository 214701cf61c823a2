"""The project for WSGI servers, with responses to the lab's own requests."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from loadlab.settings_override.application import OVERRIDE, loaded
from loadlab.settings_override.configuration import TOKEN_HEADER
from loadlab.settings_override.control_requests import respond
from loadlab.settings_override.cooperative import cooperate
from loadlab.settings_override.with_uwsgi import count_workers_at_once

if TYPE_CHECKING:
    from collections.abc import Iterable
    from wsgiref.types import StartResponse, WSGIEnvironment

_TOKEN = f"HTTP_{TOKEN_HEADER.upper().replace('-', '_')}"
_in_uwsgi = "uwsgi" in sys.modules
if _in_uwsgi:
    cooperate()  # there is no hook for it, as gunicorn has; Python is patched by now
_project = loaded(OVERRIDE.wsgi, "django.core.wsgi.get_wsgi_application")
if _in_uwsgi and OVERRIDE.instrumented:
    count_workers_at_once()


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    # WSGI passes all headers as Latin-1.
    ours = respond(environ["PATH_INFO"], environ.get(_TOKEN, "").encode("latin-1", "replace"))
    if ours is None:
        return _project(environ, start_response)  # type: ignore[no-any-return]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(ours)))])
    return [ours]
