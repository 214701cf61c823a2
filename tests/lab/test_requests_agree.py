"""In every server mode, the target has counted the requests that its clients have made, to the last one."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from family import family, kill
from modes import USUAL, installed, working
from patience import PATIENCE_SECONDS

from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.lab.application import ServerSetup, serving
from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

CLIENTS = 4
# method, path → what it counts as, twice by each client
ASKED = {
    ("GET", "/entries/7/"): ("entries/<int:number>/", "GET", "2xx"),
    ("GET", "/entries/8/?page=2"): ("entries/<int:number>/", "GET", "2xx"),
    ("HEAD", "/no-database/"): ("no-database/", "HEAD", "2xx"),
    ("GET", "/entries/999999/"): ("entries/<int:number>/", "GET", "4xx"),
    ("POST", "/entries/7/visit/"): ("entries/<int:number>/visit/", "POST", "2xx"),
    ("PROPFIND", "/no-database/"): ("no-database/", "other", "2xx"),
    ("GET", "/nowhere/"): ("unmatched", "GET", "4xx"),
}

every_server = pytest.mark.parametrize("server", installed(others_are_slow=True))


def target(lab: Lab, folder: Path, server: str) -> ServerSetup:
    return ServerSetup(
        server=working(server),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )


def asked_of(server: str) -> dict[tuple[str, str], tuple[str, str, str]]:
    """Under tornado no HEAD request is answered: see `test_server_surprises.py`."""
    return {key: series for key, series in ASKED.items() if (server, key[0]) != ("tornado", "HEAD")}


def ask_all(application: ServedApplication, asked: dict[tuple[str, str], Any]) -> Counter[tuple[str, str, str]]:
    """What one client has sent, and got an answer to."""
    made: Counter[tuple[str, str, str]] = Counter()
    for (method, path), series in [*asked.items()] * 2:
        with closing(http.client.HTTPConnection("127.0.0.1", application.port, timeout=PATIENCE_SECONDS)) as client:
            client.request(method, path)
            client.getresponse().read()
        made[series] += 1
    return made


def counted(folder: Path) -> dict[tuple[str, str, str], int]:
    answered = RequestTotals(folder).read().answered
    return {(one.route, one.method, one.status_class): one.requests for one in answered}


def end(application: ServedApplication) -> None:
    """All processes of the server at once, workers too."""
    kill(everyone := family(application.program.pid))
    assert psutil.wait_procs(everyone, PATIENCE_SECONDS)[1] == []


@every_server
def test_answered_requests_stay_counted_after_workers_die(server: str, lab: Lab, tmp_path: Path) -> None:
    made: Counter[tuple[str, str, str]] = Counter()
    asked = asked_of(server)
    site = target(lab, lab.scratch / f"requests-{server}", server)  # where an ordinary user can get, as nginx
    with serving(site, lab.register, tmp_path / "log") as application:
        with ThreadPoolExecutor(CLIENTS) as clients:
            for one in clients.map(lambda _: ask_all(application, asked), range(CLIENTS)):
                made.update(one)
        living = counted(application.ledgers)
        end(application)
        killed = counted(application.ledgers)
    assert living == killed == dict(made)
    assert sum(made.values()) == CLIENTS * 2 * len(asked)


LIMITED = """
from locust import HttpUser, constant, task
from locust.exception import StopUser

class Limited(HttpUser):
    wait_time = constant(0)
    left = {users}

    @task
    def read(self):
        for number in range({requests}):
            self.client.get(f"/entries/{{number + 1}}/", name="/entries/")
        raise StopUser

    def on_stop(self):
        Limited.left -= 1
        if not Limited.left:
            self.environment.runner.quit()
"""
USERS, REQUESTS = 6, 40


@pytest.mark.parametrize(
    "server", [name if name == "gevent" else pytest.param(name, marks=pytest.mark.slow) for name in USUAL]
)
def test_locust_s_requests_are_the_target_s(server: str, lab: Lab, tmp_path: Path) -> None:
    scenario = tmp_path / "limited.py"
    scenario.write_text(LIMITED.format(users=USERS, requests=REQUESTS))
    argv = [sys.executable, "-m", "locust", "-f", str(scenario), "--headless", "--json", "--skip-log"]
    with serving(target(lab, tmp_path, server), lab.register, tmp_path / "log") as application:
        load = [*argv, "--users", str(USERS), "--spawn-rate", str(USERS), "--host", application.url]
        done = subprocess.run(load, capture_output=True, text=True, check=True)
        end(application)
    (sent,) = json.loads(done.stdout)
    assert (sent["num_requests"], sent["num_failures"]) == (USERS * REQUESTS, 0)
    assert counted(application.ledgers) == {("entries/<int:number>/", "GET", "2xx"): USERS * REQUESTS}
