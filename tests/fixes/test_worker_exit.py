"""Whether the counts and PostgreSQL are told when a worker ends, in each way to end one."""

from __future__ import annotations

from typing import Any

import pytest
from patience import await_that

from loadlab.model.metrics import CloseReason


@pytest.mark.parametrize(
    "server", ["gthread", "gevent", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sync", "threaded"))]
)
def test_a_worker_that_ends_closes_the_connections_of_all_threads(serve: Any, server: str) -> None:
    with serve("worker_exit_hook", server) as served:
        served.load()
        left = served.counted()["open"]
    assert left > 0
    assert served.totals().closed[CloseReason.EXPLICIT] == served.totals().opened
    assert serve.abandoned == 0


@pytest.mark.parametrize("server", ["gthread", pytest.param("sync", marks=pytest.mark.slow)])
def test_without_the_hook_connections_end_by_process_exit(serve: Any, server: str) -> None:
    with serve("max_age", server) as served:
        served.load()
        left = served.counted()["open"]
    assert served.totals().closed[CloseReason.PROCESS_EXIT] == left > 0


def test_a_worker_that_ends_by_max_requests_closes_its_connections(serve: Any) -> None:
    restarting = {"GUNICORN_CMD_ARGS": "--max-requests 10"}
    with serve("worker_exit_hook", "sync", workers={"workers": 1}, environment=restarting) as served:
        served.load(clients=2)
        await_that(lambda: served.counted()["explicit"] >= 2, "no worker has closed its connection as it ended")
    assert served.totals().closed[CloseReason.PROCESS_EXIT] == 0
    assert serve.abandoned == 0


def test_a_killed_worker_abandons_its_sessions_under_every_fix(serve: Any) -> None:
    with serve("worker_exit_hook", "sync", workers={"workers": 1}) as served:
        served.load(clients=2)
        served.application.program.kill()
    assert served.totals().closed[CloseReason.PROCESS_EXIT] == 1
    assert serve.abandoned == 1


@pytest.mark.parametrize(("asgi", "told"), [("closing_site:application", True), ("", False)])
def test_uvicorn_that_is_terminated_tells_by_lifespan_and_by_nothing_else(
    serve: Any,
    asgi: str,
    told: bool,  # noqa: FBT001
) -> None:
    with serve("worker_exit_hook", "asgi", asgi=asgi, lifespan=told, terminate=True) as served:
        served.load(clients=2)
        left = served.counted()["open"]
    assert left > 0
    assert serve.abandoned == (0 if told else left)
