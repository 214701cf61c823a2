"""What management commands open is counted too: PostgreSQL's log is the judge, database by database."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.instrumentation.counters import CounterSet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.lab import Lab

REPOSITORY: Final = Path(__file__).resolve().parents[2]
SETTINGS: Final = """
import json, os
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["loadlab.instrumentation", "django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": json.loads(os.environ["ENTRY"])}
LOADLAB = {"SERVER": "gunicorn site.wsgi -w 2"}
"""
TESTS: Final = """
from threading import Thread
from django.contrib.auth.models import User
from django.db import connection
from django.test import TestCase, TransactionTestCase


class One(TestCase):
    def test_users(self):
        self.assertEqual(User.objects.count(), 0)


class Two(TransactionTestCase):
    def test_users_in_a_thread(self):
        def count():
            User.objects.count()
            connection.close()
        thread = Thread(target=count)
        thread.start()
        thread.join()


class Three(TestCase):
    def test_a_copy(self):
        copy = connection.copy()
        with copy.temporary_connection() as cursor:
            cursor.execute("SELECT 1")
"""
AUTHORIZED: Final = re.compile(r"connection authorized: user=loadlab database=(\S+)")


@pytest.fixture
def superuser(lab: Lab) -> Iterator[Lab]:
    """The lab, while the target may make databases and PostgreSQL notes each connection that it lets in."""
    lab.cursor.execute("ALTER ROLE loadlab CREATEDB")
    lab.cursor.execute("ALTER SYSTEM SET log_connections = on")
    lab.cursor.execute("SELECT pg_reload_conf()")
    yield lab
    lab.cursor.execute("ALTER SYSTEM RESET log_connections")
    lab.cursor.execute("ALTER ROLE loadlab NOCREATEDB")
    lab.cursor.execute("SELECT pg_reload_conf()")


@contextmanager
def authorized(lab: Lab) -> Iterator[Counter[str]]:
    """How often each database was entered by the target's role; filled in at the end."""
    log = lab.logs / "postgresql.log"
    before = log.stat().st_size
    entered: Counter[str] = Counter()
    yield entered
    entered.update(AUTHORIZED.findall(log.read_bytes()[before:].decode()))


def manage(lab: Lab, folder: Path, *arguments: str) -> str:
    """What a command of the project said."""
    (folder / "commanded.py").write_text(SETTINGS)
    (folder / "tests.py").write_text(TESTS)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    environment = {
        **kept,
        **lab.database.environment,
        "PYTHONPATH": f"{REPOSITORY}:{folder}",
        "DJANGO_SETTINGS_MODULE": "commanded",
        "LOADLAB_LEDGER_DIR": str(folder / "ledgers"),
        "ENTRY": json.dumps(lab.database.django()),
    }
    argv = [sys.executable, "-m", "django", *arguments]
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("more", [[], ["--parallel", "2"]], ids=["alone", "parallel"])
def test_a_projects_parallel_tests_are_counted_exactly(superuser: Lab, tmp_path: Path, more: list[str]) -> None:
    with authorized(superuser) as entered:
        said = manage(superuser, tmp_path, "test", *more)
    assert "Ran 3 tests" in said
    assert "loadlab.W" not in said
    aliases = CounterSet(tmp_path / "ledgers").read().aliases
    assert {alias: totals.open for alias, totals in aliases.items()} == {"__no_db__": 0, "default": 0}
    assert aliases["__no_db__"].opened == entered.pop("postgres") > 0
    assert aliases["default"].opened == entered.total() > 3
    assert len(entered) == (3 if more else 1)  # a clone for each process


@pytest.mark.parametrize("command", [["check", "--database", "default"], ["showmigrations"]], ids=lambda c: c[0])
def test_a_command_is_not_warned_of_connections_it_opened_itself(
    superuser: Lab, tmp_path: Path, command: list[str]
) -> None:
    with authorized(superuser) as entered:
        said = manage(superuser, tmp_path, *command)
    assert "loadlab.W" not in said
    assert CounterSet(tmp_path / "ledgers").read().aliases["default"].opened == entered.total() == 1
