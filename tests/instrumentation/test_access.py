"""/metrics is for whoever has the token, in all its forms, and for nobody by accident."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.test import RequestFactory, override_settings
from prometheus_client.parser import text_string_to_metric_families

from loadlab.instrumentation.views import metrics
from loadlab.instrumentation.wrappers import asgi_with_metrics, wsgi_with_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Answered = tuple[int, dict[str, str], str]

TOKEN = "canary-token-41"

django.setup()


def by_view(authorization: str | None) -> Answered:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = metrics(RequestFactory().get("/metrics", headers=headers))
    return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content.decode()


def by_wsgi(authorization: str | None, path: str = "/metrics") -> Answered:
    started: list[Any] = []

    def project(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("204 Project", [])
        return [b"the project's own"]

    environ = {"PATH_INFO": path} | ({} if authorization is None else {"HTTP_AUTHORIZATION": authorization})
    body = b"".join(wsgi_with_metrics(project)(environ, lambda *given: started.extend(given)))
    status, headers = started
    return int(status.split()[0]), {name.lower(): value for name, value in headers}, body.decode()


def by_asgi(authorization: str | None, path: str = "/metrics") -> Answered:
    sent: list[dict[str, Any]] = []

    async def project(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"the project's own"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    scope = {"type": "http", "path": path, "headers": headers}
    asyncio.run(asgi_with_metrics(project)(scope, None, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"].decode()


each_form = pytest.mark.parametrize("ask", [by_view, by_wsgi, by_asgi])


@each_form
def test_without_a_word_in_the_settings_nobody_gets_the_metrics(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={}):
        status, _, body = ask("Bearer anything")
    assert status == 403
    assert "METRICS_TOKEN" in body
    assert "loadlab_metrics" in body
    assert "# HELP" not in body


@each_form
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer ü"])
def test_a_wrong_token_is_turned_away(ask: Callable[..., Answered], authorization: str | None) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        status, headers, body = ask(authorization)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in body
    assert "# HELP" not in body


@each_form
def test_the_right_token_gets_the_metrics(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        status, headers, body = ask(f"Bearer {TOKEN}")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert "loadlab_build_info" in {family.name for family in text_string_to_metric_families(body)}


@each_form
def test_open_metrics_need_no_token(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": True}):
        assert ask(None)[0] == 200


@each_form
def test_an_openness_of_the_wrong_type_opens_nothing(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": "no"}):
        assert ask(None)[0] == 403


@pytest.mark.parametrize("ask", [by_wsgi, by_asgi])
def test_every_other_path_is_the_projects_own(ask: Callable[..., Answered]) -> None:
    for path in ("/", "/metrics/", "/metrics/more"):
        assert ask(None, path)[::2] == (204, "the project's own")


def test_what_is_no_http_goes_to_the_project() -> None:
    seen: list[str] = []

    async def project(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        asyncio.run(asgi_with_metrics(project)({"type": kind, "path": "/metrics"}, None, None))
    assert seen == ["lifespan", "websocket"]
