"""The live page beside a real run: there before it begins, with it as it goes on, and gone with it."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from browser import Tab, size
from command_line import SMALL_PLAN, Started, trials_in
from patience import PATIENCE_SECONDS

from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from command_line import CommandLine, InProcess
    from selenium.webdriver.chrome.webdriver import WebDriver


def address(command: Started, label: str = "Live: ") -> str:
    """Where the page is, once the command has said so."""
    said = command.stderr if label else command.stdout

    def found() -> list[str]:
        whole = said.read_text().rpartition("\n")[0].splitlines()
        return [line.removeprefix(label) for line in whole if line.startswith(label)]

    command.wait_until(lambda: bool(found()))
    return found()[0].split()[0]


def test_a_browser_follows_a_run_to_its_verdict_and_shows_it_again(
    loadlab: CommandLine, browser: WebDriver, tmp_path: Path
) -> None:
    plan, run = tmp_path / "plan.toml", tmp_path / "runs" / "followed"
    plan.write_text(SMALL_PLAN.format(blocks=2).replace("window_seconds = 0.4", "window_seconds = 0.8"))
    size(browser, 1280)
    tab = Tab(browser)

    def counted() -> int:
        return int((tab.find("[role=progressbar]").get_attribute("aria-valuenow")) or 0)

    with loadlab.started("run", plan, "--out", run, "--live") as command:
        url = address(command)
        assert url.endswith("/runs/followed")
        browser.get(url)
        tab.wait(lambda: tab.find("[data-field=state]").text == "running")
        tab.wait(lambda: 0 < counted() < 6)
        tab.wait(lambda: tab.all(".card .recommendation"))
        assert command.popen.poll() is None
        tab.drawn(tab.find("[data-plot=requests]"))
        outcome = command.outcome()
        assert outcome.code == 0, outcome.stderr
        tab.wait(lambda: counted() == 6)
        assert tab.find("[data-field=state]").text == "complete"
        tab.wait(lambda: "loadlab live shows the run again" in tab.find("[data-field=message]").text)
        assert len(tab.all(".matrix tbody td b")) == 2
        assert "report.html" in tab.find("[data-field=reports]").text
    assert loadlab.commands() == []
    with loadlab.started("live", run.parent) as command:
        browser.get(f"{address(command, '')}/runs/followed")
        tab.wait(lambda: counted() == 6 and tab.all(".card .recommendation"))
        tab.find("[data-field=reports] a").click()
        tab.wait(lambda: "How long should Django keep" in browser.title)
        command.popen.send_signal(signal.SIGINT)
        assert command.outcome().code == 130
    assert loadlab.commands() == []


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stopped_run_keeps_its_trials_and_leaves_no_page_behind(
    loadlab: CommandLine, tmp_path: Path, number: signal.Signals
) -> None:
    plan, run, port = tmp_path / "plan.toml", tmp_path / "run", free_port()
    plan.write_text(SMALL_PLAN.format(blocks=6))
    with loadlab.started("run", plan, "--out", run, "--live", port) as command:
        url = address(command)
        with urllib.request.urlopen(f"{url}/events", timeout=PATIENCE_SECONDS) as events:  # noqa: S310  our own process
            command.wait_until(lambda: bool(trials_in(run)))
            kept = trials_in(run)
            command.popen.send_signal(number)
            outcome = command.outcome()
            with suppress(OSError):
                assert b"event: farewell" in events.read()
    assert outcome.code == 128 + number
    assert outcome.stderr.splitlines()[-2:] == [
        f"loadlab: Stopped by {number.name}.",
        f"Continue with: {shlex.join(['loadlab', 'run', '--resume', str(run), '--live', str(port)])}",
    ]
    assert kept.items() <= trials_in(run).items()
    report = json.loads((run / "report.json").read_text())
    assert (report["run"]["state"], len(report["trials"])) == ("incomplete", len(trials_in(run)))
    assert all(trial["connections"]["exact"] for trial in report["trials"])
    assert loadlab.commands() == []


@pytest.mark.slow
def test_a_lab_that_is_killed_takes_its_page_with_it_at_the_next_start(loadlab: CommandLine, tmp_path: Path) -> None:
    with loadlab.started("live", tmp_path) as command:
        address(command, "")
        os.kill(command.popen.pid, signal.SIGKILL)
        command.popen.wait()
        assert loadlab.commands()
    with loadlab.started("live", tmp_path) as command:
        address(command, "")
        assert len(loadlab.commands()) == 2  # the command and its page
        command.popen.send_signal(signal.SIGTERM)
        assert command.outcome().code == 143
    assert loadlab.commands() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "Add --token env:NAME"),  # noqa: S104  what is refused
        (["--token", "secret"], "would show in the process list"),
        (["--token", "env:NOT_SET"], "NOT_SET is not set"),
        (["--port", "70000"], "should be a number from 0 to 65535"),
        (["nowhere"], "nowhere is not a folder"),
    ],
)
def test_what_would_be_unsafe_or_cannot_be_is_refused(here: InProcess, arguments: list[str], words: str) -> None:
    refused = here("live", *arguments)
    assert refused.code == 2
    assert words in refused.stderr
    assert "secret" not in refused.stderr


def test_a_plan_behind_the_option_is_not_taken_for_a_port(here: InProcess) -> None:
    refused = here("run", "--live", "plan.toml")
    assert refused.code == 2
    assert "a PLAN goes before this option" in refused.stderr


def test_a_port_that_is_taken_stops_a_run_before_it_begins(here: InProcess, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = here("run", "--out", tmp_path / "run", "--live", taken.getsockname()[1])
    assert refused.code == 3
    assert "cannot be used" in refused.stderr
    assert not (tmp_path / "run").exists()
