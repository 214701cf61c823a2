"""In every usual server mode, our count of connections equals PostgreSQL's, to the last one, however they end.

What becomes of a kept connection in which mode is what the thread of 2013 argued about. Each other mode has its test in
`tests/families/test_servers.py`.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from laboratory import LONGER, in_longer_windows
from modes import USUAL

from loadlab.instrumentation.request_totals import RequestTotals
from loadlab.plan.scenarios import SCENARIO_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.lab import Lab
    from loadlab.model.samples import Trial

    Answered = dict[tuple[str, str, str], int]  # (route, method, status class) → requests


@pytest.fixture(scope="module")
def served() -> dict[int, Answered]:
    """How many requests of each series the target has counted, by the trial's order."""
    return {}


@pytest.fixture(scope="module")
def measured(trial: Any, served: dict[int, Answered]) -> Any:
    """A trial of a mode, once for all tests that look at it."""

    @cache
    def once(server: str, max_age: float | None, driver: str = "psycopg2", *, keep_alive: bool = False) -> Trial:
        # Long enough that a user who keeps a connection comes a second time, on a busy machine too.
        long = {"window_seconds": 0.8} if keep_alive else {}
        result: Trial = trial(server, max_age=max_age, driver=driver, keep_alive=keep_alive, **long)
        answered = RequestTotals(trial.target.ledgers(result)).read().answered  # the ledgers are soon removed
        served[result.order] = {(one.route, one.method, one.status_class): one.requests for one in answered}
        return result

    return once


@pytest.mark.parametrize(
    ("max_age", "driver"),
    # With psycopg 3, tests/lab/test_every_strategy.py counts in each mode.
    [(0, "psycopg2"), (None, "psycopg2"), *(pytest.param(age, "psycopg", marks=pytest.mark.slow) for age in (0, None))],
)
@pytest.mark.parametrize("server", USUAL)
def test_opened_is_sessions_and_closed_plus_open(
    measured: Any, server: str, max_age: float | None, driver: str
) -> None:
    connections = measured(server, max_age, driver).connections
    assert connections.mismatches == ()
    assert connections.after_stop.opened == connections.sessions > 0
    assert connections.after_stop.opened == sum(connections.after_stop.closed.values())
    assert connections.at_rest.open == connections.left_open


@pytest.mark.parametrize("server", USUAL)
def test_counts_reconcile_with_kept_clients_too(measured: Any, server: str) -> None:
    assert measured(server, None, keep_alive=True).connections.mismatches == ()


@pytest.mark.parametrize("server", USUAL)
def test_age_zero_leaves_nothing_open(measured: Any, server: str) -> None:
    connections = measured(server, 0).connections
    assert connections.left_open == 0
    assert connections.at_rest.closed["request_end"] > 0


@pytest.mark.parametrize("server", USUAL)
def test_a_trials_requests_are_the_targets_but_for_those_cut_off(
    measured: Any, served: dict[int, Answered], server: str
) -> None:
    """The load stops where it is: each user may have one request under way, whose answer it does not get.

    Under ASGI such a request is cancelled, and has no status; nor a route, if that is before its view is found.
    """
    result = measured(server, 0)
    series = served[result.order]
    whole, cut_off = ("entries/<int:number>/", "GET", "2xx"), {"entries/<int:number>/", "unmatched"}
    assert whole in series
    assert {(route, status) for route, _, status in series if (route, "GET", status) != whole} <= {
        (route, "other") for route in cut_off
    }
    answered = len(result.requests.ended) - len(result.requests.no_answer)
    assert 0 <= sum(series.values()) - answered <= result.case.users


@pytest.mark.parametrize("server", ["threaded", "gevent", "asgi"])
def test_a_thread_per_request_never_reuses_a_kept_connection(measured: Any, server: str) -> None:
    stopped = measured(server, None).connections.after_stop
    assert stopped.reused == 0
    assert set(stopped.closed) - {"explicit"} <= {"garbage_collected", "process_exit"}


@pytest.mark.parametrize("server", ["threaded", "gevent"])
def test_client_keep_alive_hides_the_leak(measured: Any, server: str) -> None:
    result = measured(server, None, keep_alive=True)
    assert result.connections.left_open <= result.case.users
    assert result.connections.after_stop.reused > 0


def test_client_keep_alive_does_not_help_asgi(measured: Any) -> None:
    assert measured("asgi", None, keep_alive=True).connections.after_stop.reused == 0


def test_sync_keeps_one_connection_per_worker(trial: Any) -> None:
    done = in_longer_windows(
        trial, "sync", max_age=None, workers=3, enough=lambda done: done.connections.left_open >= 3
    )
    connections = done.connections
    assert connections.after_stop.opened == connections.left_open == 3
    assert connections.after_stop.reused > 0


def test_gthread_never_holds_more_than_workers_times_threads_connections(trial: Any) -> None:
    result = trial("gthread", max_age=None, workers=2, threads=3, users=12)
    assert max(result.series.backends) <= 6
    assert result.connections.after_stop.opened <= 6


def test_an_age_that_expires_closes_by_age(trial: Any) -> None:
    for longer in LONGER:  # than the requests of a busy machine
        result = trial("sync", max_age=longer * 0.1, window_seconds=longer * 0.8)
        if result.connections.after_stop.reused:
            break
    assert result.connections.at_rest.closed["max_age"] > 0
    assert result.connections.after_stop.reused > 0
    assert result.connections.mismatches == ()


def test_requests_without_a_database_open_nothing(trial: Any) -> None:
    connections = trial("sync", scenario="no_database").connections
    assert (connections.sessions, connections.after_stop.opened) == (0, 0)


@pytest.fixture
def five_slots(lab: Lab) -> Iterator[None]:
    """PostgreSQL with room for five connections: other clients, of another database, hold the rest."""
    lab.cursor.execute(
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"
        " - count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    )
    (free,) = lab.cursor.fetchone() or (0,)
    with ExitStack() as others:
        for _ in range(free - 5):
            others.enter_context(lab.database.observed())
        yield


@pytest.mark.usefixtures("five_slots")
def test_refused_connections_are_errors_and_no_connections(trial: Any) -> None:
    """With its leaks, gevent reaches the limit of the server, and the counts still reconcile."""
    result = trial("gevent", max_age=None, users=12, window_seconds=1.0)
    refused = result.connections.after_stop.connect_errors.get("too_many_connections", 0)
    assert refused > 0
    assert result.connections.mismatches == ()
    assert sum(failure.count for failure in result.failures) > 0


def test_a_blocking_psycopg2_holds_a_gevent_worker_to_one_query_at_a_time(trial: Any, tmp_path: Path) -> None:
    # Queries so long that they overlap on the slowest machine, wherever they can.
    slow_query = (SCENARIO_FOLDER / "slow_query.py").read_text().replace("seconds=0.02", "seconds=0.3")
    scenario = tmp_path / "slower_query.py"
    scenario.write_text(slow_query)
    blocking = trial("gevent", scenario=str(scenario), cooperative=False, fewest=1)
    cooperating = trial("gevent", scenario=str(scenario), cooperative=True, fewest=1)
    assert max(blocking.series.values["backends_active"]) <= 2 < max(cooperating.series.values["backends_active"])
    assert blocking.connections.mismatches == cooperating.connections.mismatches == ()
