"""Whose each open connection is: the thread's end is seen at once, and what keeps a connection after it as well."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from loadlab.instrumentation import layout
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.open_connections import listing_of, open_connections
from loadlab.model.metrics import CloseReason
from loadlab.system.processes import UNPRIVILEGED

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

PROGRAM: Final = """
import asyncio, gc, json, sys, threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import django
from django.conf import settings
folder, what = Path(sys.argv[1]), sys.argv[2]
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db", "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["loadlab.instrumentation"],
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
)
django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, connection, connections
from django.db.utils import ConnectionHandler
from asgiref.sync import sync_to_async
from django.http import HttpResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.urls import path
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.open_connections import open_connections

def query(*_, **__):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse()

handler = WSGIHandler()

def get(url):
    response = handler(RequestFactory().get(url).environ, lambda *_: None)
    list(response)
    response.close()

def early(url):
    from django.core.signals import request_started
    request_started.connect(query)
    get(url)

async def insensitive(request):
    return await sync_to_async(query, thread_sensitive=False)()

def stream(request):
    def parts():
        query()
        listing()
        yield b"part"
    return StreamingHttpResponse(parts())

def jobs():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(query).result()
        return HttpResponse()

async def ask(url):
    from asgiref.testing import ApplicationCommunicator
    from django.core.handlers.asgi import ASGIHandler
    from django.test import AsyncRequestFactory
    scope = AsyncRequestFactory().get(url).scope
    app = ApplicationCommunicator(ASGIHandler(), scope)
    await app.send_input({"type": "http.request"})
    await app.receive_output(10)
    await app.receive_output(10)
    await app.wait(10)

urlpatterns = [
    path("shop/<int:pk>/", query),
    path("stream/", stream),
    path("insensitive/", insensitive),
    path("wait/", lambda request: (query(), listing())[0]),
]

def in_thread(work, *args):
    thread = threading.Thread(target=work, args=args)
    thread.start()
    thread.join()

def listing():
    listed.append([
        [one.holder.label, one.thread_name, str(one.opened_by), str(one.used_by), one.served, one.kept]
        + [name for name in ("asgi", "executor", "answered", "unended") if getattr(one, name)]
        for one in open_connections(folder / "ledgers")
    ])
    held = CounterSet(folder / "ledgers").read().aliases["default"].holders
    assert {h.label: n for h, n in held.items() if n} == {row[0]: 1 for row in listed[-1]}, held

listed, kept = [], []
gc.disable()
if what == "ends":
    in_thread(get, "/shop/7/")
    listing()
    gc.collect()
    listing()
if what == "kept":
    in_thread(lambda: (get("/shop/7/"), kept.append(connections["default"])))
    listing()
    gc.collect()
    listing()
if what == "older":
    from django.db.backends.sqlite3.base import DatabaseWrapper
    init = DatabaseWrapper.__init__
    def init_and_age(self, *args):
        init(self, *args)
        gc.collect(0)  # so that the wrapper is older than what is made after it
    DatabaseWrapper.__init__ = init_and_age
    in_thread(get, "/shop/7/")
    gc.collect(0)
    listing()
    gc.collect(1)
    listing()
if what == "lives":
    get("/wait/")
    listing()
if what == "early":
    early("/shop/7/")
    listing()
if what == "streams":
    get("/stream/")
    listing()
if what == "jobs":
    jobs()
    listing()
if what == "asgi":
    asyncio.run(ask("/shop/7/"))
    listing()
if what == "insensitive":
    async def twice():
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "asyncio"))
        await ask("/insensitive/")
        listing()
        await ask("/insensitive/")
        listing()
    asyncio.run(twice())
if what == "outside":
    query()
    listing()
    close_old_connections()
    listing()
if what == "shared":
    connection.inc_thread_sharing()
    ours = connections["default"]
    def lent():
        connections["default"] = ours
        query()
    in_thread(lent)
    gc.collect()
    listing()
if what == "found":
    def lend():
        connection.inc_thread_sharing()
        query()
        kept.append(connections["default"])
    in_thread(lend)
    listing()
    connections["default"] = kept[0]
    query()
    listing()
if what == "dropped":
    from loadlab.instrumentation.holders import presence
    for _ in range(10):
        query()
        del connections["default"]
        gc.collect()
    listed.append(len(presence().rows))
if what == "names":
    def named(number):
        thread = threading.Thread(target=query, name=f"{chr(0x4E00 + number)} order")
        thread.start()
        thread.join()
    for number in range(225):
        named(number)
    gc.collect()
    get("/shop/7/")
    listing()
if what == "routes":
    for number in range(250):
        urlpatterns.append(path(f"page/{number}/", query))
    for number in range(250):
        get(f"/page/{number}/")
    connections.close_all()
    in_thread(get, "/page/249/")
    (only,) = open_connections(folder / "ledgers")
    assert only.opened_by.kind == "request"
    listing()
if what == "apart":
    def copy():
        kept.extend([connection.copy(), ConnectionHandler()["default"]])
        for one in kept:
            one.cursor().execute("SELECT 1")
    in_thread(lambda: (get("/shop/7/"), copy()))
    gc.collect()
    listed.append([[one.holder.label, one.thread_name, one.apart] for one in open_connections(folder / "ledgers")])
print(json.dumps(listed))
"""


def listings(folder: Path, what: str, *command: str) -> Any:
    told = {**os.environ, "LOADLAB_LEDGER_DIR": str(folder / "ledgers")}
    program = [sys.executable, "-c", PROGRAM, str(folder), what, *command]
    ran = subprocess.run(program, env=told, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_a_connection_whose_thread_has_ended_is_leaked_until_it_is_collected(tmp_path: Path) -> None:
    ended, collected = listings(tmp_path, "ends")
    assert ended == [["leaked", "Thread-* (get)", "shop/<int:pk>/", "shop/<int:pk>/", 1, False]]
    assert collected == []


def test_what_the_garbage_collector_leaves_open_is_kept_by_something(tmp_path: Path) -> None:
    ended, searched = listings(tmp_path, "kept")
    assert [one[0] for one in (*ended, *searched)] == ["leaked", "leaked"]
    assert [one[-1] for one in (*ended, *searched)] == [False, True]


def test_a_search_for_young_garbage_alone_says_nothing_of_an_older_wrapper(tmp_path: Path) -> None:
    young, both = listings(tmp_path, "older")
    assert [(one[0], one[-1]) for one in young] == [("leaked", False)]
    assert both == []


def test_a_request_is_in_use_until_it_ends_and_then_its_thread_is_idle(tmp_path: Path) -> None:
    during, after = listings(tmp_path, "lives")
    assert during == [["in_use", "MainThread", "wait/", "wait/", 1, False]]
    assert after == [["idle", "MainThread", "wait/", "wait/", 1, False]]


def test_what_a_request_opens_before_its_url_is_resolved_has_its_route(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "early")
    assert after == [["idle", "MainThread", "shop/<int:pk>/", "shop/<int:pk>/", 1, False]]


def test_what_no_unit_has_used_is_outside_whether_it_is_in_use_or_not(tmp_path: Path) -> None:
    during, after = listings(tmp_path, "outside")
    assert during == after == [["outside", "MainThread", "other", "other", 1, False]]


def test_a_stream_that_queries_is_known_by_its_view_having_returned(tmp_path: Path) -> None:
    during, after = listings(tmp_path, "streams")
    assert during == [["in_use", "MainThread", "stream/", "stream/", 1, False, "answered"]]
    assert after == [["idle", "MainThread", "stream/", "stream/", 1, False]]


def test_a_job_of_an_executor_is_known_and_has_its_function_s_name(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "jobs")
    assert after == [["leaked", "ThreadPoolExecutor-*_*", "__main__.query", "other", 1, False, "executor"]]


def test_what_an_asgi_request_opens_is_told_from_another_executor_s(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "asgi")
    route = "shop/<int:pk>/"
    assert after == [["leaked", "ThreadPoolExecutor-*_*", route, route, 1, False, "asgi", "executor"]]


def test_a_thread_in_which_no_request_ends_is_known_at_its_second(tmp_path: Path) -> None:
    once, twice = listings(tmp_path, "insensitive")
    first = ["in_use", "asyncio_*", "insensitive/", "insensitive/", 1, False, "asgi", "executor"]
    assert once == [first]
    assert twice == [[*first[:4], 2, *first[5:], "unended"]]


def test_what_djangos_handler_has_not_made_is_apart_and_not_leaked(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "apart")
    assert after == [["idle", "Thread-* (<lambda>)", True]] * 2


def test_a_connection_of_another_thread_s_wrapper_is_not_leaked_with_its_opener(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "shared")
    assert after == [["outside", "Thread-* (lent)", "__main__.lent", "other", 1, False]]


def test_what_another_thread_uses_after_its_opener_has_ended_is_not_leaked(tmp_path: Path) -> None:
    ended, used = listings(tmp_path, "found")
    assert [one[0] for one in (*ended, *used)] == ["leaked", "outside"]


def test_a_thread_remembers_no_connection_that_was_dropped_and_collected(tmp_path: Path) -> None:
    assert listings(tmp_path, "dropped") == [0]


def test_threads_with_a_name_each_take_no_room_from_routes(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "names")
    assert after == [["idle", "other", "shop/<int:pk>/", "shop/<int:pk>/", 1, False]]


def test_a_secret_in_the_name_of_a_thread_is_not_shown(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    for name in ("fetch https://shop:canary@example.com/", "mails-*"):
        row = ledger.connecting("default")
        row.opened()
        row.held(7, (8, ledger.thread(name)), 0)
    assert sorted(one.thread_name for one in open_connections(ledgers)) == ["", "mails-*"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(ledgers: Path) -> None:
    ledgers.chmod(0o700)
    os.seteuid(pwd.getpwnam(UNPRIVILEGED).pw_uid)
    try:
        with pytest.raises(PermissionError):
            open_connections(ledgers)
    finally:
        os.seteuid(0)


def test_a_request_of_a_route_beyond_the_table_is_still_one(tmp_path: Path) -> None:
    (after,) = listings(tmp_path, "routes")
    assert after == [["leaked", "Thread-* (get)", "other", "other", 1, False]]


def test_a_folder_that_no_process_writes_to_is_named(tmp_path: Path) -> None:
    (note,) = listing_of(tmp_path, {}).notes
    assert note.startswith(f"No process counts connections in {tmp_path}. ")
    assert listing_of(tmp_path, {}).uncounted
    (tmp_path / "7-0.ledger").touch()  # that no process holds
    assert listing_of(tmp_path, {}).notes == (note,)
    kept = Ledger(tmp_path)
    assert listing_of(tmp_path, {}).notes == ()
    assert listing_of(tmp_path, {}, asking=os.getpid()).notes == (note,)
    del kept


def test_a_ledger_with_an_impossible_row_keeps_no_other_from_being_listed(ledgers: Path) -> None:
    kept = [Ledger(ledgers), Ledger(ledgers)]
    for ledger in kept:
        ledger.connecting("default").opened()
    damaged = min(ledgers.glob("*.ledger"))
    with damaged.open("r+b") as file:
        file.seek(layout.ROWS_OFFSET + layout.ALIAS * layout.CELL_BYTES)
        file.write((1 << 40).to_bytes(8, "little"))
    assert len(open_connections(ledgers)) == 1


def test_a_number_that_the_database_gives_anew_is_not_shared_with_those_who_inherited_it(ledgers: Path) -> None:
    parent, child = Ledger(ledgers), Ledger(ledgers)
    rows = []
    for alias in ("default", "archive"):
        rows.append(parent.connecting(alias))
        rows[-1].opened()
        rows[-1].held(77, (8, 0), 0)
    child.inherited("default", 77)
    shared = {one.alias: one.shared_with for one in open_connections(ledgers)}
    assert shared == {"default": (os.getpid(),), "archive": ()}
    rows[0].closed(CloseReason.EXPLICIT)
    later = parent.connecting("default")
    later.opened()
    later.held(77, (8, 0), 0)
    assert [one.shared_with for one in open_connections(ledgers)] == [(), ()]


def test_the_last_closed_connection_of_each_alias_is_told(ledgers: Path) -> None:
    ledger = Ledger(ledgers)
    rows = [ledger.connecting(alias) for alias in ("default", "default", "archive", "default")]
    for number, row in enumerate(rows):
        row.opened()
        row.held(70 + number, (8, 0), 0)
    for row in (rows[1], rows[2], rows[0]):
        row.closed(CloseReason.MAX_AGE)
    assert {(one.alias, one.backend) for one in listing_of(ledgers, {}).ended} == {("default", 70), ("archive", 72)}
