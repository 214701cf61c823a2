"""What all tests share: the folder of fresh ledgers, and Django with the target's settings."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from loadlab.settings_override.configuration import SettingsOverride

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["lanes", "browser", "command_line", "laboratory", "lone_site", "poolers", "task_project"]

# Each module is compiled once, and not in every process that tests start, even where the environment forbids it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Nothing is timed: a busy machine may take long over an example, or over making one up. Twenty times as many examples
# are tried with --hypothesis-profile many.
settings.register_profile(
    "usual",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.register_profile("many", settings.get_profile("usual"), max_examples=1000)
settings.load_profile("usual")

# Tests send these, and a suite that runs in the background or under nohup has been told to ignore them.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Before anything of Django is imported: counting itself is tested on SQLite, in this very process.
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.settings_override.settings")
OWN_LEDGERS = tempfile.mkdtemp(prefix="loadlab-tests-")
os.environ["LOADLAB_LEDGER_DIR"] = OWN_LEDGERS
os.environ |= SettingsOverride(
    settings="loadlab.sample_app.settings",
    databases={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    instrumented=False,
).to_environment()


def pytest_unconfigure() -> None:
    shutil.rmtree(OWN_LEDGERS, ignore_errors=True)


@pytest.fixture
def ledgers(tmp_path: Path) -> Path:
    folder = tmp_path / "ledgers"
    folder.mkdir()
    return folder
