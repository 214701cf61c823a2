"""The heart: in every server mode, our count of connections is PostgreSQL's, to the last one."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from loadlab.planning import SCENARIO_FOLDER
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.runner.trial import Bench


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("max_age", [0, None])
@pytest.mark.parametrize("server", list(SERVERS))
def test_opened_is_sessions_and_closed_plus_open(trial: Any, server: str, max_age: float | None, driver: str) -> None:
    connections = trial(server, max_age=max_age, driver=driver).connections
    assert connections.mismatches == ()
    assert connections.after_stop.opened == connections.sessions > 0
    assert connections.after_stop.opened == sum(connections.after_stop.closed.values())
    assert connections.at_rest.open == connections.left_open


@pytest.mark.parametrize("server", list(SERVERS))
def test_the_books_agree_with_kept_clients_too(trial: Any, server: str) -> None:
    assert trial(server, max_age=None, keep_alive=True).connections.mismatches == ()


@pytest.mark.parametrize("scenario", ["read_write", "slow_query"])
def test_the_books_agree_whatever_the_view_does(trial: Any, scenario: str) -> None:
    result = trial("gthread", max_age=None, scenario=scenario)
    assert result.failures == ()
    assert result.connections.mismatches == ()


def test_requests_without_a_database_open_nothing(trial: Any) -> None:
    connections = trial("sync", scenario="no_database").connections
    assert (connections.sessions, connections.after_stop.opened) == (0, 0)


@pytest.fixture
def five_slots(bench: Bench) -> Iterator[None]:
    """PostgreSQL with room for five connections: other clients, of another database, hold the rest."""
    bench.cursor.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    (free,) = bench.cursor.fetchone() or (0,)
    with ExitStack() as others:
        for _ in range(free - 5):
            others.enter_context(bench.database.observed())
        yield


@pytest.mark.usefixtures("five_slots")
def test_refused_connections_are_errors_and_no_connections(trial: Any) -> None:
    """With its leaks, gevent reaches the limit of the server, and the books still agree."""
    result = trial("gevent", max_age=None, users=12, window_seconds=2.0)
    refused = result.connections.after_stop.connect_errors.get("too_many_connections", 0)
    assert refused > 0
    assert result.connections.mismatches == ()
    assert sum(failure.count for failure in result.failures) > 0


def test_a_blocking_psycopg2_holds_a_gevent_worker_to_one_query_at_a_time(trial: Any, tmp_path: Path) -> None:
    # Queries so long that they overlap on the slowest machine, wherever they can.
    slow_query = (SCENARIO_FOLDER / "slow_query.py").read_text().replace("seconds=0.02", "seconds=0.4")
    scenario = tmp_path / "slower_query.py"
    scenario.write_text(slow_query)
    blocking = trial("gevent", scenario=str(scenario), cooperative=False)
    cooperating = trial("gevent", scenario=str(scenario), cooperative=True)
    assert max(blocking.series.values["active"]) <= 2 < max(cooperating.series.values["active"])
    assert blocking.connections.mismatches == cooperating.connections.mismatches == ()
