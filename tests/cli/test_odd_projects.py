"""Projects of kinds that are valid and rare: they are measured, or refused with a sentence that lets a user go on."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest
from factories.projects import URLS, made

from loadlab.lab.project import project_of
from loadlab.plan.experiment import read_plan
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import CommandLine, InProcess, Outcome

    from loadlab.lab.inspection import ProjectInfo

SELF_READING: Final = """
import os

from django.apps import AppConfig

SENTRY_DSN = "read"
from helpers import DSN  # it reads the settings that are being loaded
from helpers import NAME

NAMED = os.environ["DJANGO_SETTINGS_MODULE"]
assert (DSN, NAME, NAMED) == ("read", "site_settings", "site_settings"), (DSN, NAME, NAMED)
INSTALLED_APPS = ["django.contrib.contenttypes", AppConfig.create("django.contrib.humanize"), "daphne_like"]
"""
HELPERS: Final = """
from django.conf import settings

DSN = settings.SENTRY_DSN
NAME = settings.SETTINGS_MODULE
"""
BROKEN_WSGI: Final = """
raise RuntimeError("start me with my own server")
"""
NEEDS_A_DATABASE: Final = """
from django.core.wsgi import get_wsgi_application
from django.db import connection

application = get_wsgi_application()
connection.cursor()
"""
ASKING: Final = """
from django.db import ProgrammingError, connection

connection.cursor().execute("CREATE TABLE IF NOT EXISTS asked (x int)")
"""
ASKING_GUARDED: Final = """
from django.db import ProgrammingError, connection

try:
    connection.cursor().execute("CREATE TABLE IF NOT EXISTS asked (x int)")
except ProgrammingError:  # there are no tables before the first migration
    pass
"""
RAISING: Final = """
from django.urls import path


def home(request):
    raise LookupError("no such shelf")


urlpatterns = [path("", home)]
"""
MIDDLEWARE: Final = """
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
"""
EMBEDDED: Final = 'database = "embedded"'


@pytest.fixture
def in_state(loadlab: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process keeps what it keeps outside of runs in a folder of the tests."""
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)  # or it would be a project's settings


@pytest.fixture
def run(here: InProcess, in_state: None, tmp_path: Path) -> Callable[..., Outcome]:
    """A run that is refused, in this process."""
    return lambda plan, *arguments: here("run", plan, "--out", tmp_path / "run", *arguments)


@pytest.fixture
def look(in_state: None, tmp_path: Path) -> Callable[[Path], ProjectInfo]:
    """Looks into the project of a plan."""

    def info(plan: Path) -> ProjectInfo:
        found = project_of(read_plan(plan.read_text(), str(plan)).plan, tmp_path).info
        assert found is not None
        return found

    return info


def test_settings_read_themselves_and_apps_are_configs(look: Callable[[Path], ProjectInfo], tmp_path: Path) -> None:
    files = {"helpers.py": HELPERS, "daphne_like/__init__.py": ""}
    info = look(made(tmp_path, settings=SELF_READING, files=files))
    assert info.apps == ["django.contrib.contenttypes", "django.contrib.humanize", "daphne_like"]
    assert info.routes == ["/"]
    assert info.load_errors == {}


def test_bytecode_is_kept_outside_of_the_project_where_none_may_be_written(
    look: Callable[[Path], ProjectInfo], loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each start of it would compile all of Django."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    look(made(tmp_path))
    site = tmp_path / "site"
    kept = loadlab.state / "bytecode" / site.relative_to(site.anchor)
    assert len(list(kept.glob("site_settings.*.pyc"))) == 1
    assert not (site / "__pycache__").exists()


@pytest.mark.slow
def test_a_settings_file_over_self_reading_ones_gives_their_name_first(
    look: Callable[[Path], ProjectInfo], tmp_path: Path
) -> None:
    over = """
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "production"
from production import *
"""
    files = {"production.py": SELF_READING.replace("site_settings", "production"), "helpers.py": HELPERS}
    info = look(made(tmp_path, settings=over, files={**files, "daphne_like/__init__.py": ""}))
    assert "django.contrib.humanize" in info.apps


def test_an_application_that_does_not_load_is_named_before_migrations(
    run: Callable[..., Outcome], tmp_path: Path
) -> None:
    settings = '\nWSGI_APPLICATION = "wsgi.application"\n'
    outcome = run(made(tmp_path, settings=settings, files={"wsgi.py": BROKEN_WSGI}, project=EMBEDDED))
    assert outcome.code == 2
    assert "servers.sync: the WSGI application wsgi.application does not load" in outcome.stderr
    assert "RuntimeError: start me with my own server" in outcome.stderr
    assert "--wsgi MODULE:ATTRIBUTE" in outcome.stderr
    assert "PostgreSQL starts" not in outcome.stderr


@pytest.mark.parametrize("guarded", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_project_is_asked_to_start_without_its_databases_first(
    look: Callable[[Path], ProjectInfo], tmp_path: Path, *, guarded: bool
) -> None:
    """One that cannot is loaded once more, as its own manage.py would; its application cannot be judged yet."""
    settings = f"""
DATABASES["default"]["NAME"] = {str(tmp_path / "own.sqlite3")!r}
INSTALLED_APPS = ["asking"]
WSGI_APPLICATION = "wsgi.application"
"""
    models = ASKING_GUARDED if guarded else ASKING
    files = {"asking/__init__.py": "", "asking/models.py": models, "wsgi.py": NEEDS_A_DATABASE}
    info = look(made(tmp_path, settings=settings, files=files))
    assert info.aliases["default"].name == str(tmp_path / "own.sqlite3")
    assert info.load_errors == {}
    assert (tmp_path / "own.sqlite3").exists() is not guarded


@pytest.mark.slow
def test_an_application_that_hangs_is_named_with_the_limit(run: Callable[..., Outcome], tmp_path: Path) -> None:
    settings = '\nWSGI_APPLICATION = "wsgi.application"\n'
    files = {"wsgi.py": "import time\n\ntime.sleep(600)\n"}
    outcome = run(made(tmp_path, settings=settings, files=files, project=f"{EMBEDDED}\nboot_seconds = 1"))
    assert outcome.code == 2
    assert "does not load" in outcome.stderr
    assert "within 10 s. Give it longer with boot_seconds in [project] of the plan" in outcome.stderr


def test_a_django_that_is_too_old_is_refused_at_once(run: Callable[..., Outcome], tmp_path: Path) -> None:
    """As vendored in a folder of the project's."""
    vendored = tmp_path / "dist" / "django" / "__init__.py"
    vendored.parent.mkdir(parents=True)
    vendored.write_text('VERSION = (3, 2, 25, "final", 0)\n')
    plan = made(tmp_path, project=f"{EMBEDDED}\npythonpath = [{json.dumps(str(tmp_path / 'dist'))}]")
    outcome = run(plan)
    assert outcome.code == 2
    assert "The project runs on Django 3.2.25" in outcome.stderr
    assert "loadlab needs Django 4.2 or newer" in outcome.stderr
    nowhere = run(plan, "--pythonpath", tmp_path / "nowhere")
    assert f"The folder of modules {tmp_path / 'nowhere'} does not exist" in nowhere.stderr


def test_what_pythonpath_holds_for_a_project_does_not_break_loadlab(loadlab: CommandLine, tmp_path: Path) -> None:
    made(tmp_path, settings="\nimport helpers\n")
    theirs = tmp_path / "dist"
    theirs.mkdir()
    for name in ("typing_extensions", "pydantic"):
        (theirs / f"{name}.py").write_text(f"raise ImportError('the vendored {name}')\n")
    (theirs / "helpers.py").touch()
    folder = tmp_path / "lab"
    known = ["--project", tmp_path / "site", "--settings", "site_settings", "--out", folder]
    outcome = loadlab("init", *known, PYTHONPATH=str(theirs))
    assert outcome.code == 0, outcome.stderr
    assert (folder / "loadlab.toml").exists()


def test_settings_that_a_console_script_names_are_found(here: InProcess, in_state: None, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    metadata = ["Metadata-Version: 2.1", "Name: shop-server", "Version: 1", "Requires-Dist: Django>=4", ""]
    texts = {
        "shop_server-1.dist-info/METADATA": "\n".join(metadata),
        "shop_server-1.dist-info/entry_points.txt": "[console_scripts]\nshop-server = shop_server.cli:main\n",
        "shop_server/cli.py": 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")\n',
    }
    for name, text in texts.items():
        (installed / name).parent.mkdir(parents=True, exist_ok=True)
        (installed / name).write_text(text)
    made(tmp_path)
    known = ["--project", tmp_path / "site", "--pythonpath", installed, "--out", tmp_path / "lab"]
    unnamed = here("init", *known)
    assert unnamed.code == 2
    assert "Console scripts that are installed there: shop-server names site_settings" in unnamed.stderr
    named = here("init", *known, "--settings", "site_settings")
    assert named.code == 0, named.stderr
    assert "Note: shop-server starts with these settings too" in named.stdout
    assert f"pythonpath = {json.dumps([str(installed)])}" in (tmp_path / "lab" / "loadlab.toml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "urls", "host", "said"),
    [
        ("", RAISING, "", ["most with HTTP 500", 'raise LookupError("no such shelf")', "LookupError: no such shelf"]),
        ("SECURE_SSL_REDIRECT = True\n", URLS, "", ["SECURE_SSL_REDIRECT is on", "SECURE_PROXY_SSL_HEADER"]),
        ("", URLS, "other.example", ["HTTP 400", "ALLOWED_HOSTS", "Invalid HTTP_HOST header: 'other.example'"]),
    ],
    ids=["error 500", "https", "host"],
)
def test_a_run_stops_with_the_reason_when_its_first_trial_came_to_nothing(  # noqa: PLR0913, PLR0917  a case of many words
    loadlab: CommandLine, tmp_path: Path, settings: str, urls: str, host: str, said: list[str]
) -> None:
    plan = made(tmp_path, settings=MIDDLEWARE + settings, urls=urls, project=EMBEDDED)
    if host:
        visitor = tmp_path / "visitor.py"
        # Locust's fast client sends its own Host as well, which gunicorn refuses by itself.
        asking = visitor.read_text().replace('get("/")', f'get("/", headers={{"Host": "{host}"}})')
        visitor.write_text(asking.replace("FastHttpUser", "HttpUser"))
    outcome = loadlab("run", plan, "--out", tmp_path / "run")
    assert outcome.code == 3
    words = " ".join(outcome.stderr.split())
    assert "No request of the first trial succeeded" in words
    assert [text for text in said if text not in words] == []
    assert f"loadlab run --resume {tmp_path / 'run'}" in words
    assert not any((tmp_path / "run" / "trials").iterdir())


@pytest.mark.slow
def test_a_gunicorn_from_before_its_control_socket_serves_the_project(tmp_path: Path) -> None:
    """It refuses arguments that it does not know, and ignores settings."""
    old = tmp_path / "old"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", old, "gunicorn==23.0.0"]
    subprocess.run(pip, check=True)
    plan = made(tmp_path, project=f"{EMBEDDED}\npythonpath = [{json.dumps(str(old))}]")
    done = subprocess.run(
        [sys.executable, "-m", "loadlab", "run", plan, "--out", tmp_path / "run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["environment"]["versions"]["gunicorn"] == "23.0.0"
    assert all(trial["connections"]["exact"] and not trial["failures"] for trial in report["trials"])
