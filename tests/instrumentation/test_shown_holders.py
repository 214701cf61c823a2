"""In each scrape of a busy site, holders add up to what was opened and has not closed, to the last connection."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from patience import await_that
from prometheus_client import CollectorRegistry

from loadlab.instrumentation.collector import ConnectionCollector

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

FEWEST_SCRAPES: Final = 50
# Threads that live on and threads that end after three requests, of which the garbage collector finds some.
SITE: Final = """
import sys, threading
from pathlib import Path
import django
from django.conf import settings
folder = Path(sys.argv[1])
settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db", "CONN_MAX_AGE": None}},
    INSTALLED_APPS=["loadlab.instrumentation"],
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"],
)
django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path

def query(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return HttpResponse()

urlpatterns = [path("shop/", query)]
handler = WSGIHandler()
stopped = threading.Event()

def get():
    handler(RequestFactory().get("/shop/").environ, lambda *_: None).close()

def live():
    while not stopped.is_set():
        get()

def end():
    for _ in range(3):
        get()

lasting = [threading.Thread(target=live) for _ in range(3)]
for each in lasting:
    each.start()
reading = threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()))
reading.start()
while not stopped.is_set():
    passing = threading.Thread(target=end)
    passing.start()
    passing.join()
for each in lasting:
    each.join()
"""
NAMES: Final = {
    "loadlab_db_connections_open": 1,
    "loadlab_db_connections_opened_total": -1,
    "loadlab_db_connections_closed_total": 1,
}


def counted(folder: Path) -> tuple[int, dict[str, int], int]:
    """Of one scrape: how many are opened, open by holder, and how many open and closed ones are too many."""
    registry = CollectorRegistry()
    registry.register(ConnectionCollector(folder))
    samples = [one for family in registry.collect() for one in family.samples if one.name in NAMES]
    held = {one.labels["holder"]: int(one.value) for one in samples if "holder" in one.labels}
    opened = sum(int(one.value) for one in samples if one.name.endswith("opened_total"))
    return opened, held, sum(int(one.value) * NAMES[one.name] for one in samples)


def test_each_scrape_of_a_busy_site_accounts_for_every_connection(tmp_path: Path) -> None:
    told = {**os.environ, "LOADLAB_LEDGER_DIR": str(tmp_path / "ledgers")}
    opened: list[int] = []
    held: set[str] = set()

    def enough() -> bool:
        now, holders, excess = counted(tmp_path / "ledgers")
        assert excess == 0, holders
        opened.append(now)
        held.update(holder for holder, count in holders.items() if count)
        return len(opened) >= FEWEST_SCRAPES and held >= {"leaked", "in_use", "idle"}

    with subprocess.Popen([sys.executable, "-c", SITE, str(tmp_path)], env=told, stdin=subprocess.PIPE) as site:
        try:
            await_that(enough, "the site never has connections of each holder")
        finally:
            site.communicate()
    assert site.returncode == 0
    assert opened[-1] > opened[0]
