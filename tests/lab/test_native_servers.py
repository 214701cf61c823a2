"""Servers that are more than a Python package: uWSGI forks in C, nginx stands before gunicorn; both counts agree."""

from __future__ import annotations

import importlib.util
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psutil
import pytest
from family import alive, below, family, kill
from laboratory import TrialRunner, sessions_counted
from modes import installed, working
from patience import PATIENCE_SECONDS, await_that

from loadlab.analysis.rooms import leak_of
from loadlab.errors import UsageError
from loadlab.instrumentation.counters import CounterSet, counts_of
from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.clients import ClientPool
from loadlab.lab.project import Project
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.system.programs import NGINX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

CLIENTS: Final = 6
ROUNDS: Final = 8
SLOW: Final = "/slow/?seconds=0.01"
needs_nginx = pytest.mark.skipif(NGINX.lacks(), reason=f"nginx is not installed ({NGINX.install})")
RECYCLED: Final = {"max_requests": 5, "min_worker_lifetime_seconds": 0}


class ServedMode:
    """A server mode that serves the lab's site, with clients, and both ends' counts."""

    def __init__(self, lab: Lab, application: ServedApplication, server: Any) -> None:
        self.application, self.server = application, server
        self._lab = lab
        self._clients = ClientPool(application.port, CLIENTS, keep_alive=False)
        self.asked = 0

    def ask(self, each: int = 1) -> None:
        assert self._clients.ask(SLOW, each) == 0, self.application.program.log_tail(40)
        self.asked += CLIENTS * each

    def totals(self) -> Totals:
        return CounterSet(self.application.ledgers).read().aliases["default"]

    def owners(self) -> set[int]:
        """The pids of the processes that have begun files."""
        return {int(path.name.partition("-")[0]) for path in self.application.ledgers.glob("*.ledger")}

    def workers(self) -> set[int]:
        """Those that run below the first process, and are counted."""
        return {process.pid for process in below(self.application.program.pid, recursive=True)} & self.owners()

    def complete(self) -> bool:
        return len(self.workers()) == self.server.processes()

    def agree(self) -> bool:
        return self.totals().open == self._lab.judge.open_now()


@contextmanager
def served(lab: Lab, mode: str, age: float | None, driver: str = "psycopg2", **parameters: Any) -> Iterator[ServedMode]:
    """The mode; in the end, what was counted must be what PostgreSQL has, to the last session."""
    server = config_of(SERVERS, mode, parameters, "server")
    ledgers = lab.scratch / f"native-{mode}-{len(list(lab.scratch.iterdir()))}"
    target = ServerSetup(
        server=server,
        strategy=config_of(STRATEGIES, "max_age", {"max_age": age}, "strategy"),
        database=lab.database,
        ledgers=ledgers,
        project=Project(driver=driver),
    )
    before = sessions_counted(lab)
    with serving(target, lab.register, lab.scratch / f"{ledgers.name}.log") as application:
        running = ServedMode(lab, application, build_server(server))
        yield running
    totals = running.totals()
    assert totals.opened == sessions_counted(lab) - before == sum(totals.closed.values())
    assert RequestTotals(ledgers).read().requests == running.asked
    assert totals.requests_opened + totals.requests_reused == running.asked


@pytest.mark.parametrize(
    ("mode", "age", "parameters"),
    [
        ("uwsgi", 60, {"threads": 2}),
        pytest.param("uwsgi", 0, {}, marks=pytest.mark.slow),
        pytest.param("uwsgi", 60, {"lazy_apps": True}, marks=pytest.mark.slow),
        pytest.param("uwsgi", None, {"threads": 4, "lazy_apps": True}, marks=pytest.mark.slow),
        pytest.param("uwsgi_gevent", 60, {}, marks=pytest.mark.slow),
        pytest.param("uwsgi_gevent", 0, {"lazy_apps": True}, marks=pytest.mark.slow),
    ],
)
def test_uwsgi_counts_exactly_while_its_workers_are_replaced(
    lab: Lab, mode: str, age: float | None, parameters: dict[str, Any]
) -> None:
    """By the master, after so many requests and after SIGKILL; each new worker is forked in C."""
    with served(lab, mode, age, **RECYCLED, **parameters) as running:
        first = running.workers()
        assert len(first) == 2
        running.ask(ROUNDS)
        await_that(lambda: not first & running.workers() and running.complete(), "no worker was recycled")
        await_that(running.agree)
        victim = min(running.workers())
        kill(one for one in below(running.application.program.pid, recursive=True) if one.pid == victim)
        await_that(lambda: victim not in running.workers() and running.complete(), "no worker came instead")
        running.ask()
        await_that(running.agree)


@pytest.mark.slow
def test_uwsgis_threads_hold_a_connection_each_and_its_greenlets_leak(lab: Lab) -> None:
    with served(lab, "uwsgi", None, workers=1, threads=3) as threads:
        threads.ask(ROUNDS)
        assert (threads.totals().open, threads.server.usable_connections(CLIENTS)) == (3, 3)
    with served(lab, "uwsgi_gevent", None, workers=1) as greenlets:
        greenlets.ask(ROUNDS)
        assert (greenlets.totals().requests_reused, greenlets.totals().opened) == (0, CLIENTS * ROUNDS)
        assert greenlets.server.lasting_connections(CLIENTS, keep_alive=True) == 0


def test_uwsgis_late_gevent_patch_is_refused_with_the_reason() -> None:
    with pytest.raises(UsageError, match="patches Python after the site is loaded"):
        config_of(SERVERS, "uwsgi_gevent", {"gevent_monkey_patch": True}, "server")


@needs_nginx
@pytest.mark.parametrize("upstream", [True, False])
def test_nginx_decides_whether_a_kept_connection_is_found_again(trial: TrialRunner, upstream: bool) -> None:  # noqa: FBT001
    """Clients do the opposite each time, and it makes no difference."""
    done = trial(
        "nginx",
        max_age=None,
        keep_alive=not upstream,
        worker_class="gevent",
        upstream_keep_alive=upstream,
        window_seconds=0.8,
    )
    counts = done.connections.after_stop
    assert (done.state, done.connections.mismatches, list(done.failures)) == ("complete", (), [])
    assert (counts.reused > 0) is upstream
    assert (done.connections.left_open <= done.case.users) is upstream
    assert leak_of(done) == ("no" if upstream else "yes")


@needs_nginx
@pytest.mark.slow
@pytest.mark.parametrize("worker_class", ["sync", "gthread", "gevent"])
@pytest.mark.parametrize("upstream", [True, False])
@pytest.mark.parametrize("keep_alive", [True, False])
@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_each_of_gunicorns_workers_is_counted_exactly_behind_nginx(
    trial: TrialRunner, worker_class: str, *, upstream: bool, keep_alive: bool, driver: str
) -> None:
    done = trial(
        "nginx",
        max_age=None,
        keep_alive=keep_alive,
        driver=driver,
        worker_class=worker_class,
        upstream_keep_alive=upstream,
    )
    assert (done.state, done.connections.mismatches, list(done.failures)) == ("complete", (), [])
    lasting = build_server(done.case.server).lasting_connections(done.case.users, keep_alive=keep_alive)
    assert done.connections.left_open <= lasting or not lasting
    assert leak_of(done) == ("no" if lasting else "yes")


@needs_nginx
@pytest.mark.parametrize("name", ["nginx", pytest.param("gunicorn", marks=pytest.mark.slow)])
def test_nginx_and_gunicorn_end_together(lab: Lab, name: str) -> None:
    with served(lab, "nginx", 60) as running:
        running.ask()
        await_that(running.agree)
        everyone = family(running.application.program.pid)
        children = below(running.application.program.pid)
        (one,) = [child for child in children if ("nginx" in child.name()) is (name == "nginx")]
        one.kill()
        assert running.application.program.popen.wait(PATIENCE_SECONDS) == 1
        await_that(lambda: not any(map(alive, children)), "the other one goes on")
        running.application.program.kill()  # a worker of nginx outlives its master, but not its group
        assert psutil.wait_procs(everyone, PATIENCE_SECONDS)[1] == []


@needs_nginx
def test_nginx_is_an_ordinary_user_on_loopback_and_leaves_nothing(lab: Lab) -> None:
    with served(lab, "nginx", 60) as running:
        running.ask()
        everyone = family(running.application.program.pid)
        processes = [process for process in everyone if process.name() == "nginx"]
        assert len(processes) == 2  # its master and its worker
        assert 0 not in {process.uids().effective for process in processes}
        sockets = [one for process in processes for one in process.net_connections("tcp")]
        assert {one.laddr.ip for one in sockets if one.status == "LISTEN"} == {"127.0.0.1"}
        everyone[0].kill()  # what has started both
        running.application.program.kill()
        assert list(filter(alive, everyone)) == []


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mod_wsgi") is None, reason="mod_wsgi is not installed, and compiles")
@pytest.mark.parametrize(
    ("age", "driver", "parameters"), [(60, "psycopg2", {}), (0, "psycopg", {}), (None, "psycopg", {"threads": 2})]
)
def test_mod_wsgi_counts_exactly_while_its_daemons_are_replaced(
    lab: Lab, age: float | None, driver: str, parameters: dict[str, Any]
) -> None:
    with served(lab, "mod_wsgi", age, driver, workers=2, max_requests=8, **parameters) as running:
        first = running.workers()
        assert len(first) == 2
        running.ask(ROUNDS)
        await_that(lambda: not first & running.workers() and running.complete(), "no daemon was recycled")
        await_that(running.agree)
        victim = min(running.workers())
        kill(one for one in below(running.application.program.pid, recursive=True) if one.pid == victim)
        await_that(lambda: victim not in running.workers() and running.complete(), "no daemon came instead")
        running.ask()
        await_that(running.agree)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mod_wsgi") is None, reason="mod_wsgi is not installed, and compiles")
def test_mod_wsgis_threads_hold_a_connection_each(lab: Lab) -> None:
    with served(lab, "mod_wsgi", None, workers=1, threads=3) as running:
        running.ask(ROUNDS)
        assert (running.totals().open, running.server.usable_connections(CLIENTS)) == (3, 3)


@pytest.mark.slow
@pytest.mark.parametrize("mode", installed())
def test_exit_hooks_run_exactly_where_a_server_mode_says_so(lab: Lab, mode: str) -> None:
    """An orderly end, by the signal that the mode names, with an app that closes all connections at the exit."""
    server = working(mode)
    target = ServerSetup(
        server=server,
        strategy=config_of(STRATEGIES, "worker_exit_hook", {}, "strategy"),
        database=lab.database,
        ledgers=lab.scratch / f"exit-{mode}",
        project=Project(driver="psycopg2"),
    )
    with serving(target, lab.register, lab.scratch / f"exit-{mode}.log") as application:
        assert ClientPool(application.port, CLIENTS, keep_alive=False).ask(SLOW) == 0
        before = counts_of(target.ledgers, ["default"]).closed.get("explicit", 0)
        application.program.popen.send_signal(SERVERS[mode].stop_signal)
        application.program.popen.wait(PATIENCE_SECONDS)
        lab.judge.await_empty(PATIENCE_SECONDS)
    closed = counts_of(target.ledgers, ["default"]).closed
    assert (closed.get("explicit", 0) > before) is SERVERS[mode].runs_exit_hooks
    assert bool(closed.get("process_exit")) is not SERVERS[mode].runs_exit_hooks
