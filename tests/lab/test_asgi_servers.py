"""ASGI servers, and WSGI inside an event loop: how many connections each can use, and both counts of them agree."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from laboratory import sessions_counted
from patience import await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.clients import answer
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.application import Application
    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config

ROUNDS: Final = 150  # of all clients, at most
CLIENTS: Final = 24  # more than any pool here has threads
WORKERS: Final = {"workers": 2}
# With two workers where that can be; what a mode cannot do without is with it.
MODES: Final[dict[str, dict[str, Any]]] = {
    "asgi": WORKERS,
    "daphne": {},
    "gunicorn_asgi": WORKERS,
    "hypercorn": WORKERS,
    "hypercorn_wsgi": WORKERS,
    "tornado": {"async_unsafe": True, **WORKERS},
    "uvicorn_worker": WORKERS,
    "uvicorn_wsgi": WORKERS,
}
# They end as a whole when a worker is killed; hypercorn 0.18.0 because of `exitcode != 0` in its run.py.
ENDING: Final = {"daphne", "hypercorn", "hypercorn_wsgi"}
ASYNC: Final = (
    "/stream/entries/7/",
    "/async/entries/7/",
    "/async/entries/7/gather/",
    "/async/entries/7/stream/",
    "/async/insensitive/?seconds=0.01",
    "/async/gather/?seconds=0.01",
)


def target(lab: Lab, folder: Path, server: Config, age: float | None) -> ServerSetup:
    return ServerSetup(
        server=server,
        strategy=config_of(STRATEGIES, "max_age", {"max_age": age}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )


def ask(application: Application, path: str, clients: int = CLIENTS) -> int:
    """Have so many clients ask once, all at once; returns how many were answered."""
    with ThreadPoolExecutor(clients) as pool:
        asked = [pool.submit(answer, application.port, path) for _ in range(clients)]
        return sum(one.result() is not None for one in asked)


def counted(application: Application) -> Totals:
    return CounterSet(application.ledgers).read().aliases["default"]


def backends(lab: Lab) -> int:
    lab.cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [lab.database.name])
    (count,) = lab.cursor.fetchone() or (0,)
    return int(count)


def agree(lab: Lab, application: Application) -> bool:
    return counted(application).open == backends(lab)


def a_worker(application: Application) -> int:
    return int(json.loads(answer(application.port, "/health/") or b"{}")["pid"])


def replaced(application: Application, workers: int) -> bool:
    """Whether as many processes count as before one was killed."""
    return CounterSet(application.ledgers).read().processes == workers and a_worker(application) > 0


@pytest.mark.parametrize("name", MODES)
def test_books_agree_before_and_after_a_worker_is_killed(lab: Lab, tmp_path: Path, name: str) -> None:
    choice = config_of(SERVERS, name, MODES[name], "server")
    server = build_server(choice)
    lasting = server.lasting_connections(CLIENTS, keep_alive=False)
    before, answered = sessions_counted(lab), 0
    with serving(target(lab, tmp_path, choice, 60), lab.register, tmp_path / "log") as application:
        assert ask(application, "/slow/?seconds=0.2") == CLIENTS
        await_that(partial(agree, lab, application))
        assert counted(application).opened <= server.usable_connections(CLIENTS) or not lasting
        answered += CLIENTS
        for _ in range(ROUNDS):  # the kernel decides which worker gets a client
            if counted(application).opened >= lasting:
                break
            answered += ask(application, "/slow/?seconds=0.1")
        answered += ask(application, "/slow/?seconds=0.1")
        assert counted(application).opened == (lasting or answered)
        for path in ASYNC if server.asgi else ():
            assert ask(application, path, 3) == 3, path
            answered += 3
        await_that(partial(agree, lab, application))
        totals = counted(application)
        assert totals.requests_opened + totals.requests_reused == answered
        worker = a_worker(application)
        os.kill(worker, signal.SIGKILL)
        if name in ENDING:
            await_that(lambda: not application.program.running())
        else:
            await_that(lambda: not psutil.pid_exists(worker))
            await_that(partial(replaced, application, server.processes()))
            answered += ask(application, "/entries/7/")
        await_that(partial(agree, lab, application))
    totals = counted(application)
    assert totals.opened == sessions_counted(lab) - before == sum(totals.closed.values())
    assert totals.requests_opened + totals.requests_reused == answered
    assert RequestTotals(application.ledgers).read().requests >= answered


RECYCLED: Final = 15  # requests of a worker


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "loses"),
    [
        ("sync", False),
        ("gunicorn_asgi", False),
        ("asgi", True),
        ("hypercorn", True),
        ("hypercorn_wsgi", True),
        ("uvicorn_worker", True),
    ],
)
def test_who_loses_requests_by_recycling_workers_and_books_agree(
    lab: Lab,
    tmp_path: Path,
    name: str,
    loses: bool,  # noqa: FBT001
) -> None:
    recycling = config_of(STRATEGIES, "recycle_workers", {"max_requests": RECYCLED}, "strategy")
    choice = config_of(SERVERS, name, WORKERS, "server")
    before, answered, lost = sessions_counted(lab), 0, 0
    setup = replace(target(lab, tmp_path, choice, None), strategy=recycling)
    with serving(setup, lab.register, tmp_path / "log") as application:
        for _ in range(ROUNDS):
            this_time = ask(application, "/entries/7/")
            answered, lost = answered + this_time, lost + CLIENTS - this_time
            if lost or (not loses and answered > 20 * RECYCLED):
                break
        workers = {path.name.partition("-")[0] for path in application.ledgers.glob("*.ledger")}
        await_that(partial(agree, lab, application))
    totals = counted(application)
    assert totals.opened == sessions_counted(lab) - before == sum(totals.closed.values())
    assert totals.requests_opened + totals.requests_reused >= answered
    assert (lost > 0) is loses, (lost, answered, workers)
