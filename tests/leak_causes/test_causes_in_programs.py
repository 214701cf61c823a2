"""Each cause that comes with forks, commands, debug tools, copies and pools, provoked, and found by its name."""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING, Final

import pytest
from holding_project import command, gunicorn, holding_project, later
from patience import await_that

from loadlab.lab.clients import ClientPool
from loadlab.leak_causes import named, verdict
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
        for cure in ("close() on what connection.copy()", "close_old_connections() in each", "what runs at start-up"):
            assert cure in cause.cure
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
