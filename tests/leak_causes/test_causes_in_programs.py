"""Each cause that comes with forks, commands, debug tools, copies and pools, provoked, and found by its name."""

from __future__ import annotations

import importlib.util
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from holding_project import command, gunicorn, holding_project, later
from laboratory import open_sessions
from leaking_site import aged, leaking_site
from modes import choice
from patience import await_that

from loadlab.lab.clients import ClientPool
from loadlab.leak_causes import named, verdict
from loadlab.model.holders import Holder
from loadlab.system.ports import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from holding_project import HoldingProject

    from loadlab.lab.lab import Lab

BOTH: Final = 2
EACH: Final = 3
RUNSERVER: Final = command("runserver", "--noreload", f"{LOOPBACK}:{{port}}")
PRELOADED: Final = gunicorn("--preload", "--workers", "2")
UWSGI: Final = [
    *("-c", "import sys, pyuwsgi; pyuwsgi.run(sys.argv[1:])", "--http-socket", f"{LOOPBACK}:{{port}}"),
    *("--master", "--processes", "2", "--enable-threads", "--module", "holding.wsgi", "--die-on-term"),
]
NEEDS_UWSGI: Final = pytest.mark.skipif(importlib.util.find_spec("pyuwsgi") is None, reason="pyuwsgi is not installed")
GEVENT: Final = gunicorn("--worker-class", "gevent")
ON_EXIT: Final = "loadlab.fixes.close_on_thread_exit.CloseOnThreadExit"
UVICORN: Final = [
    *("-m", "uvicorn", "--factory", "django.core.asgi:get_asgi_application"),
    *("--host", LOOPBACK, "--port", "{port}"),
]


@pytest.mark.parametrize("argv", [PRELOADED, pytest.param(UWSGI, marks=[NEEDS_UWSGI, pytest.mark.slow])])
def test_a_connection_that_was_opened_before_the_fork_is_found(lab: Lab, tmp_path: Path, argv: list[str]) -> None:
    with holding_project(lab, tmp_path, argv, HOLDING_QUERIES_AT_START="1") as project:

        def both_use_it() -> bool:
            project.ask("/one/")
            return any(len(one.shared_with) == BOTH for one in project.listing().connections)

        await_that(both_use_it, project.log)
        cause = project.await_causes(opened_before_fork=1)["opened_before_fork"]
        assert cause.openers == (("start-up", 1),)
        assert cause.connections[0].process == project.program.pid
        assert cause.sentence in project.manage("loadlab_connections")


@pytest.mark.parametrize("options", [(), ("--in-transaction",)])
def test_a_command_that_never_returns_is_found(lab: Lab, tmp_path: Path, options: tuple[str, ...]) -> None:
    with holding_project(lab, tmp_path, command("poll_prices", *options)) as project:
        project.await_open(1)
        assert named(later(project.listing(), 5)) == ()  # it may be working
        cause = project.await_causes(60, command_never_returns=1)["command_never_returns"]
        assert cause.openers == (("poll_prices", 1),)
        assert ("has a transaction open" in cause.sentence) is bool(options)


def test_what_a_site_with_live_threads_holds_is_found(lab: Lab, tmp_path: Path) -> None:
    argv = gunicorn("--threads", "4")
    with holding_project(lab, tmp_path, argv, max_age=0, server="gthread", HOLDING_QUERIES_AT_START="1") as project:
        project.await_open(1)
        for path in ("/copied/", "/another-handler/", "/refreshed/"):
            project.ask(path)
        project.await_open(4)
        assert named(project.listing()) == ()
        cause = project.await_causes(61, unclosed_alias=4)["unclosed_alias"]
        assert dict(cause.openers) == {
            "copied/": 1,
            "another-handler/": 1,
            "holding.urls.refresh_for_ever": 1,
            "start-up": 1,
        }
        for fix in ("close() on what connection.copy()", "close_old_connections() in each", "what runs at start-up"):
            assert fix in cause.fix
        _find_an_idle_transaction_beside(project)


def _find_an_idle_transaction_beside(project: HoldingProject) -> None:
    waiting = threading.Thread(target=project.ask, args=("/waits/",))
    waiting.start()
    project.await_open(5)
    assert named(project.listing()) == ()
    cause = project.await_causes(10, idle_transaction=1)["idle_transaction"]
    assert cause.openers == (("waits/", 1),)
    assert "used last by `waits/`" in verdict(later(project.listing(), 10))
    project.ask("/go-on/")
    waiting.join()


@pytest.mark.parametrize("argv", [RUNSERVER, pytest.param(GEVENT, marks=pytest.mark.slow)])
def test_what_keeps_connections_is_found_once_garbage_is_collected(lab: Lab, tmp_path: Path, argv: list[str]) -> None:
    with holding_project(lab, tmp_path, argv, max_age=600, HOLDING_KEEPS_GARBAGE="1") as project:
        project.ask("/kept/", EACH)
        project.ask("/one/", EACH)
        project.await_causes(per_request_threads=2 * EACH)
        project.ask("/collected/")
        cause = project.await_causes(kept_alive=EACH)["kept_alive"]
        assert cause.openers == (("kept/", EACH),)


@pytest.mark.parametrize("argv", [RUNSERVER, pytest.param(GEVENT, marks=pytest.mark.slow)])
def test_what_a_pool_has_lent_to_ended_threads_is_found(lab: Lab, tmp_path: Path, argv: list[str]) -> None:
    pool = {"min_size": 0, "max_size": 4}
    with holding_project(lab, tmp_path, argv, max_age=0, pool=pool, HOLDING_KEEPS_GARBAGE="1") as project:
        project.ask("/one/", EACH)
        assert named(project.listing()) == ()
        project.ask("/job/", EACH)
        cause = project.await_causes(lent_by_pool_and_lost=EACH)["lent_by_pool_and_lost"]
        assert cause.openers == ((("holding.asking.ask", EACH),))


@pytest.mark.slow
def test_a_pool_counts_on_connections_that_were_lost_and_collected(lab: Lab, tmp_path: Path) -> None:
    pool = {"min_size": 0, "max_size": 2, "timeout": 0.5}
    with holding_project(lab, tmp_path, RUNSERVER, max_age=0, pool=pool, HOLDING_KEEPS_GARBAGE="1") as project:
        project.ask("/job/", BOTH)
        project.await_causes(lent_by_pool_and_lost=BOTH)
        project.ask("/collected/")
        project.await_open(0)
        assert ClientPool(project.port, 1, keep_alive=False).ask("/one/") == 1
        assert "PoolTimeout" in project.log()


@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (False, "streaming_response"),
        pytest.param({"min_size": 0, "max_size": 4}, "lent_by_pool_and_lost", marks=pytest.mark.slow),
    ],
)
def test_a_stream_that_fails_over_asgi_leaves_its_connection(lab: Lab, tmp_path: Path, pool: Any, name: str) -> None:
    """Django neither closes the response nor sends request_finished."""
    with holding_project(lab, tmp_path, UVICORN, max_age=0, pool=pool, HOLDING_KEEPS_GARBAGE="1") as project:
        assert ClientPool(project.port, 1, keep_alive=False).ask("/failing-stream/", EACH) == EACH
        cause = project.await_causes(**{name: EACH})[name]
        assert cause.openers == (("failing-stream/", EACH),)


def test_with_a_fix_a_stream_that_fails_gives_its_slot_of_a_pool_back(lab: Lab, tmp_path: Path) -> None:
    pool = {"min_size": 0, "max_size": 2}
    with holding_project(lab, tmp_path, UVICORN, max_age=0, pool=pool, HOLDING_FIXES=ON_EXIT) as project:
        assert ClientPool(project.port, 1, keep_alive=False).ask("/failing-stream/", EACH) == EACH
        project.ask("/one/", EACH)
        project.await_causes()


@pytest.mark.slow
def test_what_the_maker_of_a_pool_has_lost_stays_open(lab: Lab, tmp_path: Path) -> None:
    """The greenlet of the first query in the process makes the pool, which refers to its wrapper."""
    pool = {"min_size": 0, "max_size": 4}
    with holding_project(lab, tmp_path, GEVENT, max_age=0, pool=pool, HOLDING_KEEPS_GARBAGE="1") as project:
        project.ask("/job/", EACH)
        project.await_causes(lent_by_pool_and_lost=EACH)
        project.ask("/collected/")
        project.await_open(1)
        cause = project.await_causes(lent_by_pool_and_lost=1)["lent_by_pool_and_lost"]
        assert cause.openers == (("holding.asking.ask", 1),)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["threaded", "gevent", "asgi"])
def test_nothing_is_kept_in_a_leaking_site_without_such_a_tool(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, choice(mode), aged(600), garbage=True) as site, ThreadPoolExecutor(1) as clients:
        asking = clients.submit(site.ask, "/entries/1/", 100)
        leaked, kept = 0, 0
        while not asking.done():
            seen = site.listing().connections
            leaked += sum(one.holder is Holder.LEAKED for one in seen)
            kept += sum(one.kept for one in seen)
        asking.result()
        assert leaked > 0
        assert kept == 0


@pytest.mark.slow
def test_many_processes_with_live_threads_are_no_leak(lab: Lab, tmp_path: Path) -> None:
    argv = gunicorn("--preload", "--workers", "4", "--threads", "4")
    with holding_project(lab, tmp_path, argv, server="gthread") as project:

        def all_hold_one() -> bool:
            project.ask("/one/", clients=16)
            return len(project.listing().connections) == 4 * 4

        await_that(all_hold_one, project.log)
        assert named(project.listing()) == ()
        seen = replace(project.listing(), limit=20)  # of a database as small as that
        (cause,) = named(seen)
        assert cause.name == "many_processes"
        assert cause.sentence == (
            "No leak: live threads hold 16 connections, up to 4 in each of 4 processes; the database accepts 20"
        )


FORKS: Final = """
import os, sys, time
import django
django.setup()
from django.db import connection
from holding.asking import ask
ask()
child = os.fork()
if child == 0:
    if sys.argv[1] == "alone":  # as Celery does
        os.close(connection.connection.fileno())
    connection.close()
    os._exit(0)
os.waitpid(child, 0)
print("forked", flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize(("child", "left"), [("alone", 1), ("for both", 0)])
def test_what_a_forked_child_closes_for_itself_alone_stays_open(
    lab: Lab, tmp_path: Path, child: str, left: int
) -> None:
    with holding_project(lab, tmp_path, ["-c", FORKS, child]) as project:
        await_that(lambda: "forked" in project.log(), project.log)
        project.await_open(left)
        await_that(lambda: open_sessions(lab) == left, project.log)


def test_what_a_forked_child_gives_to_its_copy_of_a_pool_stays_lent(lab: Lab, tmp_path: Path) -> None:
    pool = {"min_size": 0, "max_size": 2}
    with holding_project(lab, tmp_path, ["-c", FORKS, "for both"], max_age=0, pool=pool) as project:
        await_that(lambda: "forked" in project.log(), project.log)
        (one,) = project.await_open(1)
        assert (one.lent, one.holder) == (True, Holder.OUTSIDE)
