"""/metrics needs the token, in all its forms, and is never open by accident."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.test import RequestFactory, override_settings
from every import every
from prometheus_client.parser import text_string_to_metric_families

from loadlab.instrumentation.views import connections, metrics
from loadlab.instrumentation.wrappers import asgi_with_metrics, wsgi_with_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    Answered = tuple[int, dict[str, str], str]

TOKEN = "canary-token-41"
METRICS = "/metrics"
CONNECTIONS = "/metrics/connections"
VIEWS: Any = {METRICS: metrics, CONNECTIONS: connections}
SECRET = ("# HELP", '"connections":', "open connection")  # what only those see that may

django.setup()


def latin(authorization: str) -> str:
    """A header as WSGI has it: one character for each byte that the client sent."""
    return authorization.encode(errors="surrogateescape").decode("latin-1")


def by_view(authorization: str | None, method: str = "GET", page: str = METRICS, accept: str = "*/*") -> Answered:
    headers = {"Accept": accept} | ({} if authorization is None else {"Authorization": latin(authorization)})
    answer = VIEWS[page.partition("?")[0]](RequestFactory().generic(method, page, headers=headers))
    return answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, answer.content.decode()


def by_wsgi(
    authorization: str | None, method: str = "GET", page: str = METRICS, accept: str = "*/*", **more: str
) -> Answered:
    started: list[Any] = []

    def project(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("204 Project", [])
        return [b"the project's own"]

    path, _, query = page.partition("?")
    asked = {"REQUEST_METHOD": method, "HTTP_ACCEPT": accept, "QUERY_STRING": query}
    environ = {"PATH_INFO": path, **asked, **more}
    environ |= {} if authorization is None else {"HTTP_AUTHORIZATION": latin(authorization)}
    body = b"".join(wsgi_with_metrics(project)(environ, lambda *given: started.extend(given)))
    status, headers = started
    return int(status.split()[0]), {name.lower(): value for name, value in headers}, body.decode()


def by_asgi(
    authorization: str | None, method: str = "GET", page: str = METRICS, accept: str = "*/*", **more: Any
) -> Answered:
    sent: list[dict[str, Any]] = []

    async def project(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b"the project's own"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path, _, query = page.partition("?")
    headers = [(b"accept", accept.encode())]
    if authorization is not None:
        headers.append((b"authorization", authorization.encode(errors="surrogateescape")))
    asked = {"method": method, "headers": headers, "query_string": query.encode()}
    scope = {"type": "http", "path": path, **asked, **more}
    asyncio.run(asgi_with_metrics(project)(scope, None, send))
    start, body = sent
    return start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, body["body"].decode()


each_form = pytest.mark.parametrize("ask", [by_view, by_wsgi, by_asgi])
each_page = every("page", [METRICS, CONNECTIONS, f"{CONNECTIONS}?format=text"])


def tells_nothing(body: str) -> bool:
    return not any(sign in body for sign in SECRET)


@each_form
@each_page
def test_without_a_setting_the_metrics_are_refused(ask: Callable[..., Answered], page: str) -> None:
    with override_settings(LOADLAB={}):
        status, _, body = ask("Bearer anything", page=page)
    assert status == 403
    assert "METRICS_TOKEN" in body
    assert "loadlab_metrics" in body
    assert tells_nothing(body)


@each_form
@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer ü"])
@each_page
def test_a_wrong_token_is_turned_away(ask: Callable[..., Answered], authorization: str | None, page: str) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        status, headers, body = ask(authorization, page=page)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert TOKEN not in body
    assert tells_nothing(body)


@each_form
def test_the_right_token_gets_the_metrics(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        status, headers, body = ask(f"Bearer {TOKEN}")
    assert status == 200
    assert headers["content-type"].startswith("text/plain; version=")
    assert "loadlab_build_info" in {family.name for family in text_string_to_metric_families(body)}


@each_form
def test_the_right_token_gets_the_listing_in_its_format(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        for accept in ("*/*", "application/json, text/plain, */*", "text/html,*/*;q=0.8", ""):
            status, headers, body = ask(f"Bearer {TOKEN}", page=CONNECTIONS, accept=accept)
            assert (status, headers["content-type"], json.loads(body)["version"]) == (200, "application/json", 1)
        for page, accept in ((CONNECTIONS, "text/plain"), (f"{CONNECTIONS}?format=text", "application/json")):
            status, headers, body = ask(f"Bearer {TOKEN}", page=page, accept=accept)
            assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
            assert "open connection" in body or "No connection" in body


@each_form
@each_page
def test_open_metrics_need_no_token(ask: Callable[..., Answered], page: str) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": True}):
        assert ask(None, page=page)[0] == 200


@each_form
def test_an_openness_of_the_wrong_type_opens_nothing(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": "no"}):
        assert ask(None)[0] == 403


@each_form
@pytest.mark.parametrize("token", ["tökén", "密码", "\udcff\udcfe", "of two words", "?"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_a_token_may_be_any_text_and_its_scheme_in_any_case(
    ask: Callable[..., Answered], token: str, scheme: str
) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": token}):
        assert ask(f"{scheme} {token}")[0] == 200
        assert ask(f"{scheme} {token}x")[0] == 401
        assert ask("Bearer \udcff")[0] == (200 if token == "\udcff" else 401)


@each_form
def test_an_empty_token_grants_no_access(ask: Callable[..., Answered]) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": ""}):
        assert {ask(sent)[0] for sent in (None, "", "Bearer", "Bearer ")} == {403}


@each_form
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@each_page
def test_metrics_can_only_be_read_and_strangers_are_not_told_so(
    ask: Callable[..., Answered], method: str, page: str
) -> None:
    with override_settings(LOADLAB={"METRICS_TOKEN": TOKEN}):
        assert ask(None, method, page)[0] == 401
        status, headers, body = ask(f"Bearer {TOKEN}", method, page)
    assert (status, headers["allow"]) == (405, "GET, HEAD")
    assert tells_nothing(body)


@every("ask", [by_wsgi, by_asgi])
@each_page
def test_head_is_told_the_length_and_sent_no_body(ask: Callable[..., Answered], page: str) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": True}):
        status, headers, body = ask(None, "HEAD", page)
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 0


@each_form
def test_a_folder_that_cannot_be_read_is_named_in_the_answer(
    ask: Callable[..., Answered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOADLAB_LEDGER_DIR", str(tmp_path / "file" / "ledgers"))
    with override_settings(LOADLAB={"METRICS_OPEN": True}):
        status, _, body = ask(None)
    assert status == 503
    assert str(tmp_path / "file") in body
    assert "LEDGER_DIR" in body


@every("path", ["/", "/metrics/", "/metrics/more", "/connections", "/metrics/connections/", "/metricsconnections"])
def test_every_other_path_is_the_projects_own(path: str) -> None:
    assert by_wsgi(None, PATH_INFO=path)[::2] == (204, "the project's own")
    assert by_asgi(None, path=path)[::2] == (204, "the project's own")


@every(
    ("path", "root_path", "status"),
    [
        ("/app/metrics", "/app", 200),  # as uvicorn has it
        ("/app/metrics", "/app/", 200),
        ("/app/metrics/connections", "/app", 200),
        ("/metrics", "/app", 200),  # as others have it
        ("/app/metrics", "", 204),
        ("/appmetrics", "/app", 204),
    ],
)
def test_a_prefix_that_the_server_mounts_the_project_at_is_left_out(path: str, root_path: str, status: int) -> None:
    with override_settings(LOADLAB={"METRICS_OPEN": True}):
        assert by_asgi(None, path=path, root_path=root_path)[0] == status


def test_other_protocols_than_http_go_to_the_project() -> None:
    seen: list[str] = []

    async def project(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    for kind in ("lifespan", "websocket"):
        asyncio.run(asgi_with_metrics(project)({"type": kind, "path": "/metrics"}, None, None))
    assert seen == ["lifespan", "websocket"]
