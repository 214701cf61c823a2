"""Each cause that comes with servers and threads, provoked on a real server and PostgreSQL, and found by its name."""

from __future__ import annotations

import importlib.util
import os
import shutil
import threading
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import pytest
from leaking_site import CLIENTS, aged, leaking_site
from modes import choice, installed, working
from patience import await_that

from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.listing import target_listing
from loadlab.lab.running_worker import running_worker
from loadlab.leak_causes import named, verdict
from loadlab.model.holders import Holder
from loadlab.model.open_connections import AliasSettings
from loadlab.model.worker_behaviour import WorkerSetting
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS
from loadlab.servers.base import EXECUTOR_THREADS
from loadlab.strategies import STRATEGIES
from loadlab.workers import WORKERS
from loadlab.workers.celery import Celery

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leaking_site import LeakingSite

    from loadlab.lab.fixture import PostgresFixture
    from loadlab.lab.lab import Lab
    from loadlab.model.config import Config
    from loadlab.model.open_connections import Listing

pytestmark = pytest.mark.process

LOOK_SECONDS: Final = 0.1
ONE_ROW: Final = "/entries/1/"
EACH: Final = 3
ASKED: Final = CLIENTS * EACH
EXECUTORS: Final = range(CLIENTS, 2 * CLIENTS + 1)  # a fast job leaves the second thread of an executor nothing to do
GENERAL: Final = {
    "threaded": "a server with a thread for each client, as runserver is",
    "gevent": "gevent",
    "uwsgi_gevent": "gevent",
    "tornado": "an event loop that runs synchronous code, as tornado's",
}


def keeps_threads(server: Config) -> bool:
    """Whether a later request may find the thread of an earlier one."""
    return build_server(server).lasting_connections(CLIENTS, keep_alive=False) > 0


# Asking them decides nothing about a machine: a mode is either of one kind or of the other.
OWN_THREADS: Final = [one for one in installed(others_are_slow=True) if not keeps_threads(working(one.values[0]))]


@pytest.mark.parametrize("mode", OWN_THREADS)
def test_a_thread_per_request_is_found_and_its_server_named(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, working(mode), aged(60)) as site:
        site.ask(ONE_ROW, EACH)
        cause = site.await_causes(per_request_threads=ASKED)["per_request_threads"]
        assert cause.openers == (("entries/<int:number>/", ASKED),)
        assert f"CONN_MAX_AGE=60 under {GENERAL.get(mode, 'ASGI')}: set it to 0" in verdict(site.listing())


def test_threads_that_a_view_starts_are_found_beside_its_own(lab: Lab, tmp_path: Path) -> None:
    with leaking_site(lab, tmp_path, choice("threaded"), aged(60)) as site:
        for path in (ONE_ROW, "/thread-per-job/", "/executor-in-with/"):
            site.ask(path)
        causes = site.await_causes(per_request_threads=CLIENTS, thread_per_job=CLIENTS, executor_in_view=EXECUTORS)
        assert causes["per_request_threads"].openers == (("entries/<int:number>/", CLIENTS),)
        assert causes["thread_per_job"].openers == (("leaks.urls.fetch", CLIENTS),)
        assert [opener for opener, _ in causes["executor_in_view"].openers] == ["leaks.urls.fetch"]


def test_the_event_loop_s_executor_is_found_beside_request_threads(lab: Lab, tmp_path: Path) -> None:
    with leaking_site(lab, tmp_path, choice("asgi"), aged(0)) as site:
        site.ask(ONE_ROW)
        assert named(site.listing()) == ()
        for path in ("/async/insensitive/?seconds=0", "/to-thread/"):
            site.ask(path, EACH)
        cause = site.await_causes(thread_insensitive=range(1, EXECUTOR_THREADS + 1))["thread_insensitive"]
        assert {opener for opener, _ in cause.openers} <= {"async/insensitive/", "to-thread/"}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("granian") is None, reason="granian is not installed")
def test_threads_that_a_server_ends_when_idle_are_found(lab: Lab, tmp_path: Path) -> None:
    server = config_of(SERVERS, "granian", dict(SERVERS["granian"].quiet), "server")
    with leaking_site(lab, tmp_path, server, aged(60)) as site:
        site.ask("/slow/?seconds=0.2")
        opened = len(site.listing().connections)
        assert opened > 2
        site.await_causes(per_request_threads=opened - 1)
        assert "CONN_MAX_AGE=60 under a server that ends idle threads" in verdict(site.listing())


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "gthread"])
def test_threads_of_a_view_are_found_at_age_0_as_well(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, choice(mode), aged(0)) as site:
        for path in ("/thread-per-job/", "/executor-in-with/"):
            site.ask(path, EACH)
        causes = site.await_causes(thread_per_job=ASKED, executor_in_view=range(ASKED, 2 * ASKED + 1))
        assert causes["thread_per_job"].openers == (("leaks.urls.fetch", ASKED),)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "gthread"])
def test_an_executor_that_is_kept_is_found_once_it_idles(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, config_of(SERVERS, mode, {"workers": 1}, "server"), aged(0)) as site:
        site.ask("/executor-kept/", clients=1)
        assert named(site.listing()) == ()
        cause = site.await_causes(executor_in_view=4)["executor_in_view"]
        assert cause.openers == (("leaks.urls.fetch_together", 4),)
        assert "4 of 4 open connections belong to threads of a ThreadPoolExecutor that are idle" in cause.sentence


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["sync", "gthread"])
def test_streams_that_hold_connections_are_found_while_they_last(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, choice(mode), aged(0)) as site:
        path = "/stream/entries/1/?parts=200&seconds=0.1"
        streams = [threading.Thread(target=site.ask, args=(path,), kwargs={"clients": 1}) for _ in range(2)]
        for stream in streams:
            stream.start()
        await_that(lambda: [one.holder for one in site.listing().connections] == [Holder.IN_USE] * 2)
        assert named(site.listing()) == ()
        cause = site.await_causes(streaming_response=2)["streaming_response"]
        assert cause.openers == (("stream/entries/<int:number>/", 2),)
        for stream in streams:
            stream.join()
        site.await_causes()


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["threaded", "gevent", "asgi"])
def test_what_queries_after_the_response_is_found_at_age_0(lab: Lab, tmp_path: Path, mode: str) -> None:
    with leaking_site(lab, tmp_path, choice(mode), aged(0)) as site:
        site.ask("/after-response/", EACH)
        cause = site.await_causes(streaming_response=ASKED)["streaming_response"]
        assert cause.openers == (("after-response/", ASKED),)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["asgi", "daphne", "hypercorn", "granian_asgi"])
def test_queries_in_the_event_loop_are_found_at_age_0(lab: Lab, tmp_path: Path, mode: str) -> None:
    unsafe = {"DJANGO_ALLOW_ASYNC_UNSAFE": "true"}
    with leaking_site(lab, tmp_path, choice(mode), aged(0), **unsafe) as site:
        site.ask("/async/unsafe/?seconds=0", EACH)
        cause = site.await_causes(async_unsafe=ASKED)["async_unsafe"]
        assert cause.openers == (("async/unsafe/", ASKED),)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None) as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("celery") is None, reason="celery is not installed")
def test_tasks_in_greenlets_are_found_where_celery_closes_by_count(
    monkeypatch: pytest.MonkeyPatch, postgres: PostgresFixture
) -> None:
    made = Celery.settings
    monkeypatch.setattr(Celery, "settings", lambda self, queue: {**made(self, queue), "CELERY_DB_REUSE_MAX": 1000})
    worker = config_of(WORKERS, "celery", {"pool": "gevent"}, "worker")
    setting = WorkerSetting(worker=worker, strategy=aged(60), fix="", driver="psycopg")
    with running_worker(setting, postgres) as running:
        settings = AliasSettings(vendor="postgresql", max_age=60)

        def seen() -> Listing:
            return target_listing(postgres.lab, running.application.ledgers, {"default": settings})

        def found() -> bool:
            assert running.clients.ask("", 3) == 0
            return [cause.name for cause in named(seen())] == ["celery_gevent_pool"]

        await_that(found, lambda: verdict(seen()))
        assert "belong to greenlets of tasks that have ended; opened by `" in verdict(seen())


@contextmanager
def load(site: LeakingSite) -> Iterator[Future[None]]:
    with ThreadPoolExecutor(1) as clients:
        asking = clients.submit(site.ask, ONE_ROW, 25)
        yield asking
        asking.result()


def verdicts_under_load(site: LeakingSite) -> set[str]:
    """Those that name a cause, while requests come and after the last one."""
    said = set()
    with load(site) as asking:
        while not asking.done():
            seen = site.listing()
            said |= {verdict(seen)} if named(seen) else set()
            wait([asking], LOOK_SECONDS)
    seen = site.listing()
    assert asking.exception() is None
    return said | ({verdict(seen)} if named(seen) else set())


@pytest.mark.slow
@pytest.mark.parametrize("age", [0, 60])
@pytest.mark.parametrize("mode", installed())
def test_a_healthy_server_under_load_gives_no_cause(lab: Lab, tmp_path: Path, mode: str, age: int) -> None:
    server = working(mode)
    if age and not keeps_threads(server):
        pytest.skip("with an age, this mode leaks")
    with leaking_site(lab, tmp_path, server, aged(age), garbage=True) as site:
        assert verdicts_under_load(site) == set()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "strategy", "driver"),
    [
        *((mode, "pool", "psycopg") for mode in ("gthread", "threaded", "gevent", "asgi")),
        ("gthread", "pgbouncer", "psycopg2"),
        ("gevent", "pgbouncer", "psycopg2"),
        *((mode, "close_on_thread_exit", "psycopg2") for mode in ("threaded", "gevent", "asgi")),
        ("asgi", "leased_threads", "psycopg2"),
    ],
)
def test_a_pool_a_pooler_or_a_fix_under_load_gives_no_cause(
    lab: Lab, tmp_path: Path, mode: str, strategy: str, driver: str
) -> None:
    if strategy == "pgbouncer" and shutil.which("pgbouncer", path=f"{os.defpath}:/usr/sbin") is None:
        pytest.skip("there is no PgBouncer here")
    chosen = config_of(STRATEGIES, strategy, {}, "strategy")
    with leaking_site(lab, tmp_path, choice(mode), chosen, driver=driver, garbage=True) as site:
        assert verdicts_under_load(site) == set()
