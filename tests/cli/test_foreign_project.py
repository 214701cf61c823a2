"""A published project, installed from the package registry and measured as it is. Takes minutes."""

from __future__ import annotations

import json
import subprocess
import venv
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from command_line import CommandLine

# The project's migrations and five boots of it take three times as long on a machine with something else to do.
PATIENCE_SECONDS: Final = 900.0
PACKAGES: Final = ("wagtail", "gunicorn", "gevent", "packaging", "psycopg[binary]")
SETTINGS: Final = """
from mysite.settings.base import *
SECRET_KEY = "of the lab"
INSTALLED_APPS += ["django.contrib.postgres"]
"""
PLAN: Final = """
blocks = 1
warmup_seconds = 1.0
window_seconds = 1.0
users = [4]
control = "sync"
[servers.sync]
[servers.gevent]
[strategies.max_age]
max_age = [0, 60]
"""
LOCUSTFILE: Final = """
from locust import FastHttpUser, task


class Visitor(FastHttpUser):
    @task
    def home(self):
        self.client.get("/")
"""


@pytest.mark.slow
def test_a_wagtail_site_is_measured_unmodified_and_exactly(loadlab: CommandLine, tmp_path: Path) -> None:
    python = tmp_path / "venv" / "bin" / "python"
    venv.create(tmp_path / "venv", with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    subprocess.run([python.with_name("wagtail"), "start", "mysite"], cwd=tmp_path, check=True)
    tree = {path: path.read_bytes() for path in (tmp_path / "mysite").rglob("*") if path.is_file()}
    for name, text in {"lab/wagtail_lab.py": SETTINGS, "plan.toml": PLAN, "visitor.py": LOCUSTFILE}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    with loadlab.started(
        *("run", tmp_path / "plan.toml", "--project", tmp_path / "mysite", "--settings", "wagtail_lab"),
        *("--wsgi", "mysite.wsgi:application", "--python", python, "--embedded"),
        *("--locustfile", tmp_path / "visitor.py", "--out", tmp_path / "run"),
        PYTHONPATH=f"{Path(__file__).resolve().parents[2]}:{tmp_path / 'lab'}",
    ) as run:
        with suppress(subprocess.TimeoutExpired):
            run.popen.wait(PATIENCE_SECONDS)
        assert run.popen.poll() == 0, run.stderr.read_text()
    trials = json.loads((tmp_path / "run" / "report.json").read_text())["trials"]
    assert len(trials) == 5
    for trial in trials:
        assert trial["connections"]["exact"], trial["case"]
        assert trial["connections"]["opened"] == trial["connections"]["sessions"] > 0
        assert (trial["state"], trial["failures"]) == ("complete", 0)
    assert {path: path.read_bytes() for path in (tmp_path / "mysite").rglob("*") if path.is_file()} == tree
