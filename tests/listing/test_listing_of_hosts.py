"""Listings of other hosts over HTTP, and of folders: each fault is told with the next step."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from threading import Barrier
from typing import TYPE_CHECKING

import pytest
from answering import answering
from every import every
from factories.listings import connections, listing
from patience import PATIENCE_SECONDS

import loadlab.cli
from loadlab.cli._hosts import AskedHosts
from loadlab.instrumentation.ledger import Ledger
from loadlab.listing.documents import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from command_line import CommandLine

TOKEN = "canary-token-81"


@contextmanager
def host(*answers: tuple[int, str], asked: list[str] | None = None) -> Iterator[str]:
    """An address that gives these answers one after the other, and the last one from then on."""
    left = list(answers)

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, str]:
        if asked is not None:
            asked.append(f"{request.path} {request.headers['Authorization']}")
        return left.pop(0) if len(left) > 1 else left[0]

    with answering(answer) as url:
        yield url


def test_hosts_are_listed_together_and_each_is_sent_the_token(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    asked: list[str] = []
    text = as_json(listing(connections(3), asked=False))
    with host((200, text), asked=asked) as one, host((200, text)) as two:
        options = ["--metrics", one, "--metrics", f"{two}/", "--token", "env:SHOP_TOKEN", "--json"]
        assert loadlab.cli.main(["connections", *options]) == 0
    document = json.loads(capsys.readouterr().out)
    hosts = [connection["host"] for connection in document["connections"]]
    assert sorted(hosts) == sorted(3 * [one[7:-8]] + 3 * [two[7:-8]])
    assert asked == [f"/metrics/connections Bearer {TOKEN}"]
    assert [cause["connections"] for cause in document["causes"]] == [6]


def test_a_silent_host_hides_none_of_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    with host((200, as_json(listing(connections(3), asked=False)))) as one, host((503, "")) as two:
        known = ["connections", "--metrics", one, "--metrics", two]
        assert loadlab.cli.main(known) == 3
        table = capsys.readouterr()
        assert loadlab.cli.main([*known, "--json"]) == 3
    document, name = json.loads(capsys.readouterr().out), two[7:-8]
    assert table.err == f"loadlab: 1 host gave no listing: {name}. Its connections are not listed.\n"
    for said in (table.out, document["notes"][0]):
        assert f"Not listed: {two}/connections answers 503 Service Unavailable" in said
    assert "dead thread: leaked: 3" in table.out
    assert (len(document["connections"]), document["silent"]) == (3, [name])


def test_if_no_host_answers_each_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with host((503, "")) as one, host((401, "")) as two:
        assert loadlab.cli.main(["connections", "--metrics", one, "--metrics", two]) == 3
    said = capsys.readouterr()
    first, second = said.err.splitlines()
    assert first.startswith(f"loadlab: {one}/connections answers 503")
    assert second.startswith(f"{two}/connections answers 401")
    assert said.out == ""


def test_all_hosts_are_asked_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    text, both_asked = as_json(listing(connections(1), asked=False)), Barrier(2)

    def answer(_: BaseHTTPRequestHandler) -> tuple[int, str]:
        both_asked.wait(PATIENCE_SECONDS)
        return 200, text

    with answering(answer) as one, answering(answer) as two:
        assert loadlab.cli.main(["connections", "--metrics", one, "--metrics", two, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["connections"]) == 2


def test_a_silent_host_is_not_asked_again_for_the_same_listing() -> None:
    asked: list[str] = []
    with host((200, as_json(listing(connections(1))))) as one, host((503, ""), asked=asked) as two:
        hosts = AskedHosts([one, two], None)
        assert hosts.read().silent == hosts.read().silent == (two[7:-8],)
    assert len(asked) == 1


@pytest.mark.process
def test_a_watch_lists_a_host_again_once_it_answers(loadlab: CommandLine) -> None:
    text = as_json(listing(connections(1), asked=False))
    with host((200, text)) as one, host((503, ""), (200, text)) as two:
        known = ("--metrics", one, "--metrics", two)
        with loadlab.started("connections", *known, "--watch", "--every", "0.1", "--json") as watching:
            watching.wait_until(lambda: watching.stdout.read_text().count("\n") >= 2)
            watching.popen.send_signal(signal.SIGINT)
            outcome = watching.outcome()
    assert (outcome.code, outcome.stderr) == (0, "")
    first, second = (json.loads(line) for line in outcome.stdout.splitlines()[:2])
    assert (len(first["connections"]), first["silent"]) == (1, [two[7:-8]])
    assert (len(second["connections"]), second.get("silent")) == (2, None)


@every(
    ("answer", "complaint"),
    [
        ((404, ""), "/metrics/connections does not exist. Give the address of the metrics."),
        ((401, ""), "answers 401 Unauthorized; give the token of LOADLAB['METRICS_TOKEN'] with --token env:NAME"),
        ((403, ""), "the project has no LOADLAB['METRICS_TOKEN'] yet"),
        ((200, "# HELP"), "answers, but not with open connections: Expecting value"),
        ((200, '{"version": 2, "connections": []}'), "it is of version 2, and this loadlab reads 1"),
    ],
)
def test_a_host_without_a_listing_is_told_with_the_next_step(
    answer: tuple[int, str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with host(answer) as url:
        assert loadlab.cli.main(["connections", "--metrics", url]) == 3
    said = capsys.readouterr().err
    assert complaint in said
    assert f"loadlab: {url}" in said


@every(
    ("options", "complaint"),
    [
        ([], "Name the project with --metrics URL, or its ledgers with --ledgers DIR: one of the two."),
        (["--metrics", "http://127.0.0.1/metrics", "--ledgers", "."], "one of the two"),
        (["--metrics", "http://127.0.0.1/metrics", "--watch", "--every", "0"], "--every must be more than 0"),
        (["--metrics", "http://192.0.2.1/metrics"], "Add --allow-remote"),
        (["--metrics", "http://127.0.0.1/metrics", "--token", TOKEN], "Use --token env:NAME."),
        (["--metrics", "http://127.0.0.1/metrics", "--dsn", f"password={TOKEN}"], "use --dsn env:NAME"),
        (["--ledgers", "/nonesuch"], "/nonesuch does not exist. Name the folder of LOADLAB['LEDGER_DIR']."),
        (["--ledgers", "/etc/hosts"], "/etc/hosts is not a folder."),
        (["--ledgers", "/etc"], "/etc holds no ledgers."),
    ],
)
def test_a_wrong_use_is_told_with_the_next_step(
    options: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert loadlab.cli.main(["connections", *options]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert TOKEN not in said


def test_the_ledgers_of_a_folder_are_listed(ledgers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ledger = Ledger(ledgers)
    row = ledger.connecting("default")
    row.opened()
    row.held(77, (88, ledger.thread("evil\n\x1b[2J")), ledger.unit(0, "shop/\n\x1b[31m<int:pk>/"))
    row.used(unit=ledger.unit(0, "cart/"))
    assert loadlab.cli.main(["connections", "--ledgers", str(ledgers)]) == 0
    text = capsys.readouterr().out
    assert "shop/ �[31m<int:pk>/" in text
    assert all(line.isprintable() for line in text.split("\n"))
    assert "evil �[2J" in text
