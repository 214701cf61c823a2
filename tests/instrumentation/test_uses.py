"""Uses of connections: each request leaves one record, in the file of its own process, and only where it is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.instrumentation.uses_file import CELLS, FILE_BYTES, SUFFIX, VARIABLE, read_uses

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

CHILDREN, THREADS, REQUESTS = 2, 3, 4
# Requests of three kinds: two that query, one that does not. In each child, threads that serve again; and at the end a
# connection that nobody closes.
PROGRAM: Final = f"""
import gc, os, sys, threading
import django
from django.conf import settings
settings.configure(
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "CONN_MAX_AGE": None}}}},
    INSTALLED_APPS=["loadlab.instrumentation"], ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
)
django.setup()
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path

def query(request):
    for _ in range(2):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    return HttpResponse()

urlpatterns = [path("query/", query), path("plain/", lambda request: HttpResponse())]
application = get_wsgi_application()

def ask(url):
    environ = RequestFactory().get(url).environ
    application(environ, lambda status, headers: None).close()

def requests():
    for _ in range({REQUESTS}):
        ask("/query/")
        ask("/plain/")

requests()
connection.close()
children = []
for _ in range({CHILDREN}):
    child = os.fork()
    if child == 0:
        threads = [threading.Thread(target=requests) for _ in range({THREADS})]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ask("/query/")
        gc.collect()
        ask("/query/")
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""


def run(ledgers: Path, **environment: str) -> None:
    argv = [sys.executable, "-c", PROGRAM, str(ledgers.parent / "db")]
    told = {**os.environ, "LOADLAB_LEDGER_DIR": str(ledgers), **environment}
    done = subprocess.run(argv, env=told, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr


def test_each_request_that_queries_leaves_one_record(ledgers: Path) -> None:
    run(ledgers, **{VARIABLE: "default"})
    uses = read_uses(ledgers)
    per_child = THREADS * REQUESTS + 2
    assert sorted(Counter(use.process for use in uses).values()) == [REQUESTS, *[per_child] * CHILDREN]
    assert all(use.began < use.ended for use in uses)
    assert [use.began for use in uses] == sorted(use.began for use in uses)
    opened = [use for use in uses if use.connect is not None]
    # The parent's, each thread's, and that of each child's own first thread.
    assert len(opened) == len({(use.process, use.thread) for use in uses}) == 1 + CHILDREN * (THREADS + 1)
    assert all(use.connect is not None and use.connect > 0 for use in opened)


def test_a_collected_connection_is_noted_in_its_last_use(ledgers: Path) -> None:
    """Each thread has ended: its connection is collected before the process' last request, and after its own last."""
    run(ledgers, **{VARIABLE: "default"})
    uses = read_uses(ledgers)
    collected = [use for use in uses if use.collected is not None]
    assert len(collected) == CHILDREN * THREADS
    for use in collected:
        of_thread = [each for each in uses if (each.process, each.thread) == (use.process, use.thread)]
        last = max(each.began for each in uses if each.process == use.process)
        assert use.began == max(each.began for each in of_thread)
        assert use.ended < (use.collected or 0.0) < last


def test_nothing_is_written_where_nobody_asks(ledgers: Path) -> None:
    run(ledgers)
    assert not list(ledgers.glob(f"*{SUFFIX}"))
    assert list(ledgers.glob("*.ledger"))


def test_only_the_named_aliases_are_recorded(ledgers: Path) -> None:
    run(ledgers, **{VARIABLE: "replica"})
    assert read_uses(ledgers) == []


def test_a_full_file_ends_what_is_known_of_all_processes(tmp_path: Path) -> None:
    def written(pid: int, times: range) -> None:
        cells = [cell for at in times for cell in (at + 1, at + 2, 1, -1, 0, at, -1, -1)]
        content = b"".join(cell.to_bytes(8, "little", signed=True) for cell in cells)
        (tmp_path / f"{pid}{SUFFIX}").write_bytes(content)

    records = FILE_BYTES // CELLS // 8
    written(1, range(records))
    written(2, range(0, 2 * records, 1000))
    assert max(use.began for use in read_uses(tmp_path) if use.process == 1) <= records * 1e-9
