"""A small Django site on a real PostgreSQL, served by runserver, and all that lists its open connections."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from patience import PATIENCE_SECONDS, await_that

from loadlab.judges.postgresql import PostgreSQL
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.services.database import Database

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TOKEN: Final = "canary-token-77"
HOSTILE: Final = "evil\x1b[2J\n\tname\u202e"
# Nothing is collected: what is leaked stays so, and counts are exact.
SETTINGS: Final = """
import gc, json, os
gc.disable()
SECRET_KEY = "canary-key-78"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
INSTALLED_APPS = ["loadlab.instrumentation"]
ROOT_URLCONF = "shop"
DATABASES = json.loads(os.environ["SHOP_DATABASES"])
LOADLAB = {"METRICS_TOKEN": "canary-token-77"}
"""
SHOP: Final = """
import threading
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from loadlab.instrumentation.views import connections, metrics

def query(*_, **__):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 'canary-query-79'")
    return HttpResponse()

def hostile(request):
    thread = threading.Thread(target=query, name="evil\\x1b[2J\\n\\tname\\u202e")
    thread.start()
    thread.join()
    return query()

urlpatterns = [
    path("shop/<int:pk>/", query),
    path("evil\\x1b[2J\\n\\tname\\u202e/", hostile),
    path("metrics", metrics),
    path("metrics/connections", connections),
]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedSite:
    """`folder` is the project's, and `port` the server's. The `cursor` is connected to another database."""

    database: Database
    cursor: Any
    folder: Path
    port: int
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledgers(self) -> Path:
        return self.folder / "ledgers"

    def ask(self, path: str = "/shop/7/", *, count: int = 1) -> None:
        """So many requests, each on a new connection to the server."""
        for _ in range(count):
            urllib.request.urlopen(f"{self.url}{path}", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own

    def page(self, query: str = "") -> str:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/metrics/connections{query}", headers={"Authorization": f"Bearer {TOKEN}"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
            return str(answer.read().decode())

    def manage(self, *arguments: str, **environment: str) -> str:
        """What a management command of the project says, which must end well."""
        done = subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def backends(self) -> list[int]:
        """What PostgreSQL has, sorted."""
        return sorted(PostgreSQL(self.cursor, self.database.name).pids())

    def await_alone(self, *others: int) -> list[int]:
        """What PostgreSQL has, once that is what the site has open, and these: sessions of listings may be ending."""

        def expected() -> list[int]:
            return sorted([*others, *(one["backend"] for one in json.loads(self.page())["connections"])])

        await_that(lambda: self.backends() == expected(), lambda: f"{self.backends()} instead of {expected()}")
        return self.backends()

    def dsn(self) -> dict[str, str]:
        """The environment in which env:SHOP_DSN names the site's database."""
        address = self.database.parameters
        dsn = f"host={address['host']} port={address['port']} user={address['user']} dbname={self.database.name}"
        return {**self.database.environment, "SHOP_DSN": dsn, "SHOP_TOKEN": TOKEN}


@contextmanager
def listed_site(
    database: Database, cursor: Any, folder: Path, *options: str, max_age: int = 600
) -> Iterator[ListedSite]:
    """Served by runserver with these options, and this CONN_MAX_AGE."""
    entry = {**database.django(), "CONN_MAX_AGE": max_age}
    (folder / "shop_settings.py").write_text(SETTINGS)
    (folder / "shop.py").write_text(SHOP)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    environment = {
        **kept,
        **database.environment,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(folder)]),
        "DJANGO_SETTINGS_MODULE": "shop_settings",
        "LOADLAB_LEDGER_DIR": str(folder / "ledgers"),
        "SHOP_DATABASES": json.dumps({"default": entry}),
    }
    site = ListedSite(database=database, cursor=cursor, folder=folder, port=free_port(), environment=environment)
    command = [sys.executable, "-m", "django", "runserver", "--noreload", *options, str(site.port)]
    log = folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=output) as server,
    ):
        try:
            await_that(lambda: _answers(site), log.read_text)
            yield site
        finally:
            server.kill()
            server.wait()


def _answers(site: ListedSite) -> bool:
    with suppress(OSError):
        return bool(site.page())
    return False
