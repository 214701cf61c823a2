"""Forks of every kind: a child has its own files, even if none of Python's hooks has run, and nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.request_totals import RequestTotals

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

CHILDREN, THREADS, REQUESTS = 3, 4, 5
# Each thread of each child makes its requests on its own connection, the first thread on an inherited one.
PROGRAM: Final = """
import ctypes, json, os, sys, threading
from loadlab.instrumentation import fork_detection
told = json.loads(sys.argv[1])
if told["mark"] == "pid":
    fork_detection.WIPE_ON_FORK = -1  # which no kernel knows
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": told["name"], "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["loadlab.instrumentation"],
)
django.setup()
from django.db import close_old_connections, connection
from loadlab.instrumentation import current

def request():
    close_old_connections()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    current.request_times().add("x/", "GET", 200, 1)
    close_old_connections()

def requests():
    barrier.wait()
    for _ in range(told["requests"]):
        request()

def say_its_ledger():
    os.write(1, current.ledger()._file.path.name.encode() + b"\\n")

def libc_fork():
    return ctypes.PyDLL(None).fork()

request()
if told["inherit"] == "no":
    connection.close()
children = []
for _ in range(told["children"]):
    child = {"libc": libc_fork, "os": os.fork}[told["fork"]]()
    if child == 0:
        barrier = threading.Barrier(told["threads"])
        threads = [threading.Thread(target=requests) for _ in range(told["threads"] - 1)]
        for thread in threads:
            thread.start()
        requests()
        for thread in threads:
            thread.join()
        say_its_ledger()
        os._exit(0)
    children.append(child)
for child in children:
    assert os.waitpid(child, 0)[1] == 0
say_its_ledger()
"""


def forked(ledgers: Path, **told: Any) -> int:
    """Run the program; how many ledgers it has kept: one that has ended may be folded by the next."""
    argv = [sys.executable, "-c", PROGRAM]
    given = {"children": CHILDREN, "threads": THREADS, "requests": REQUESTS, "name": str(ledgers.parent / "db"), **told}
    environment = {**os.environ, "LOADLAB_LEDGER_DIR": str(ledgers)}
    done = subprocess.run(
        [*argv, json.dumps(given)], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return len(set(done.stdout.split()))


@pytest.mark.parametrize(
    ("fork", "mark", "inherit"),
    [("libc", "page", "no"), ("libc", "page", "yes"), ("libc", "pid", "yes"), ("os", "page", "yes")],
)
def test_a_forked_child_writes_its_own_files(ledgers: Path, fork: str, mark: str, inherit: str) -> None:
    assert forked(ledgers, fork=fork, mark=mark, inherit=inherit) == 1 + CHILDREN
    totals = CounterSet(ledgers).read().aliases["default"]
    requests = 1 + CHILDREN * THREADS * REQUESTS
    assert (totals.requests_opened + totals.requests_reused, RequestTotals(ledgers).read().requests) == (requests,) * 2
    # The first thread of each child goes on with the connection that it has inherited, if it has.
    own = THREADS if inherit == "no" else THREADS - 1
    assert totals.opened == totals.requests_opened == 1 + CHILDREN * own
    assert totals.opened == sum(totals.closed.values())


FORKS_WHILE_READING: Final = """
import os, signal, sys, threading
from pathlib import Path
import django
from django.conf import settings
folder = Path(sys.argv[1])
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db", "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["loadlab.instrumentation"],
)
django.setup()
from django.db import connection
from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger_content import LedgerContent
from loadlab.instrumentation.open_connections import open_connections

reads, reading, forked = LedgerContent._texts, threading.Event(), threading.Event()

def held(*arguments):
    if threading.current_thread() is reader:
        reading.set()
        forked.wait()
    return reads(*arguments)

LedgerContent._texts = held
connection.ensure_connection()
reader = threading.Thread(target=lambda: open_connections(current.directory()))
reader.start()
reading.wait()
child = os.fork()
if child == 0:
    signal.alarm(int(sys.argv[2]))  # it ends a child that waits for ever
    CounterSet(current.directory()).read()
    os._exit(len(open_connections(current.directory())))
forked.set()
reader.join()
print(os.WEXITSTATUS(os.waitpid(child, 0)[1]))
"""


def test_a_child_that_is_forked_while_another_thread_reads_ledgers_reads_them_too(ledgers: Path) -> None:
    argv = [sys.executable, "-c", FORKS_WHILE_READING, str(ledgers.parent), str(int(PATIENCE_SECONDS))]
    environment = {**os.environ, "LOADLAB_LEDGER_DIR": str(ledgers)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


CLOSES_ITS_COPY: Final = """
import os, sys
import django
from django.conf import settings
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1], "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["loadlab.instrumentation"],
)
django.setup()
from django.db import connection
from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet

def counted():
    totals = CounterSet(current.directory()).read().aliases["default"]
    print(totals.opened, sum(totals.closed.values()), totals.open, flush=True)

def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

query()
child = os.fork()
if child == 0:
    connection.close()
    query()
    counted()
    connection.close()
    os._exit(0)
os.waitpid(child, 0)
query()
counted()
connection.close()
counted()
"""


def test_a_child_that_closes_its_copy_of_sqlite_s_leaves_the_parent_s_open(ledgers: Path) -> None:
    argv = [sys.executable, "-c", CLOSES_ITS_COPY, str(ledgers.parent / "db")]
    environment = {**os.environ, "LOADLAB_LEDGER_DIR": str(ledgers)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=300)
    opened_closed_open = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert opened_closed_open == [(2, 0, 2), (2, 1, 1), (2, 2, 0)], done.stderr
