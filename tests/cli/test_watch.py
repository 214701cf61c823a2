"""`loadlab watch` beside a real site: it drives nothing, and says what it saw."""

from __future__ import annotations

import json
import signal
import urllib.request
from itertools import cycle
from typing import TYPE_CHECKING

import pytest
from answering import answering
from patience import PATIENCE_SECONDS

from loadlab.lab.application import ServerSetup, serving
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import CommandLine, InProcess

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab


@pytest.fixture(scope="module")
def application(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApplication]:
    folder = tmp_path_factory.mktemp("watched")
    target = ServerSetup(
        server=config_of(SERVERS, "sync", {"workers": 1}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 0}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )
    with serving(target, lab.register, folder / "log") as served:
        yield served


def test_a_watch_ends_with_a_report_of_what_others_have_asked_for(
    loadlab: CommandLine, application: ServedApplication, lab: Lab
) -> None:
    address = lab.database.parameters
    dsn = f"host={address['host']} port={address['port']} user={address['user']} dbname={lab.database.name}"
    known = ["--metrics", f"{application.url}/metrics", "--every", "0.2", "--dsn", "env:WATCHED", "--json"]
    environment = {**lab.database.environment, "WATCHED": dsn}
    with loadlab.started("watch", *known, "--threads", "1", **environment) as watching:
        watching.wait_until(lambda: _readings_since(lab, "-infinity") > 0)
        for _ in range(30):
            urllib.request.urlopen(f"{application.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own site
        watching.wait_until(lambda: _opened(application) >= 30)
        # PostgreSQL is asked after the metrics are: only the second reading from now on is surely of the time after,
        # and the third may be cut off.
        for _ in range(3):
            now = _now(lab)
            watching.wait_until(lambda now=now: _readings_since(lab, now) > 0)
        watching.popen.send_signal(signal.SIGINT)
        outcome = watching.outcome()
    assert outcome.code == 0, outcome.stderr
    seen = json.loads(outcome.stdout)["aliases"]["default"]
    assert seen["opened"] == 30
    assert seen["leak"] != "yes"
    assert [age["max_age"] for age in seen["ages"]] == [0, 1, 10, 60, 600, None]


def _now(lab: Lab) -> str:
    lab.cursor.execute("SELECT clock_timestamp()::text")
    (now,) = lab.cursor.fetchone() or ("",)
    return str(now)


def _readings_since(lab: Lab, instant: str) -> int:
    lab.cursor.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'FROM pg_stat_activity WHERE datname'"
        " AND pid <> pg_backend_pid() AND query_start > %s",
        [instant],
    )
    (count,) = lab.cursor.fetchone() or (0,)
    return int(count)


def _opened(application: ServedApplication) -> float:
    text = urllib.request.urlopen(f"{application.url}/metrics", timeout=PATIENCE_SECONDS).read().decode()  # noqa: S310
    (line,) = (line for line in text.splitlines() if line.startswith("loadlab_db_connections_opened_total{"))
    return float(line.split()[-1])


def test_a_watch_in_words_names_each_alias(loadlab: CommandLine, application: ServedApplication) -> None:
    urllib.request.urlopen(f"{application.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own site
    outcome = loadlab("watch", "--metrics", f"{application.url}/metrics", "--every", "0.1", "--seconds", "0.3")
    assert outcome.code == 0, outcome.stderr
    assert "default" in outcome.stdout
    assert "other ages   follow from the rate of requests, and there were none" in outcome.stdout


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_hosts_that_answer_in_turn_end_the_watch_without_figures(here: InProcess, form: list[str]) -> None:
    build = 'loadlab_build_info{version="1",django="5",python="3"} 1\n'
    opened = 'loadlab_db_connections_opened_total{alias="default"}'
    hosts_in_turn = cycle([f"{build}{opened} 14000\n", f"{build}{opened} 30\n"])  # behind a balancer
    with answering(lambda _: (200, next(hosts_in_turn))) as url:
        outcome = here("watch", "--metrics", url, "--every", "0.05", "--seconds", "1", *form)
    assert outcome.code == 3
    assert "Name the address of one host with --metrics" in outcome.stderr
    assert "14000" not in outcome.stdout
    if form:
        assert json.loads(outcome.stdout)["aliases"] == {}


def test_a_single_reading_is_too_little(here: InProcess, application: ServedApplication) -> None:
    outcome = here("watch", "--metrics", f"{application.url}/metrics", "--seconds", "0")
    assert outcome.code == 12
    assert "Watch longer" in outcome.stderr


@pytest.mark.parametrize(
    ("gate", "code", "said"),
    [
        ("open <= 20", 0, ""),
        ("open < 0", 10, "default: open < 0 fails"),
        (
            "replica: open <= 20",
            11,
            "replica: open <= 20 is undecided, because the project has counted no connection of such an alias",
        ),
    ],
)
def test_the_gates_of_a_watch_decide_its_exit_code(  # noqa: PLR0913, PLR0917  three are fixtures
    here: InProcess, application: ServedApplication, tmp_path: Path, gate: str, code: int, said: str
) -> None:
    urllib.request.urlopen(f"{application.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own site
    asked = ["--gate", gate, "--gate", "default: refused == 0"]
    watched = ["--metrics", f"{application.url}/metrics", "--every", "0.05", "--seconds", "0.2"]
    outcome = here("watch", *watched, *asked, "--junit", str(tmp_path / "gates.xml"))
    assert outcome.code == code, outcome.stderr
    assert said in outcome.stderr
    assert gate.rpartition(": ")[2] in outcome.stdout
    assert 'tests="2"' in (tmp_path / "gates.xml").read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--metrics", "http://192.0.2.1/metrics"], 2, "--allow-remote"),
        (["--metrics", "http://127.0.0.1:1/metrics"], 3, "does not answer"),
        (["--metrics", "http://127.0.0.1:1/metrics", "--token", "canary"], 2, "would show in the process list"),
        (["--metrics", "http://127.0.0.1:1/metrics", "--token", "env:NONESUCH"], 2, "NONESUCH is not set"),
        (["--metrics", "http://127.0.0.1:1/metrics", "--every", "0"], 2, "--every"),
        (["--metrics", "http://127.0.0.1:1/metrics", "--every", "nan"], 2, "--every"),
        (["--metrics", "http://127.0.0.1:1/metrics", "--seconds", "-4"], 2, "--seconds must be 0 or more."),
        (["--metrics", "http://me:canary@127.0.0.1:1/metrics"], 2, "holds a user name or a password"),
        (["--metrics", "http://me:canary@/metrics"], 2, "is not an http:// or https:// URL"),
    ],
)
def test_what_cannot_be_watched_is_said(here: InProcess, arguments: list[str], code: int, message: str) -> None:
    outcome = here("watch", *arguments)
    assert outcome.code == code
    assert message in outcome.stderr
    assert "canary" not in outcome.stderr
