"""Import names of earlier releases: users' Locust files, settings and gunicorn configurations rely on them."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pickle
import pkgutil
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from every import every
from fork import ROOT

from loadlab.fixes._parameters import names
from loadlab.load.http.errors import HttpFaultError
from loadlab.moved import MOVED, present_name

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.process

# Every path that the documentation of the first release had in an example, with what it takes from there.
DOCUMENTED: Final = {
    "loadlab.cures.close_on_thread_exit": ("CloseOnThreadExit",),
    "loadlab.cures.close_at_handler_end": ("CloseAtHandlerEnd", "post_request"),
    "loadlab.cures.reap_dead_threads": ("ReapDeadThreads",),
    "loadlab.cures.worker_exit_hook": ("WorkerExitHook", "worker_exit", "closing_at_shutdown"),
    "loadlab.cures.leased_threads": ("LeasedThreads", "leased_threads"),
    "loadlab.instrumentation.views": ("metrics",),
    "loadlab.instrumentation.wrappers": ("wsgi_with_metrics",),
    "loadlab.load.lean_user": ("LeanHttpUser",),
    "loadlab.load.user": ("KeepAliveOption", "SiteUser"),
    "loadlab.load.shape": ("SiteShape",),
    "loadlab.load.staircase": ("Staircase",),
    "loadlab.load.pacing": ("Open",),
    "loadlab.load.latency_log": ("keep_latency",),
    "loadlab.load.web": (),
    "loadlab.load.options": (),
    "loadlab.load.worker": (),
    "loadlab.load.http_faults": ("AnswerTimeoutError",),
    "loadlab.target.settings": ("INSTALLED_APPS",),
    "loadlab.target.urls": ("urlpatterns",),
}

SETTINGS: Final = """
SECRET_KEY = "x"
INSTALLED_APPS = [
    "loadlab.cures.close_on_thread_exit.CloseOnThreadExit",
    "loadlab.cures.close_at_handler_end.CloseAtHandlerEnd",
    "loadlab.cures.reap_dead_threads.ReapDeadThreads",
    "loadlab.cures.worker_exit_hook.WorkerExitHook",
    "loadlab.cures.leased_threads.LeasedThreads",
    "loadlab.instrumentation",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "CONN_MAX_AGE": 60}}
LOADLAB_CURES = {"reap_dead_threads": {"interval_seconds": 5}, "leased_threads": {"threads": 3}}
"""

# Locust has to patch sockets before anything else is imported, so each name has its own import in a fresh process.
IMPORTS: Final = """
import importlib, sys
import locust
{settings}
for path, names in {documented!r}.items():
    module = importlib.import_module(path)
    missing = [name for name in names if not hasattr(module, name)]
    assert not missing, (path, missing)
    new = importlib.import_module(present_name(path) or path)
    assert module is new is sys.modules[path], path
"""
SETUP: Final = "import django; from loadlab.moved import present_name; django.setup()"


def python(*arguments: str, settings: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with these settings; `path` is where it finds them."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": settings, "PYTHONPATH": str(path or "")}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_a_path_that_was_documented_has_what_it_had() -> None:
    script = IMPORTS.format(documented=DOCUMENTED, settings=SETUP)
    done = python("-c", script, settings="loadlab.target.settings")
    assert done.returncode == 0, done.stderr


def test_settings_of_an_earlier_release_start_a_project(tmp_path: Path) -> None:
    (tmp_path / "older.py").write_text(SETTINGS)
    script = (
        "import django; django.setup()\n"
        "from django.apps import apps\n"
        "from loadlab.fixes.leased_threads import leased_threads\n"
        "from loadlab.fixes._parameters import parameters\n"
        "from loadlab.fixes.leased_threads import LeaseParameters\n"
        "print(parameters('leased_threads', LeaseParameters).threads)\n"
        "print(*sorted(app.name for app in apps.get_app_configs()))\n"
    )
    done = python("-c", script, settings="older", path=tmp_path)
    assert done.returncode == 0, done.stderr
    threads, apps = done.stdout.splitlines()
    assert threads == "3"
    assert apps.split() == sorted([*(f"loadlab.fixes.{name}" for name in names()), "loadlab.instrumentation"])


@pytest.mark.parametrize("module", ["loadlab.load.worker", "loadlab.overlay"])
def test_python_m_runs_a_module_by_its_older_name(module: str) -> None:
    done = python("-m", module, "--help", settings="loadlab.target.settings")
    assert done.returncode == 0, done.stderr


def test_there_is_one_module_under_both_names() -> None:
    older = importlib.import_module("loadlab.overlay.configuration")
    newer = importlib.import_module("loadlab.settings_override.configuration")
    assert older is newer
    assert importlib.import_module("loadlab").settings_override.configuration is newer
    assert importlib.reload(older) is sys.modules["loadlab.settings_override.configuration"]
    assert sys.modules["loadlab.overlay.configuration"] is sys.modules["loadlab.settings_override.configuration"]


def test_a_pickle_by_an_older_name_gives_the_same_class() -> None:
    assert pickle.loads(b"cloadlab.load.http_faults\nHttpFaultError\n.") is HttpFaultError  # noqa: S301  ours


@every("older", sorted(MOVED))
def test_each_older_name_leads_to_a_module_that_is_there(older: str) -> None:
    present = present_name(older)
    assert present is not None
    assert importlib.util.find_spec(present) is not None
    assert importlib.util.find_spec(older) is not None


def test_a_moved_package_lists_its_members() -> None:
    fixes = importlib.import_module("loadlab.cures")
    found = {module.name for module in pkgutil.iter_modules(fixes.__path__, "loadlab.cures.")}
    assert {f"loadlab.cures.{name}" for name in names()} <= found
    assert importlib.util.find_spec("loadlab.cures.nothing") is None


def test_failures_of_the_lean_client_have_the_names_of_earlier_records() -> None:
    assert {kind.__name__ for kind in HttpFaultError.__subclasses__()} == {
        "AnswerTimeoutError",
        "AnswerTooLargeError",
        "BadStatusError",
        "ConnectTimeoutError",
        "ConnectionLostError",
        "MalformedAnswerError",
        "RedirectError",
        "UnsupportedOptionError",
    }


def test_the_upgrade_page_names_every_module_that_has_moved() -> None:
    table = (ROOT / "docs" / "how-to" / "upgrade.md").read_text().partition("| older name |")[2].partition("\n\n")[0]
    assert dict(re.findall(r"^\| `(\S+)` \| `(\S+)` \|$", table, re.MULTILINE)) == MOVED
