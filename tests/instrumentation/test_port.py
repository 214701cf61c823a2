"""A worker serves the metrics on a port that its environment names, and hands it on when it ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import urllib.request
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import pytest
from django.test import override_settings
from every import every
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation import port
from loadlab.instrumentation.configuration import PORT_VARIABLE, configuration, faults
from loadlab.instrumentation.port import serve_where_told
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from task_project import TaskProject

PROGRAM: Final = """
import django, os, signal, sys
django.setup()
import work
work.query()
if "forks" in sys.argv and not os.fork():
    signal.pause()
signal.pause()
"""
NUMBER: Final = 'loadlab_db_role_connections_opened_total{alias="default",role="other"}'


@contextmanager
def worker(project: TaskProject, port: int, *arguments: str) -> Iterator[int]:
    with project.worker("program.py", *arguments, ends_by=signal.SIGKILL, **{PORT_VARIABLE: str(port)}) as process:
        yield process.pid


def opened(port: int) -> float:
    with (
        suppress(OSError),
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_SECONDS) as answer,
    ):
        lines = answer.read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(NUMBER)), 0.0)
    return -1.0


@pytest.mark.process
def test_a_worker_serves_all_metrics_and_another_takes_over_when_it_ends(project: TaskProject) -> None:
    project.write("program.py", PROGRAM)
    port = free_port()
    with worker(project, port, "forks") as first:
        await_that(lambda: opened(port) == 1, project.told)
        with worker(project, port):
            await_that(lambda: opened(port) == 2, project.told)
            os.kill(first, signal.SIGKILL)  # its child lives on, and must not keep the port
            await_that(lambda: opened(port) == 2, project.told)


@every(("path", "sign"), [("/metrics", "# HELP"), ("/metrics/connections", '{"version":1')])
def test_on_loopback_all_pages_are_open_and_nothing_else_is_there(path: str, sign: str) -> None:
    statuses: list[str] = []

    def answer(where: str) -> str:
        environ = {"PATH_INFO": where, "REQUEST_METHOD": "GET"}
        return b"".join(port._unguarded(environ, lambda status, _: statuses.append(status))).decode()

    assert answer(path).startswith(sign)
    assert "the open connections at /metrics/connections" in answer(f"{path}/")
    assert statuses == ["200 OK", "404 Not Found"]


def test_an_address_that_is_not_this_machines_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) > 1:
            raise StopIteration

    monkeypatch.setattr(port.time, "sleep", wait)
    with caplog.at_level(logging.INFO, "loadlab"), pytest.raises(StopIteration):
        port._serve("192.0.2.1", free_port())
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]
    assert PORT_VARIABLE in caplog.text


@every("argv", [["/venv/bin/gunicorn", "site.wsgi"], ["manage.py", "runserver"], ["manage.py", "loadlab_metrics"]])
def test_a_web_server_and_the_command_open_no_port_of_a_worker(
    argv: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PORT_VARIABLE, str(free_port()))
    monkeypatch.setattr(sys, "argv", argv)
    before = threading.active_count()
    serve_where_told()
    assert threading.active_count() == before


@every(
    ("text", "address"),
    [("9183", ("127.0.0.1", 9183)), ("localhost:9183", ("localhost", 9183)), ("[::1]:9183", ("::1", 9183))],
)
def test_a_port_is_one_on_loopback_unless_an_address_is_named(
    text: str, address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PORT_VARIABLE, text)
    assert (configuration().metrics_port, list(faults())) == (address, [])


@every(
    ("text", "message"),
    [
        ("http", "should be a port"),
        ("0", "should be a port"),
        ("65536", "should be a port"),
        ("9" * 5000, "should be a port"),
        ("000918355", "should be a port"),
        ("127.0.0.1:", "should be a port"),
        ("0.0.0.0:9183", "anybody could read"),
        ("[::]:9183", "anybody could read"),
        (":9183:", "should be a port"),
    ],
)
def test_a_port_that_is_wrong_is_named_and_serves_nothing(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PORT_VARIABLE, text)
    with override_settings(LOADLAB={}):
        (fault,) = faults()
        assert PORT_VARIABLE in fault
        assert message in fault
        assert configuration().metrics_port is None


def test_another_address_than_loopback_needs_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PORT_VARIABLE, "0.0.0.0:9183")
    with override_settings(LOADLAB={"METRICS_TOKEN": "canary"}):
        assert (configuration().metrics_port, list(faults())) == (("0.0.0.0", 9183), [])  # noqa: S104
