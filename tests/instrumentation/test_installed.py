"""A stranger's project with the app in INSTALLED_APPS: its commands, its tests and its metrics, in real processes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import CommandError, call_command
from django.test import override_settings
from every import every
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.management.commands import loadlab_metrics
from loadlab.model.metrics import CloseReason
from loadlab.settings_override.configuration import SettingsOverride

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SETTINGS = """
from pathlib import Path
SECRET_KEY = "x"
USE_TZ = True
HERE = Path(__file__).parent
INSTALLED_APPS = ["loadlab.instrumentation", "django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": HERE / "default.db",
        "TEST": {"NAME": HERE / "test.db"},
    },
    "replica": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "replica.db", "TEST": {"MIRROR": "default"}},
}
ROOT_URLCONF = "strange"
STATIC_URL = "static/"
urlpatterns = []
"""
QUERY = "from django.db import connection; connection.ensure_connection()\n"
ASKS = ("shell", "-c", QUERY)
W002 = "loadlab.W002"
TESTS = """
import threading
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections
from django.test import LiveServerTestCase, TestCase, TransactionTestCase, modify_settings


class Plain(TestCase):
    databases = ("default", "replica")

    def test_users_are_there_on_every_alias(self):
        self.assertEqual(User.objects.using("replica").count(), User.objects.count())


class Checks(TestCase):
    def test_checks_are_called_in_the_middle_of_queries(self):
        User.objects.count()
        call_command("check")


class Wrappers(TransactionTestCase):
    def test_copies_and_temporary_connections_are_connections(self):
        copy = connection.copy()
        with copy.temporary_connection() as cursor:
            cursor.execute("SELECT 1")
        connection.inc_thread_sharing()
        connection.dec_thread_sharing()


class Afresh(TransactionTestCase):  # by its name before the others: Django's flush after those makes content types
    serialized_rollback = True

    def test_content_types_are_there_after_the_flush(self):
        self.assertTrue(ContentType.objects.exists())


@modify_settings(INSTALLED_APPS={"append": "django.contrib.messages"})
class Apps(TestCase):
    def test_apps_are_made_ready_anew(self):
        User.objects.count()
        call_command("check")


class Threads(TransactionTestCase):
    def test_each_thread_has_a_connection(self):
        def count():
            counts.append(User.objects.count())
            connection.close()
        counts = []
        thread = threading.Thread(target=count)
        thread.start()
        thread.join()
        self.assertEqual(len(counts), 1)


class Live(LiveServerTestCase):
    def test_a_live_server_shares_the_connection(self):
        from urllib.error import HTTPError
        from urllib.request import urlopen
        with self.assertRaises(HTTPError) as raised:
            urlopen(self.live_server_url)
        raised.exception.close()
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "strange.py").write_text(SETTINGS)
    (tmp_path / "tests.py").write_text(TESTS)
    return tmp_path


def environment(project: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOADLAB_", "DJANGO_"))}
    path = os.pathsep.join([str(REPOSITORY), str(project)])
    return {**kept, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "strange", **more}


def manage(project: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "django", *arguments],
        cwd=project,
        env=environment(project, **more),
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_are_counted_for_every_alias_and_nothing_twice(project: Path, ledgers: Path) -> None:
    for alias in ("default", "replica"):
        done = manage(project, "migrate", "--database", alias, LOADLAB_LEDGER_DIR=str(ledgers))
        assert done.returncode == 0, done.stderr
    aliases = CounterSet(ledgers).read().aliases
    assert aliases.keys() == {"default", "replica"}
    for totals in aliases.values():
        assert totals.open == 0
        assert totals.opened == sum(totals.closed.values()) == 1


@pytest.mark.parametrize("more", [[], ["--parallel", "2"]])
def test_a_projects_own_tests_pass_with_mirrors_threads_and_a_live_server(
    project: Path, ledgers: Path, more: list[str]
) -> None:
    done = manage(project, "test", *more, LOADLAB_LEDGER_DIR=str(ledgers))
    assert done.returncode == 0, done.stderr
    assert "Ran 7 tests" in done.stderr
    assert "loadlab" not in done.stdout + done.stderr
    assert all(totals.open == 0 for totals in CounterSet(ledgers).read().aliases.values())


def test_by_default_ledgers_are_in_a_folder_per_user_and_project(project: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    assert manage(project, *ASKS, TMPDIR=str(temporary)).returncode == 0
    (ours,) = temporary.iterdir()
    assert stat.S_IMODE(ours.stat().st_mode) == 0o700
    (folder,) = ours.iterdir()
    assert folder.name.startswith("strange-")
    assert CounterSet(folder).read().aliases["default"].opened == 1


def test_a_link_in_place_of_the_folder_is_not_followed(project: Path, tmp_path: Path) -> None:
    temporary, elsewhere = tmp_path / "tmp", tmp_path / "elsewhere"
    temporary.mkdir()
    elsewhere.mkdir()
    (temporary / f"loadlab-{os.getuid()}").symlink_to(elsewhere)
    done = manage(project, *ASKS, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "are not counted" in done.stderr
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("where", ["in a file", "a file", "a folder of the kernel"])
def test_a_folder_that_cannot_be_had_costs_the_count_and_not_the_site(project: Path, where: str) -> None:
    with tempfile.NamedTemporaryFile() as file:
        folder = {"in a file": f"{file.name}/ledgers", "a file": file.name, "a folder of the kernel": "/proc/self/fd"}
        done = manage(project, *ASKS, LOADLAB_LEDGER_DIR=folder[where])
    assert done.returncode == 0, done.stderr
    assert "are not counted" in done.stderr


def test_check_names_what_is_wrong_with_the_setting(project: Path) -> None:
    (project / "strange.py").write_text(SETTINGS + 'LOADLAB = {"TOKEN": "x", "METRICS_OPEN": 1}\n')
    done = manage(project, "check")
    assert done.returncode == 1
    assert "loadlab.E001" in done.stderr
    assert "LOADLAB['TOKEN'] is unknown" in done.stderr
    assert "LOADLAB['METRICS_OPEN'] should be a bool" in done.stderr


WRONG_SETTINGS = (None, ["x"], "x", {"SERVER": 'gunicorn "x'}, {"LEDGER_DIR": "x"})
# A `manage.py check` for each, forked from one process that has imported Django and nothing of the project.
CHECKS = """
import os, sys
from django.core.management import execute_from_command_line
for number in range(int(sys.argv[1])):
    if not os.fork():
        os.environ["NUMBER"] = str(number)
        said = os.open(f"said-{number}", os.O_CREAT | os.O_WRONLY)
        os.dup2(said, 2)
        execute_from_command_line(["manage.py", "check"])
        sys.exit()
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def test_a_wrong_setting_is_a_message_of_check_and_no_traceback(project: Path) -> None:
    wrong = f"import os\nLOADLAB = {WRONG_SETTINGS!r}[int(os.environ['NUMBER'])]\n"
    (project / "strange.py").write_text(SETTINGS + wrong)
    argv = [sys.executable, "-c", CHECKS, str(len(WRONG_SETTINGS))]
    done = subprocess.run(argv, cwd=project, env=environment(project), capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["1"] * len(WRONG_SETTINGS), done.stderr
    for number, setting in enumerate(WRONG_SETTINGS):
        said = (project / f"said-{number}").read_text()
        assert "(loadlab.E001)" in said, setting
        assert "Traceback" not in said, setting


def test_a_project_without_databases_starts(project: Path, ledgers: Path) -> None:
    (project / "strange.py").write_text(SETTINGS + "DATABASES = {}\n")
    done = manage(project, "check", LOADLAB_LEDGER_DIR=str(ledgers))
    assert (done.returncode, done.stderr) == (0, "")
    assert CounterSet(ledgers).read().aliases == {}


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["check", "--database", "default"],
        ["migrate"],
        ["shell", "-c", f"{QUERY}from django.core.management import call_command; call_command('check')"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_a_commands_connections_are_not_from_before_the_fork(project: Path, arguments: list[str]) -> None:
    done = manage(project, *arguments)
    assert done.returncode == 0, done.stderr
    assert W002 not in done.stderr


@pytest.mark.parametrize("where", ["ready", "models", "views"])
def test_what_loading_the_project_opens_is_told_by_check(project: Path, where: str) -> None:
    app = project / "shop"
    app.mkdir()
    code = {"__init__": "", "models": "", "views": "def home(request): ...\n"}
    code["apps"] = "from django.apps import AppConfig\nclass Shop(AppConfig):\n    name = 'shop'\n"
    if where == "ready":
        code["apps"] += f"    def ready(self):\n        {QUERY}"
    else:
        code[where] += QUERY
    for name, text in code.items():
        (app / f"{name}.py").write_text(text)
    urls = "from django.urls import path\nfrom shop.views import home\nurlpatterns = [path('', home)]\n"
    (project / "urls.py").write_text(urls)
    (project / "strange.py").write_text(SETTINGS + "ROOT_URLCONF = 'urls'\nINSTALLED_APPS.insert(0, 'shop')\n")
    done = manage(project, "check")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(W002) == 1


def shop_that_queries_when_imported(project: Path, before: str = "") -> None:
    app = project / "shop"
    app.mkdir()
    (app / "__init__.py").write_text(before)
    (app / "models.py").write_text(f"{QUERY}connection.close()\n{QUERY}")
    (project / "strange.py").write_text(SETTINGS + "INSTALLED_APPS.append('shop')\n")


@pytest.mark.parametrize("way", ["django", "loadlab.settings_override"])
def test_what_models_open_while_they_are_imported_is_counted(project: Path, ledgers: Path, way: str) -> None:
    shop_that_queries_when_imported(project)
    settings = {} if way == "django" else SettingsOverride(settings="strange", psycopg3=True).to_environment()
    module = "strange" if way == "django" else "loadlab.settings_override.settings"
    more = {**settings, "DJANGO_SETTINGS_MODULE": module, "LOADLAB_LEDGER_DIR": str(ledgers)}
    argv = [sys.executable, "-m", way, "check"]
    done = subprocess.run(
        argv, cwd=project, env=environment(project, **more), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    totals = CounterSet(ledgers).read().aliases["default"]
    assert totals.opened == totals.closed[CloseReason.EXPLICIT] == 2  # Django itself closes the second when it is done


def test_what_an_app_named_before_has_left_open_is_found(project: Path, ledgers: Path) -> None:
    shop_that_queries_when_imported(project, before=QUERY)
    settings = SETTINGS + "INSTALLED_APPS.insert(0, 'shop')\n"
    (project / "strange.py").write_text(settings)
    done = manage(project, "check", LOADLAB_LEDGER_DIR=str(ledgers))
    assert done.returncode == 0, done.stderr
    totals = CounterSet(ledgers).read().aliases["default"]
    assert totals.opened == sum(totals.closed.values()) == 2
    assert sum(totals.connect_buckets) == 1  # the time of the first one is unknown


ATOMIC = """
import django
django.setup()
from django.conf import settings
from django.db import connections
from django.test import Client
from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet
connections.settings["later"] = connections.settings["default"] | {"NAME": settings.HERE / "later.db"}
for url in ("/metrics", "/plain"):
    answer = Client().get(url, headers={"host": "127.0.0.1"})
    opened = {alias: totals.opened for alias, totals in CounterSet(current.directory()).read().aliases.items()}
    print(url, answer.status_code, opened)
"""


def test_a_scrape_changes_no_count_under_atomic_requests(project: Path, ledgers: Path) -> None:
    urls = """
from django.http import HttpResponse
from django.urls import path
from loadlab.instrumentation.views import metrics
urlpatterns = [path("metrics", metrics), path("plain", lambda request: HttpResponse())]
LOADLAB = {"METRICS_OPEN": True}
ALLOWED_HOSTS = ["*"]
for entry in DATABASES.values():
    entry["ATOMIC_REQUESTS"] = True
"""
    (project / "strange.py").write_text(SETTINGS + urls)
    done = subprocess.run(
        [sys.executable, "-c", ATOMIC],
        env=environment(project, LOADLAB_LEDGER_DIR=str(ledgers)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "/metrics 200 {}",
        "/plain 200 {'default': 1, 'later': 1, 'replica': 1}",
    ], done.stderr


@contextmanager
def metrics_command(project: Path, ledgers: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    argv = [sys.executable, "-m", "django", "loadlab_metrics", "--port", "0", *arguments]
    serving = subprocess.Popen(
        argv,
        cwd=project,
        env=environment(project, LOADLAB_LEDGER_DIR=str(ledgers)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with serving:
        try:
            assert serving.stdout is not None
            yield serving, serving.stdout.readline().split()[-1]
        finally:
            serving.kill()


def test_metrics_on_a_separate_port_are_those_of_all_processes(project: Path, ledgers: Path) -> None:
    manage(project, *ASKS, LOADLAB_LEDGER_DIR=str(ledgers))
    with metrics_command(project, ledgers) as (serving, url):
        assert url.startswith("http://127.0.0.1:")
        text = urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).read().decode()  # noqa: S310  our own
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(url.replace("/metrics", "/"), timeout=PATIENCE_SECONDS)  # noqa: S310
        raised.value.close()
        serving.send_signal(signal.SIGTERM)
        assert serving.wait(PATIENCE_SECONDS) == 0
    assert 'loadlab_db_connections_opened_total{alias="default"} 1.0' in text


def speaks_ipv6() -> bool:
    with suppress(OSError), socket.socket(socket.AF_INET6) as trying:
        trying.bind(("::1", 0))
        return True
    return False


@pytest.mark.skipif(not speaks_ipv6(), reason="there is no IPv6 here")
@pytest.mark.parametrize(
    ("address", "hosts"), [("::1", ["[::1]"]), ("::", ["[::1]", "127.0.0.1"]), ("::ffff:127.0.0.1", ["127.0.0.1"])]
)
def test_metrics_are_served_on_ipv6_too(project: Path, ledgers: Path, address: str, hosts: list[str]) -> None:
    settings = SETTINGS + 'LOADLAB = {"METRICS_TOKEN": "x"}\n'
    (project / "strange.py").write_text(settings)
    with metrics_command(project, ledgers, "--address", address) as (_, url):
        assert url.startswith(f"http://[{address}]:")
        for host in hosts:
            request = urllib.request.Request(url.replace(f"[{address}]", host), headers={"Authorization": "Bearer x"})  # noqa: S310
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
                assert answer.status == 200


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not on PATH")
def test_promtool_finds_nothing_to_blame_in_an_empty_project_either(project: Path, ledgers: Path) -> None:
    with metrics_command(project, ledgers) as (_, url):
        text = urllib.request.urlopen(url, timeout=PATIENCE_SECONDS).read().decode()  # noqa: S310
    done = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@every(
    ("arguments", "message"),
    [
        (["--address", "0.0.0.0", "--port", "0"], "is not loopback"),  # noqa: S104  refused
        (["--address", "203.0.113.1", "--port", "0"], "is not loopback"),
        (["--address", "::", "--port", "0"], "is not loopback"),
        (["--address", "::ffff:0.0.0.0", "--port", "0"], "is not loopback"),
        (["--port", "70000"], "cannot be used"),
    ],
)
def test_an_address_for_everybody_needs_a_token_and_a_bad_one_is_named(arguments: list[str], message: str) -> None:
    with override_settings(LOADLAB={}), pytest.raises(CommandError, match=message):
        call_command(loadlab_metrics.Command(), *arguments)
