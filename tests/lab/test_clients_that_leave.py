"""A client that leaves in the middle of a stream: whether the generator ends then, or queries on to its end."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from laboratory import sessions_counted
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.counters import counts_of
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.clients import answer
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.servers.uvicorn_wsgi import THREADS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

WHOLE: Final = "?parts=30&seconds=0.05"
STREAM: Final = f"/stream/entries/7/{WHOLE}"
ASYNC_STREAM: Final = f"/async/entries/7/stream/{WHOLE}"


def target(lab: Lab, folder: Path, name: str) -> ServerSetup:
    return ServerSetup(
        server=config_of(SERVERS, name, {}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )


def leave(application: ServedApplication, path: str) -> None:
    """Read until the first part of the stream is there, and hang up."""
    with closing(socket.create_connection(("127.0.0.1", application.port), timeout=PATIENCE_SECONDS)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        seen = b""
        while b'"title"' not in seen:
            more = client.recv(65536)
            assert more, seen
            seen += more


def transactions(lab: Lab) -> int:
    """Of the target, once it has no connection any more: at age 0, a request has one as long as it lasts."""
    sessions_counted(lab)
    lab.cursor.execute("SELECT xact_commit FROM pg_stat_database WHERE datname = %s", [lab.database.name])
    (count,) = lab.cursor.fetchone() or (0,)
    return int(count)


def queries(lab: Lab, folder: Path, name: str, path: str) -> tuple[int, int]:
    """How many queries the stream makes for a client that reads it all, and for one that leaves."""
    with serving(target(lab, folder, name), lab.register, folder / "log") as application:
        before = transactions(lab)
        assert answer(application.port, path)
        whole = transactions(lab)
        leave(application, path)
        return whole - before, transactions(lab) - whole


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("asgi", ASYNC_STREAM),
        pytest.param("daphne", ASYNC_STREAM, marks=pytest.mark.slow),
        pytest.param("gunicorn_asgi", ASYNC_STREAM, marks=pytest.mark.slow),
        pytest.param("hypercorn", ASYNC_STREAM, marks=pytest.mark.slow),
        pytest.param("uvicorn_worker", ASYNC_STREAM, marks=pytest.mark.slow),
        pytest.param("gthread", STREAM, marks=pytest.mark.slow),
        pytest.param("sync", STREAM, marks=pytest.mark.slow),
    ],
)
def test_a_stream_ends_with_its_client(lab: Lab, tmp_path: Path, name: str, path: str) -> None:
    whole, left = queries(lab, tmp_path, name, path)
    assert whole >= 60
    assert left < whole


def test_hypercorn_s_wsgi_streams_on_without_its_client(lab: Lab, tmp_path: Path) -> None:
    whole, left = queries(lab, tmp_path, "hypercorn_wsgi", STREAM)
    assert whole == left >= 60


def test_uvicorn_s_wsgi_keeps_connections_of_age_zero_for_the_next_request(lab: Lab, tmp_path: Path) -> None:
    """It closes no response, so Django never hears that a request has ended; uvicorn/middleware/wsgi.py of 0.54.0."""
    before = sessions_counted(lab)
    with serving(target(lab, tmp_path, "uvicorn_wsgi"), lab.register, tmp_path / "log") as application:
        for asked in range(1, THREADS + 3):  # a thread that is not yet idle is not asked again
            assert answer(application.port, "/entries/7/")
            counts = counts_of(application.ledgers, ["default"])
            assert (counts.opened, counts.closed_in_all) == (asked, asked - counts.open)
            assert 1 <= counts.open <= min(asked, THREADS)
    assert sessions_counted(lab) - before == THREADS + 2
