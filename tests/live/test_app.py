"""The live page over HTTP, from its own process: what it answers, to whom, and what it never does."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import pytest
from factories.made_runs import BEGAN, made_run
from patience import PATIENCE_SECONDS

from loadlab.errors import EnvironmentFaultError
from loadlab.live.hosting import hosted, started
from loadlab.system.ports import free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.process

TOKEN: Final = "canary-token-of-a-test"
ODD: Final = "a run & its ?name=#1"


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: str


def ask(url: str, path: str = "/", method: str = "GET", body: str = "", **headers: str) -> Answer:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    with closing(connection):
        connection.request(
            method, path, body=body or None, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(status=answer.status, headers=names, body=answer.read().decode())


@contextmanager
def stream(url: str, run: str, **headers: str) -> Iterator[Iterator[dict[str, Any]]]:
    """What a page hears, event by event."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
    with closing(connection):
        asked = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", f"/runs/{quote(run)}/events", headers=asked)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield heard(answer)


def heard(answer: http.client.HTTPResponse) -> Iterator[dict[str, Any]]:
    fields: dict[str, str] = {}
    for line in (raw.decode().rstrip("\n") for raw in answer):
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "event" in fields:
            yield {"event": fields["event"], "id": fields.get("id", ""), **json.loads(fields["data"])}
            fields = {}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that goes on, one with an odd name, a link to a run elsewhere, and a report that is a link."""
    folder = tmp_path_factory.mktemp("runs")
    made = made_run(folder / "going")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN)
    made.trial(1, at=BEGAN + 5, ended=False)
    made.folder.write_text("report.html", "<title>a report</title><script>1</script>")
    made.folder.write_text("report.json", '{"schema": 1}')
    secret = tmp_path_factory.mktemp("elsewhere")
    (secret / "secret").write_text("canary-of-a-file")
    (folder / "going" / "report.md").symlink_to(secret / "secret")
    made_run(folder / ODD)
    made_run(secret / "other")
    (folder / "linked").symlink_to(secret / "other")
    return folder


@pytest.fixture(scope="module")
def page(runs: Path) -> Iterator[str]:
    with hosted(runs, port=0, awaited="soon") as url:
        yield url


@pytest.fixture(scope="module")
def guarded(runs: Path) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PAGE_TOKEN", TOKEN)
        with hosted(runs, port=0, host="0.0.0.0", token="env:PAGE_TOKEN") as url:  # noqa: S104  what is tested
            yield url.replace("0.0.0.0", "127.0.0.1")  # noqa: S104


def test_every_page_is_served_under_a_policy_that_lets_nothing_in(page: str) -> None:
    for path in ("/", "/runs/going", "/beside/going/" + quote(ODD), "/nowhere", "/assets/run.js", "/runs.json"):
        answer = ask(page, path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';"), path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", answer.body) or path.endswith(".js")


def test_the_runs_of_the_folder_are_listed_and_none_from_elsewhere(page: str) -> None:
    listed = {run["name"]: run for run in json.loads(ask(page, "/runs.json").body)}
    assert set(listed) == {"going", ODD}
    assert (listed["going"]["done"], listed["going"]["total"], listed["going"]["state"]) == (1, 14, "running")
    assert (listed["going"]["modes"], listed["going"]["strategies"]) == (2, 3)


@pytest.mark.parametrize(
    "path",
    [
        "/runs/linked",
        "/runs/linked/events",
        "/runs/..",
        "/runs/%2e%2e/events",
        "/runs/..%2f..%2fetc/events",
        "/runs/going%2f..%2fgoing/events",
        "/runs/going/report.md",
        "/runs/going/plan.toml",
        "/runs/going/progress.jsonl",
        "/runs/going/..%2fgoing%2freport.html",
        "/runs/linked/report.html",
        "/runs/no-such-run",
        "/assets/..%2f..%2fapp.py",
        "/assets/../app.py",
        "/beside/going/linked",
    ],
)
def test_nothing_else_can_be_reached(page: str, path: str) -> None:
    answer = ask(page, path)
    assert answer.status == 404, answer.body
    assert "canary" not in answer.body


def test_a_run_with_an_odd_name_has_its_page(page: str) -> None:
    answer = ask(page, f"/runs/{quote(ODD, safe='')}")
    assert answer.status == 200
    assert "a run &amp; its ?name=#1" in answer.body


def test_a_report_is_kept_apart_from_the_pages_own_origin(page: str) -> None:
    answer = ask(page, "/runs/going/report.html")
    assert answer.status == 200
    assert answer.body.startswith("<title>a report")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts allow-downloads; default-src 'none';")
    assert "allow-same-origin" not in policy
    assert ask(page, "/runs/going/report.json").headers["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_nothing_can_be_written(page: str, method: str) -> None:
    assert ask(page, "/", method).status == 405
    assert ask(page, "/runs/going", method).status == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8013", ""])
def test_a_name_that_another_site_points_here_is_refused(page: str, host: str) -> None:
    assert ask(page, "/runs.json", host=host).status == 400
    assert ask(page, "/runs.json", host="localhost:1234").status == 200


def test_the_page_listens_on_loopback_alone(page: str) -> None:
    port = urlsplit(page).port
    with socket.socket() as another:
        another.bind(("127.0.0.2", port or 0))  # no program listens on every address


def test_a_page_hears_everything_and_then_only_what_is_new(page: str, runs: Path) -> None:
    with stream(page, "going") as events:
        first = [next(events) for _ in range(4)]
    assert {one["event"] for one in first} == {"overview", "points", "dashboard"}
    points = [one for one in first if one["event"] == "points"]
    assert [(one["of"], one["start"]) for one in points] == [("trial", 0), ("run", 0)]
    with stream(page, "going", last_event_id=first[-1]["id"]) as events:
        (runs / "going" / "trials" / "0009.json").touch()
        after = next(events)
    assert (after["event"], after["done"]) == ("overview", 2)
    (runs / "going" / "trials" / "0009.json").unlink()


@pytest.mark.parametrize("said", ["", "nonsense", "[]", '{"run":1}', '{"shown":{"trial":{"rows":-1}}}', "\u00e9" * 20])
def test_a_page_that_says_nonsense_hears_everything(page: str, said: str) -> None:
    with stream(page, "going", last_event_id=said.encode().decode("latin-1")) as events:
        assert {next(events)["event"] for _ in range(3)} >= {"overview", "points"}


def test_a_run_that_is_about_to_begin_is_waited_for(page: str, runs: Path) -> None:
    assert ask(page, "/runs/soon").status == 200
    with stream(page, "soon") as events:
        assert next(events)["state"] == "awaited"
        made = made_run(runs / "soon")
        made.begins(at=BEGAN)
        while (event := next(events)).get("state") != "preparing":
            assert event["event"] in {"overview", "dashboard"}
    made.folder.discard()


def test_a_run_that_cannot_be_read_says_so_and_assets_are_kept(page: str, runs: Path) -> None:
    made = made_run(runs / "damaged")
    made.folder.write_text("schedule.json", "{}")
    with stream(page, "damaged") as events:
        assert next(events)["state"] == "unreadable"
    made.folder.discard()
    first = ask(page, "/assets/echarts.min.js")
    assert first.headers["cache-control"] == "no-cache"
    assert ask(page, "/assets/echarts.min.js", if_none_match=first.headers["etag"]).status == 304


def test_open_pages_are_told_when_the_process_ends(tmp_path: Path) -> None:
    made = made_run(tmp_path / "run")
    made.begins(at=BEGAN)
    made.trial(0, at=BEGAN)
    with hosted(tmp_path, port=0) as url:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/runs/run/events")
        events = heard(connection.getresponse())
        assert next(events)["state"] == "running"
        made.ends(at=BEGAN + 9)
    rest = list(events)
    connection.close()
    assert rest[-1]["event"] == "farewell"
    assert [one["state"] for one in rest if one["event"] == "overview"][-1] == "complete"
    assert any(one["event"] == "dashboard" for one in rest)


def test_without_the_token_nothing_is_shown(guarded: str) -> None:
    for path in (
        "/runs.json",
        "/runs/going",
        "/runs/going/events",
        "/runs/going/report.html",
        "/discovery",
        "/nowhere",
    ):
        answer = ask(guarded, path)
        assert answer.status == 401, path
        assert "going" not in answer.body
        wrong = ask(guarded, path, authorization=f"Bearer {TOKEN}x", cookie=f"loadlab_live={TOKEN}")
        assert wrong.status == 401, path
    assert ask(guarded, "/", accept="text/html").headers["location"] == "/login"


def test_the_token_grants_access_under_any_host_name(guarded: str) -> None:
    right = {"authorization": f"Bearer {TOKEN}", "host": "lab.example:8013"}
    assert ask(guarded, "/runs.json", **right).status == 200


def test_a_browser_logs_in_by_a_form_and_keeps_no_token(guarded: str) -> None:
    form = ask(guarded, "/login")
    assert 'type="password"' in form.body
    refused = ask(guarded, "/login", "POST", urlencode({"token": "guess"}))
    assert refused.status == 403
    assert "That is not the token." in refused.body
    accepted = ask(guarded, "/login", "POST", urlencode({"token": TOKEN}))
    assert (accepted.status, accepted.headers["location"]) == (303, "/")
    cookie = accepted.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert TOKEN not in cookie
    (morsel,) = SimpleCookie(cookie).values()
    assert ask(guarded, "/runs.json", cookie=f"{morsel.key}={morsel.value}").status == 200
    assert ask(guarded, "/login", "POST", "token=" + "x" * 10_000).status == 403


def test_without_a_token_there_is_nothing_to_log_in_to(page: str) -> None:
    assert ask(page, "/login").headers["location"] == "/"
    assert ask(page, "/login", "POST", "token=x").status == 405


def test_the_token_is_in_no_command_line_and_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_TOKEN", TOKEN)
    with (
        Register.opened() as register,
        started(register, tmp_path, port=0, awaited="", host="127.0.0.1", token="env:PAGE_TOKEN") as it,
    ):
        ask(it.url, "/runs.json", authorization=f"Bearer {TOKEN}")
        with open(f"/proc/{it.program.pid}/cmdline", "rb") as file:  # noqa: PTH123  no path of a project
            assert TOKEN.encode() not in file.read()
        assert TOKEN not in it.program.log_tail(10_000)


def test_a_port_that_is_taken_is_named_and_the_usual_one_gives_way(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(EnvironmentFaultError, match=rf"Port {port} cannot be used.*pid {os.getpid()}"),
            hosted(tmp_path, port=port),
        ):
            pass
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("loadlab.live.hosting.LIVE_PORT", port)
            with hosted(tmp_path) as url:
                assert ask(url, "/").status == 200
                assert not url.endswith(f":{port}")


def test_a_port_that_somebody_else_was_faster_to_take_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        taken = stranger.getsockname()[1]
        monkeypatch.setattr("loadlab.live.hosting._port", lambda _: taken)
        monkeypatch.setattr("loadlab.live.hosting.ANSWER_SECONDS", 0.2)  # the stranger says nothing
        with hosted(tmp_path) as url:
            assert urlsplit(url).port != taken
            assert ask(url).status == 200
