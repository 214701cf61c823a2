"""Listings of other hosts over HTTP, and of folders: each fault is told with the next step."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from answering import answering
from every import every
from factories.listings import connections, listing

import loadlab.cli
from loadlab.instrumentation.ledger import Ledger
from loadlab.listing.documents import as_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    import pytest

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
