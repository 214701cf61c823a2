"""The project for ASGI servers, with responses to the lab's own requests."""

from __future__ import annotations

from typing import Any

from django.utils.module_loading import import_string

from loadlab.settings_override.application import OVERRIDE, loaded
from loadlab.settings_override.configuration import TOKEN_HEADER
from loadlab.settings_override.control_requests import respond

_TOKEN = TOKEN_HEADER.lower().encode()
_project = loaded(OVERRIDE.asgi, "django.core.asgi.get_asgi_application")
if OVERRIDE.asgi_wrapper:
    _project = import_string(OVERRIDE.asgi_wrapper.replace(":", "."))(_project)


async def application(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401  ASGI's own shapes
    ours = respond(scope.get("path", ""), dict(scope.get("headers", ())).get(_TOKEN, b""))
    if ours is None:
        await _project(scope, receive, send)
        return
    headers = [(b"content-type", b"text/plain")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ours})
