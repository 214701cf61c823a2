"""Options of gunicorn that stand in its configuration file alone are known in its workers, by real gunicorns."""

from __future__ import annotations

import json
import urllib.request
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest
from patience import PATIENCE_SECONDS, await_that

from loadlab.instrumentation import layout, serving
from loadlab.system.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    from task_project import TaskProject

pytest.importorskip("gunicorn", reason="gunicorn is not installed")
pytestmark = pytest.mark.process

SITE: Final = """
ALLOWED_HOSTS = ["*"]
import json
from dataclasses import asdict
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import JsonResponse
from django.urls import path

def served(request):
    from loadlab.instrumentation.serving import serving
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return JsonResponse(asdict(serving()))

urlpatterns = [path("served/", served)]
"""
GTHREAD: Final = 'workers, threads, preload_app, worker_class = 2, 3, True, "gthread"'
OWN_CLASS: Final = """
from gunicorn.workers.ggevent import GeventWorker
class worker_class(GeventWorker):
    pass
"""
LOADS_DJANGO: Final = """
import django
django.setup()
worker_class = "gevent"
"""


def answer(port: int) -> dict[str, Any]:
    with suppress(OSError), urllib.request.urlopen(f"http://{LOOPBACK}:{port}/served/", timeout=PATIENCE_SECONDS) as it:
        return dict(json.load(it))
    return {}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (GTHREAD, {"mode": "gthread", "workers": 2, "threads": 3, "preload": True}),
        (OWN_CLASS, {"mode": "gevent", "late_patch": False}),
        pytest.param(LOADS_DJANGO, {"mode": "gevent", "late_patch": True}, marks=pytest.mark.slow),
        pytest.param(f"{OWN_CLASS}preload_app = True", {"mode": "gevent", "late_patch": True}, marks=pytest.mark.slow),
    ],
)
def test_a_worker_knows_what_the_configuration_file_says(
    project: TaskProject, options: str, said: dict[str, Any]
) -> None:
    project.write("settings.py", SITE)
    project.write("gunicorn.conf.py", options)
    port = free_port()
    with project.worker("-m", "gunicorn", "-b", f"{LOOPBACK}:{port}", "settings:get_wsgi_application()"):
        await_that(lambda: answer(port), project.told)
        known = answer(port)
        listed = json.loads(project.run("-m", "django", "loadlab_connections", "--json"))
    assert {name: known[name] for name in said} == said
    assert (known["program"], listed["server"]) == ("gunicorn", said["mode"])
    assert ("loadlab.W001" in project.told()) is (said["mode"] == "gevent")
    assert ("loadlab.W003" in project.told()) is said.get("late_patch", False)


def test_a_ledger_has_room_for_every_mode() -> None:
    known = {*serving.WORKER_CLASSES.values(), *serving.OWN_THREAD, *serving.BOUNDED, serving.WSGI, serving.UNKNOWN}
    assert known <= set(layout.MODES)
