"""The system checks on real servers, as users start them: each says in its log what is wrong with a kept connection."""

from __future__ import annotations

import http.client
import importlib.util
import re
import sys
from contextlib import closing
from http.client import NOT_FOUND
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

SETTINGS: Final = """
import sys
SECRET_KEY, ALLOWED_HOSTS, ROOT_URLCONF, urlpatterns = "x", ["*"], "site_settings", []
INSTALLED_APPS = ["loadlab.instrumentation"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "CONN_MAX_AGE": 60}}
"""
INTERFACES: Final = {
    kind: f"from django.core.{kind} import get_{kind}_application\napplication = get_{kind}_application()\n"
    for kind in ("wsgi", "asgi")
}
ID: Final = re.compile(r"loadlab\.W\d+")
LEAKS, IDLE, LATE, TORNADO, MASTERLESS = (f"loadlab.W{number:03}" for number in (1, 10, 3, 11, 12))
UWSGI: Final = "uwsgi --http-socket {address} --master --die-on-term --need-app --module site_wsgi"


def row(package: str, command: str, *said: str, slow: bool = True) -> Any:
    """A server's command line, and the ids of what it says."""
    lacking = pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")
    marks = [lacking, pytest.mark.slow] if slow else [lacking]
    return pytest.param(command, set(said), marks=marks, id=command.replace("{address}", "").replace("{port}", ""))


SERVERS: Final = [
    row("pyuwsgi", f"{UWSGI} --processes 2 --threads 2", slow=False),
    row("pyuwsgi", f"{UWSGI} --gevent 10 --gevent-monkey-patch", LEAKS, LATE, slow=False),
    row("pyuwsgi", f"{UWSGI} --gevent 10 --gevent-early-monkey-patch", LEAKS, slow=False),
    row("pyuwsgi", f"{UWSGI.replace('--master ', '')} --processes 2", MASTERLESS),
    row("waitress", "-m waitress --listen {address} site_wsgi:application", slow=False),
    row("cheroot", "-m cheroot --bind {address} site_wsgi:application"),
    row("granian", "-m granian --port {port} --interface wsgi site_wsgi:application", IDLE, slow=False),
    row("granian", "-m granian --port {port} --interface asginl site_asgi:application", LEAKS),
    row("granian", "-m granian --port {port} --workers 2 --interface asginl site_asgi:application", LEAKS),
    row("hypercorn", "-m hypercorn --bind {address} asgi:site_asgi:application", LEAKS),
    row("hypercorn", "-m hypercorn --bind {address} --workers 2 asgi:site_asgi:application", LEAKS),
    row("hypercorn", "-m hypercorn --bind {address} wsgi:site_wsgi:application"),
    row("daphne", "-m daphne --port {port} site_asgi:application", LEAKS, slow=False),
    row("uvicorn", "-m uvicorn --port {port} site_asgi:application", LEAKS),
    row("uvicorn", "-m uvicorn --port {port} --workers 2 site_asgi:application", LEAKS),
    row("uvicorn", "-m uvicorn --port {port} --interface wsgi site_wsgi:application"),
    row("uvicorn_worker", "-m gunicorn --bind {address} -k uvicorn_worker.UvicornWorker site_asgi", LEAKS),
    row("gunicorn", "-m gunicorn --bind {address} -k asgi site_asgi:application", LEAKS),
    row("gunicorn", "-m gunicorn --bind {address} --threads 2 site_wsgi"),
    row("tornado", "-m gunicorn --bind {address} -k tornado site_wsgi", LEAKS, TORNADO),
]


@pytest.fixture
def register() -> Iterator[Register]:
    with Register.opened() as opened:
        yield opened


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    for kind, text in INTERFACES.items():
        (tmp_path / f"site_{kind}.py").write_text(text)
    return tmp_path


def argv(command: str, port: int) -> list[str]:
    words = command.format(address=f"{LOOPBACK}:{port}", port=port).split()
    if words[0] == "uwsgi":
        python = ["--virtualenv", sys.prefix, "--pythonpath", "."]
        return [str(Path(sys.executable).with_name("uwsgi")), *words[1:], *python]
    return [sys.executable, *words]


def answers(port: int) -> bool:
    """Whether the project is loaded: some servers listen before that."""
    with closing(http.client.HTTPConnection(LOOPBACK, port, timeout=PATIENCE_SECONDS)) as client:
        try:
            client.request("GET", "/")
            return client.getresponse().status == NOT_FOUND
        except OSError:
            return False


@pytest.mark.parametrize(("command", "said"), SERVERS)
def test_a_server_says_what_is_wrong_with_a_kept_connection(
    register: Register, site: Path, command: str, said: set[str]
) -> None:
    port, log = free_port(), site / "log"
    environment = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{site}", "DJANGO_SETTINGS_MODULE": "site_settings"}
    program = register.start("site", argv(command, port), log=log, environment=environment, folder=site)

    def found() -> set[str]:
        assert program.running(), log.read_text()
        return set(ID.findall(log.read_text()))

    try:
        await_that(lambda: found() >= said and answers(port), log.read_text)
        assert found() == said
    finally:
        program.stop(SIGTERM, grace_seconds=5.0)
