"""The stack of compose/, with each service as a process of this machine: what its files say, happens."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import pytest
from natively import Running, Stack, made_secrets, missing_programs, opened
from patience import PATIENCE_SECONDS, await_that

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

pytestmark = pytest.mark.process

APPS: Final = ("app-threaded", "app-sync", "app-gthread", "app-gevent", "app-asgi")
WORKERS: Final = 2
USERS: Final = 4
FEWEST_REQUESTS: Final = 40
ROUTE: Final = "entries/<int:number>/"
# It has no handler, and dies of the signal.
EXPORTER: Final = "postgres-exporter"


def fetched(url: str, data: Mapping[str, str] | None = None) -> Any:
    """What our own servers answer, as JSON."""
    body = urllib.parse.urlencode(data).encode() if data is not None else None
    with urllib.request.urlopen(url, data=body, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own
        return json.load(answer)


@dataclass(frozen=True, kw_only=True)
class Prometheus:
    url: str

    def value(self, query: str) -> float | None:
        """The one value that a query gives now; None where there is none."""
        answer = fetched(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}")
        (result,) = answer["data"]["result"] or [{"value": [0, None]}]
        return None if result["value"][1] is None else float(result["value"][1])

    def total(self, selector: str) -> float:
        """Of all series, and 0 of none."""
        return self.value(f"sum({selector})") or 0.0

    def await_value(self, query: str, wanted: float) -> None:
        await_that(lambda: self.value(query) == wanted, lambda: (query, self.value(query), wanted))


@dataclass(frozen=True, kw_only=True)
class Locust:
    """Driven as its page is: by what its buttons send."""

    url: str

    def drive(self, target: str) -> None:
        """Let users loose on the target until they have asked often enough."""
        await_that(self.workers_are_ready, self.stats)
        users = {"user_count": str(USERS), "spawn_rate": str(USERS), "host": target}
        assert fetched(f"{self.url}/swarm", users)["success"]
        await_that(lambda: self.stats()["state"] == "running" and self.requests() >= FEWEST_REQUESTS, self.stats)
        assert fetched(f"{self.url}/stop", {})["success"]
        await_that(lambda: self.stats()["state"] == "stopped", self.stats)

    def workers_are_ready(self) -> bool:
        """A worker that has stopped reports again only after the time that it gives its users to end."""
        return [worker["state"] for worker in self.stats()["workers"]] == ["ready"] * WORKERS

    def stats(self) -> Any:
        return fetched(f"{self.url}/stats/requests")

    def requests(self) -> int:
        (whole,) = (row for row in self.stats()["stats"] if row["name"] == "Aggregated")
        assert whole["num_failures"] == 0, self.stats()["errors"]
        return int(whole["num_requests"])


@dataclass(frozen=True, kw_only=True)
class Watched:
    """The stack with what watches it and what drives it."""

    stack: Stack
    prometheus: Prometheus
    locust: Locust


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    if sys.platform != "linux":
        pytest.skip("only Linux has an address on loopback for each service")
    if missing := missing_programs():
        pytest.skip(f"not installed here: {', '.join(missing)}")
    return made_secrets(tmp_path_factory.mktemp("compose"))


@pytest.fixture(scope="module")
def one_mode(variables: dict[str, str]) -> Iterator[Watched]:
    """The stack with one server mode, through PgBouncer; after the last test it has to end in order."""
    with opened(variables | {"LOADLAB_DATABASE_HOST": "pgbouncer"}) as stack:
        yield started(stack, "app-gevent")
        require_orderly_ends(stack)


def console(bouncer: Running, variables: Mapping[str, str], query: str) -> list[dict[str, Any]]:
    """What PgBouncer says to the role that the exporter has."""
    password = Path(variables["LOADLAB_SECRETS"], "monitor_password").read_text()
    connection = psycopg2.connect(
        host=bouncer.address, port=5432, user="monitor", password=password, dbname="pgbouncer"
    )
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(query)
        assert cursor.description is not None
        return [dict(zip((column.name for column in cursor.description), row, strict=True)) for row in cursor]


def started(stack: Stack, *apps: str) -> Watched:
    """All services but Grafana, with these server modes."""
    for name in (*apps, EXPORTER, "prometheus", "locust-master"):
        stack.start(name)
    for replica in range(1, stack.services["locust-worker"]["deploy"]["replicas"] + 1):
        stack.start("locust-worker", replica)
    return Watched(
        stack=stack,
        prometheus=Prometheus(url=f"http://{stack.address('prometheus')}:9090"),
        locust=Locust(url=f"http://{stack.address('locust-master')}:8089"),
    )


def require_agreement(watched: Watched, app: str) -> int:
    """Drive one server mode, and find each of Locust's requests again in what Prometheus has of the site."""
    prometheus, locust = watched.prometheus, watched.locust
    instance = f"{watched.stack.address(app)}:8000"
    prometheus.await_value(f'up{{instance="{instance}",server="{app.removeprefix("app-")}"}}', 1)
    asked = f'loadlab_db_requests_total{{instance="{instance}",alias="default"}}'
    answered = (
        f'loadlab_http_request_duration_seconds_count{{instance="{instance}",route="{ROUTE}",status_class="2xx"}}'
    )
    before = prometheus.total(asked)  # runserver looks for migrations when it starts
    locust.drive(f"http://{instance}")

    def sides() -> tuple[float, ...]:
        return prometheus.total(asked) - before, prometheus.total(answered), locust.requests()

    await_that(lambda: len(set(sides())) == 1, sides)  # each side says it a little later than it was
    return locust.requests()


def require_locked(stack: Stack, app: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refusal:
        fetched(f"http://{stack.address(app)}:8000/metrics")
    assert refusal.value.code == 401
    refusal.value.close()


def require_orderly_ends(stack: Stack) -> None:
    """Stop all services as `docker compose down` does, the last first."""
    ends = {name: running.stopped() for name, running in reversed(stack.running.items())}
    assert ends == dict.fromkeys(ends, 0) | {EXPORTER: -signal.SIGTERM}


def test_locusts_requests_are_the_sites_and_go_through_pgbouncer(one_mode: Watched, variables: dict[str, str]) -> None:
    requests = require_agreement(one_mode, "app-gevent")
    bouncer = one_mode.stack.running["pgbouncer"]
    (site,) = (row for row in console(bouncer, variables, "SHOW STATS") if row["database"] == "loadlab")
    assert site["total_xact_count"] >= requests


def test_locusts_page_shows_the_connections_of_the_site(one_mode: Watched) -> None:
    def figures() -> list[str]:
        tables = one_mode.locust.stats().get("extended_stats", ())
        return [row["figure"] for table in tables for row in table["data"] if row["alias"] == "default"]

    await_that(lambda: "open" in figures(), one_mode.locust.stats)


def test_pods_that_wait_for_the_tables_go_on_once_they_are_there(one_mode: Watched) -> None:
    site = one_mode.stack.running["app-gevent"]
    argv = ["python", "-m", "django", "migrate", "--check"]  # of compose/kubernetes/site.yml
    assert subprocess.run(argv, env=dict(site.environment), capture_output=True, check=False).returncode == 0


def test_the_metrics_need_the_token(one_mode: Watched) -> None:
    require_locked(one_mode.stack, "app-gevent")


def test_prometheus_has_our_rules_and_what_the_exporter_says(one_mode: Watched, variables: dict[str, str]) -> None:
    prometheus = one_mode.prometheus
    rules = fetched(f"{prometheus.url}/api/v1/rules")["data"]["groups"]
    assert {Path(group["file"]).name for group in rules} == {"alerts.yml", "recording.yml"}
    prometheus.await_value("max(pg_settings_max_connections)", int(variables["LOADLAB_MAX_CONNECTIONS"]))
    prometheus.await_value('count(up{job="site"} == 0)', len(APPS) - 1)


def test_pgbouncers_exporter_gets_in_to_the_console(one_mode: Watched) -> None:
    assert "pool_mode" in one_mode.stack.run_once("pgbouncer-exporter")


@pytest.mark.slow
def test_every_server_mode_of_the_stack_is_counted_and_ends_in_order(variables: dict[str, str]) -> None:
    # Kept connections would leak in three of the modes, until PostgreSQL refuses more.
    with opened(variables | {"LOADLAB_MAX_AGE": "0"}) as stack:
        watched = started(stack, *APPS)
        for app in APPS:
            require_agreement(watched, app)
            require_locked(stack, app)
        watched.prometheus.await_value("count(up == 1)", len([*APPS, EXPORTER, "prometheus"]))
        require_orderly_ends(stack)
