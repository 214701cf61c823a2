"""A project's other databases: an embedded run writes into none of them, and says where they lead before it begins."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

import pytest
from factories.projects import made

from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import CommandLine, InProcess

SETTINGS: Final = """
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED_APPS = ["log", "shop"]
DATABASE_ROUTERS = ["router.Apart"]
SQLITE = "django.db.backends.sqlite3"
DATABASES = {
    "default": {"ENGINE": SQLITE, "NAME": HERE / "shop.sqlite3", "ATOMIC_REQUESTS": True},
    "audit": {"ENGINE": SQLITE, "NAME": HERE / "audit.sqlite3"},
    "audit_copy": {"ENGINE": SQLITE, "NAME": "audit.sqlite3"},
    "cache": {"ENGINE": SQLITE, "NAME": ":memory:"},
}
"""
ROUTER: Final = """
class Apart:
    def allow_migrate(self, db, app_label, **hints):
        return (app_label == "log") is (db == "audit") and db in ("default", "audit")
"""
MODELS: Final = """
from django.db import models


class Line(models.Model):
    text = models.CharField(max_length=20)
"""
MIGRATION: Final = """
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            name="Line",
            fields=[
                ("id", models.AutoField(primary_key=True)),
                ("text", models.CharField(max_length=20)),
            ],
        )
    ]
"""
OTHER_VENDOR: Final = """
DATABASES["legacy"] = {"ENGINE": "legacy", "NAME": "old", "HOST": "db.example", "PORT": "3306"}
"""
URLS: Final = """
from django.db import connection
from django.http import HttpResponse
from django.urls import path
from log.models import Line
from shop.models import Line as Item


def home(request):
    Line.objects.using("audit").create(text="asked")
    Line.objects.using("audit_copy").get(pk=Line.objects.using("audit").latest("pk").pk)
    assert connection.in_atomic_block
    return HttpResponse(str(Item.objects.count()))


urlpatterns = [path("", home)]
"""


LEGACY: Final = """
from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    vendor = "mysql"
"""
LATE: Final = """
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

HERE = Path(__file__).parent.parent


class Log(AppConfig):
    name = "log"

    def ready(self):
        own = {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "audit.sqlite3"}
        settings.DATABASES["audit"] = {**settings.DATABASES["audit"], **own}
"""
APPS: Final = {
    "router.py": ROUTER,
    "log/apps.py": LATE,
    "legacy/__init__.py": "",
    "legacy/base.py": LEGACY,
    **{
        f"{app}/{name}": text
        for app in ("log", "shop")
        for name, text in {
            "__init__.py": "",
            "models.py": MODELS,
            "migrations/__init__.py": "",
            "migrations/0001_initial.py": MIGRATION,
        }.items()
    },
}
EMBEDDED: Final = 'database = "embedded"'


@pytest.fixture
def run(here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What a run that is refused says, in this process."""
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))

    def said(*arguments: str, project: str = EMBEDDED, settings: str = "") -> str:
        plan = made(tmp_path, settings=SETTINGS + settings, urls=URLS, project=project, files=APPS)
        outcome = here("run", plan, "--out", tmp_path / "run", *arguments)
        assert outcome.code in {2, 3}
        assert "Traceback" not in outcome.stderr
        return outcome.stderr

    return said


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_embedded_run_writes_into_none_of_the_projects_databases(loadlab: CommandLine, tmp_path: Path) -> None:
    plan = made(tmp_path, settings=SETTINGS, urls=URLS, files=APPS)
    for name in ("shop", "audit"):
        with closing(sqlite3.connect(tmp_path / "site" / f"{name}.sqlite3")) as connection:
            connection.execute("CREATE TABLE log_line (id integer PRIMARY KEY, text text)")
    before = tree(tmp_path / "site")
    outcome = loadlab("run", plan, "--embedded", "--out", tmp_path / "run")
    assert outcome.code == 0, outcome.stderr
    assert tree(tmp_path / "site") == before
    trials = json.loads((tmp_path / "run" / "report.json").read_text())["trials"]
    assert {(trial["failures"], trial["connections"]["exact"], trial["requests"] > 0) for trial in trials} == {
        (0, True, True)
    }
    assert "DATABASES['audit'] leads to an empty database of the embedded server too, and not to SQLite," in " ".join(
        outcome.stderr.split()
    )


def test_a_database_that_an_embedded_one_cannot_stand_in_for_is_refused(run: Callable[..., str]) -> None:
    """Its engine is SQLite's with another vendor: MySQL's own needs a library of the system's."""
    said = run(settings=OTHER_VENDOR)
    assert "DATABASES['legacy'] leads to MySQL, old on db.example:3306" in said
    assert 'keep_databases = ["legacy"]' in said
    assert "--keep-database legacy" in said
    kept = run("--keep-database", "legacy", settings=OTHER_VENDOR)
    assert "cannot stand in" not in kept
    assert "DATABASES['legacy'] leads to MySQL" in kept
    assert "--allow-remote" in kept
