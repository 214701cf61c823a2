"""Each fix in each server mode that it fits, judged by PostgreSQL: what is kept, what is left, how many at once.

No garbage is collected in the servers, so that every connection that is closed has been closed by somebody. Clients
ask with a new connection for each request, unless a test says that they keep theirs.
"""

from __future__ import annotations

from typing import Any

import pytest
from site_under_fix import CLIENTS, REQUESTS, SPARE

ASKED = CLIENTS * REQUESTS
# By default each fix is tried in one mode of each kind: `tests/lab/test_every_strategy.py` counts it once more.
OWN_THREADS = [
    ("gevent", "psycopg2"),
    ("asgi", "psycopg"),
    pytest.param("threaded", "psycopg2", marks=pytest.mark.slow),
    pytest.param("gevent", "psycopg", marks=pytest.mark.slow),
]
SMALL = {"sync": {"workers": 2}, "gthread": {"workers": 2, "threads": 2}}


def test_without_a_fix_every_request_leaves_a_connection(serve: Any) -> None:
    with serve("max_age", "threaded") as served:
        served.load(clients=2)
        served.await_open(2 * REQUESTS)
        assert served.counted() == {"opened": 2 * REQUESTS, "open": 2 * REQUESTS, "explicit": 0, "reused": 0}


@pytest.mark.parametrize(("server", "driver"), OWN_THREADS)
def test_close_on_thread_exit_leaves_nothing_open(serve: Any, server: str, driver: str) -> None:
    with serve("close_on_thread_exit", server, driver=driver) as served:
        served.load()
        served.await_open(0)
        assert served.counted() == {"opened": ASKED, "open": 0, "explicit": ASKED, "reused": 0}
    assert served.peak <= CLIENTS + SPARE


@pytest.mark.parametrize("server", ["threaded", pytest.param("gevent", marks=pytest.mark.slow)])
def test_close_on_thread_exit_keeps_what_a_kept_client_can_use_again(serve: Any, server: str) -> None:
    with serve("close_on_thread_exit", server) as served:
        served.load(keep_alive=True)
        served.await_open(0)
        assert served.counted() == {"opened": CLIENTS, "open": 0, "explicit": CLIENTS, "reused": ASKED - CLIENTS}


@pytest.mark.parametrize("server", ["gthread", pytest.param("sync", marks=pytest.mark.slow)])
def test_close_on_thread_exit_takes_nothing_from_threads_that_live_on(serve: Any, server: str) -> None:
    with serve("close_on_thread_exit", server, workers=SMALL[server]) as served:
        served.load()
        served.await_open(4)
        counted = served.counted()
    assert 0 < counted["opened"] == counted["open"] <= 4
    assert counted["reused"] == ASKED - counted["opened"]


def test_close_at_handler_end_under_runserver_closes_with_the_client(serve: Any) -> None:
    with serve("close_at_handler_end", "threaded") as served:
        served.load()
        served.await_open(0)
        assert served.counted() == {"opened": ASKED, "open": 0, "explicit": ASKED, "reused": 0}
        served.load(keep_alive=True)
        served.await_open(0)
        opened = ASKED + CLIENTS
        assert served.counted() == {"opened": opened, "open": 0, "explicit": opened, "reused": ASKED - CLIENTS}
    assert served.peak <= CLIENTS + SPARE


@pytest.mark.parametrize(
    "server", ["gthread", *(pytest.param(one, marks=pytest.mark.slow) for one in ("sync", "gevent"))]
)
def test_close_at_handler_end_under_gunicorn_closes_after_each_request(serve: Any, server: str) -> None:
    with serve("close_at_handler_end", server, workers=SMALL.get(server)) as served:
        served.load(keep_alive=server != "sync")
        served.await_open(0)
        assert served.counted() == {"opened": ASKED, "open": 0, "explicit": ASKED, "reused": 0}
    assert served.peak <= CLIENTS + SPARE


@pytest.mark.parametrize(
    ("server", "driver"),
    [
        ("threaded", "psycopg"),
        pytest.param("gevent", "psycopg2", marks=pytest.mark.slow),
        pytest.param("asgi", "psycopg2", marks=pytest.mark.slow),
    ],
)
def test_reap_dead_threads_leaves_no_more_than_were_used_at_once(serve: Any, server: str, driver: str) -> None:
    with serve("reap_dead_threads", server, driver=driver) as served:
        served.load()
        served.await_open(CLIENTS + SPARE)
        counted = served.counted()
    # The next opening of a process finds the dead of that process: there may be two.
    assert served.peak <= 2 * (CLIENTS + SPARE)
    assert counted["opened"] == ASKED == counted["explicit"] + counted["open"]


@pytest.mark.parametrize("server", ["asgi", pytest.param("threaded", marks=pytest.mark.slow)])
def test_a_sweep_every_so_often_leaves_nothing_open(serve: Any, server: str) -> None:
    with serve("reap_dead_threads", server, parameters={"interval_seconds": 0.1}) as served:
        served.load()
        served.await_open(0)
        assert served.counted() == {"opened": ASKED, "open": 0, "explicit": ASKED, "reused": 0}


@pytest.mark.parametrize("keep_alive", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_leased_threads_keep_their_connections_under_asgi(serve: Any, keep_alive: bool) -> None:  # noqa: FBT001
    with serve("leased_threads", "asgi", parameters={"threads": 3}) as served:
        served.load(keep_alive=keep_alive)
        served.await_open(3)
        counted = served.counted()
    assert served.peak <= 3
    assert 0 < counted["opened"] == counted["open"] <= 3
    assert counted["reused"] == ASKED - counted["opened"]


def test_more_clients_than_leased_threads_wait_and_none_fails(serve: Any) -> None:
    with serve("leased_threads", "asgi", driver="psycopg", parameters={"threads": 2}) as served:
        served.load("/slow/?seconds=0.01", clients=12)
        assert served.counted()["opened"] == served.peak == 2
        assert sum(served.totals().connect_errors.values()) == 0


def test_clients_that_go_away_do_not_take_a_leased_thread_with_them(serve: Any) -> None:
    with serve("leased_threads", "asgi", parameters={"threads": 2}) as served:
        for _ in range(6):
            served.ask_and_go("/slow/?seconds=0.2")
        served.load()
        served.await_open(2)
    assert served.peak <= 2


def test_both_hooks_may_be_named_in_gunicorn_conf_py_under_gevent(serve: Any) -> None:
    """Had it loaded connections of Django's, before gevent patched Python, all greenlets would share one."""
    with serve("worker_exit_hook", "gevent", conf="gunicorn_conf.py") as served:
        served.load(keep_alive=True)
        served.await_open(0)
        assert served.counted() == {"opened": ASKED, "open": 0, "explicit": ASKED, "reused": 0}
