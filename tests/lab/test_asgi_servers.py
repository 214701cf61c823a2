"""ASGI servers, and WSGI in an event loop: what they can use, what async views count as, and what recycling costs."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pytest
from laboratory import sessions_counted
from modes import installed, working
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.clients import answer
from loadlab.model.causes import Cause
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS
from loadlab.store.layout import trial_log
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from laboratory import TrialRunner

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config

ROUNDS: Final = 150  # of all clients, at most
CLIENTS: Final = 24  # more than any pool here has threads
SLOW: Final = "/slow/?seconds=0.1"
STREAM: Final = "/stream/entries/7/"
ASYNC: Final = (
    "/async/entries/7/",
    "/async/entries/7/gather/",
    "/async/entries/7/stream/",
    "/async/insensitive/?seconds=0.01",
    "/async/gather/?seconds=0.01",
)
RECYCLED: Final = 15  # requests of a worker


def of_modes(*names: str) -> list[Any]:
    """Of these modes: the usual one always, the others in the slow lane, if they are installed."""
    return [one for one in installed(others_are_slow=True) if one.values[0] in names]


ASGI: Final = tuple(name for name in SERVERS if SERVERS[name].asgi)
POOLS: Final = ("hypercorn_wsgi", "uvicorn_wsgi")


def target(lab: Lab, folder: Path, server: Config, age: float | None = 60) -> ServerSetup:
    return ServerSetup(
        server=server,
        strategy=config_of(STRATEGIES, "max_age", {"max_age": age}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )


def ask(application: ServedApplication, path: str, clients: int = CLIENTS) -> int:
    """Have so many clients ask once, all at once; returns how many were answered."""
    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(answer, application.port, path) for _ in range(clients)]
        return sum(one.result() is not None for one in asked)


def counted(application: ServedApplication) -> Totals:
    return CounterSet(application.ledgers).read().aliases["default"]


def agree(lab: Lab, application: ServedApplication) -> bool:
    return counted(application).open == lab.judge.open_now()


def used(totals: Totals) -> int:
    return totals.requests_opened + totals.requests_reused


@pytest.mark.parametrize("name", of_modes(*ASGI))
@pytest.mark.parametrize("age", [0, 60])
def test_async_views_and_streams_count_once_in_every_asgi_mode(lab: Lab, tmp_path: Path, name: str, age: float) -> None:
    before = sessions_counted(lab)
    with serving(target(lab, tmp_path, working(name), age), lab.register, tmp_path / "log") as application:
        for path in (STREAM, *ASYNC):
            assert ask(application, path, 6) == 6, path
        await_that(partial(agree, lab, application))
    totals = counted(application)
    assert totals.opened == sessions_counted(lab) - before == sum(totals.closed.values())
    assert used(totals) == RequestTotals(application.ledgers).read().requests == 6 * (1 + len(ASYNC))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sync", "gthread"])
@pytest.mark.parametrize("age", [0, 60])
def test_async_views_and_streams_count_once_under_wsgi(lab: Lab, tmp_path: Path, name: str, age: float) -> None:
    test_async_views_and_streams_count_once_in_every_asgi_mode(lab, tmp_path, name, age)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_modes(*ASGI, *POOLS, "tornado"))
def test_a_mode_uses_as_many_connections_as_it_says_and_no_more(lab: Lab, tmp_path: Path, name: str) -> None:
    server = build_server(working(name))
    lasting = server.lasting_connections(CLIENTS, keep_alive=False)
    with serving(target(lab, tmp_path, working(name)), lab.register, tmp_path / "log") as application:
        answered = ask(application, SLOW)
        for _ in range(ROUNDS):  # the kernel decides which worker gets a client
            if counted(application).opened >= lasting:
                break
            answered += ask(application, SLOW)
        answered += ask(application, SLOW)
        assert counted(application).opened == (lasting or answered)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", of_modes("sync", "gunicorn_asgi", "asgi", "hypercorn", "hypercorn_wsgi", "uvicorn_worker")
)
def test_only_gunicorn_s_own_workers_lose_no_request_when_recycled(lab: Lab, tmp_path: Path, name: str) -> None:
    recycling = config_of(STRATEGIES, "recycle_workers", {"max_requests": RECYCLED}, "strategy")
    choice = config_of(SERVERS, name, {"workers": 2}, "server")
    loses = name not in {"sync", "gunicorn_asgi"}
    before, answered, lost = sessions_counted(lab), 0, 0
    setup = replace(target(lab, tmp_path, choice), strategy=recycling)
    with serving(setup, lab.register, tmp_path / "log") as application:
        for _ in range(ROUNDS):
            this_time = ask(application, "/entries/7/")
            answered, lost = answered + this_time, lost + CLIENTS - this_time
            if lost or (not loses and answered > 20 * RECYCLED):
                break
        await_that(partial(agree, lab, application))
    totals = counted(application)
    assert totals.opened == sessions_counted(lab) - before == sum(totals.closed.values())
    assert used(totals) >= answered
    assert (lost > 0) is loses, (lost, answered)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_modes(*ASGI, *POOLS, "tornado"))
def test_who_abandons_connections_when_sigterm_stops_it(lab: Lab, tmp_path: Path, name: str) -> None:
    """So do granian 2.8.9 and uvicorn 0.54.0, also in gunicorn's workers; the others' connections end in order."""
    abandons = name.startswith(("asgi", "granian", "uvicorn"))
    with serving(target(lab, tmp_path, working(name)), lab.register, tmp_path / "log") as application:
        assert ask(application, SLOW, 3) == 3
        await_that(partial(agree, lab, application))
        still_open, before = lab.judge.open_now(), lab.judge.abandoned()
        application.program.popen.terminate()
        application.program.popen.wait(PATIENCE_SECONDS)
        sessions_counted(lab)
        assert still_open > 0
        assert lab.judge.abandoned() - before == (still_open if abandons else 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", of_modes("asgi", "hypercorn", "uvicorn_worker"))
def test_a_worker_that_its_server_recycles_is_not_lost(trial: TrialRunner, name: str) -> None:
    recycling = config_of(STRATEGIES, "recycle_workers", {"max_requests": 20}, "strategy")
    done = trial(name, strategy=recycling, workers=2, window_seconds=3.0)
    log = (trial.lab.logs / trial_log(done.order, name)).read_text()
    first = 2 if name == "hypercorn" else 0  # it says when a worker begins, the others when one ends
    assert len(set(re.findall(SERVERS[name].recycled, log))) > first
    # With both workers at their limit at once, it may well have stalled.
    assert Cause.PROCESS_LOST not in done.causes, done.reason
    assert done.connections.mismatches == ()
