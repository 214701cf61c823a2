"""A small Django project with a background worker, in real processes, and what its ledgers say of its tasks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.open_connections import open_connections
from loadlab.model.metrics import ProcessRole, UnitKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.instrumentation.counters import Totals

REPOSITORY: Final = Path(__file__).resolve().parent.parent
SETTINGS: Final = """
from pathlib import Path
HERE = Path(__file__).parent
SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["loadlab.instrumentation", "django.contrib.contenttypes"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HERE / "default.db",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"timeout": 60},
    }
}
ROOT_URLCONF = "settings"
urlpatterns = []
"""
# What tasks do: nothing, a query or two, a new connection in the middle, or the end of their process.
WORK: Final = """
import os, signal
from django.db import connection

def query():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")

def done(what):
    if what == "nothing":
        return
    query()
    if what == "reconnects":
        connection.close()
    query()
    if what == "fails":
        raise ValueError("on purpose")
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class TaskProject:
    """`folder` has settings.py, work.py and what a test adds."""

    folder: Path
    ledgers: Path

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join([str(REPOSITORY), str(self.folder)]),
            "DJANGO_SETTINGS_MODULE": "settings",
            "LOADLAB_LEDGER_DIR": str(self.ledgers),
        }

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text((path.read_text() if path.exists() else "") + text)

    def run(self, *arguments: str) -> str:
        """What a Python program of the project says, which must end well."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def worker(self, *arguments: str, ends_by: int = signal.SIGTERM, **more: str) -> Iterator[subprocess.Popen[bytes]]:
        """A worker, which is told to end at the end, and must."""
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=self.folder,
                env=self.environment | more,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            try:
                yield worker
                worker.send_signal(ends_by)
                worker.wait(PATIENCE_SECONDS)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()

    def totals(self) -> Totals | None:
        return CounterSet(self.ledgers).read().aliases.get("default")

    def units(self, kind: UnitKind = UnitKind.TASK) -> tuple[int, int]:
        """How many opened a connection, and how many found one."""
        totals = self.totals()
        return totals.units[kind] if totals else (0, 0)

    def await_units(self, expected: tuple[int, int], kind: UnitKind = UnitKind.TASK) -> None:
        await_that(lambda: sum(self.units(kind)) >= sum(expected), self.told)
        assert self.units(kind) == expected, self.told()

    def await_holders(self, *expected: str) -> None:
        """Until its open connections have these holders, by their labels in order."""

        def held() -> list[str]:
            return sorted(one.holder.label for one in open_connections(self.ledgers))

        await_that(lambda: held() == list(expected), lambda: f"{held()}\n{self.told()}")

    def told(self) -> str:
        log = self.folder / "worker.log"
        return f"{self.totals()}\n{log.read_text(errors='replace')[-4000:] if log.exists() else ''}"

    def require_all_of_the_worker(self) -> None:
        """All that was opened is the worker's, and has ended."""
        totals = self.totals()
        assert totals is not None
        assert totals.opened == sum(totals.closed.values())
        assert totals.roles[ProcessRole.WORKER] == (0, totals.opened)


@pytest.fixture
def project(tmp_path: Path, ledgers: Path) -> TaskProject:
    made = TaskProject(folder=tmp_path, ledgers=ledgers)
    made.write("settings.py", SETTINGS)
    made.write("work.py", WORK)
    return made


def each_of(**counts: int) -> Sequence[str]:
    """So many tasks of each name."""
    return [name for name, count in counts.items() for _ in range(count)]
