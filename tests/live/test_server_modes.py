"""What each server mode does with a kept connection: the behaviour that the thread of 2013 argued about."""

from __future__ import annotations

from typing import Any

import pytest


def test_sync_keeps_one_connection_per_worker(trial: Any) -> None:
    connections = trial("sync", max_age=None, workers=3).connections
    assert connections.after_stop.opened == connections.left_open == 3
    assert connections.after_stop.reused > 0


def test_gthread_never_holds_more_than_workers_times_threads_connections(trial: Any) -> None:
    result = trial("gthread", max_age=None, workers=2, threads=3, users=12)
    assert max(result.series.backends) <= 6
    assert result.connections.after_stop.opened <= 6


@pytest.mark.parametrize("server", ["threaded", "gevent", "asgi"])
def test_a_kept_connection_is_never_reused_where_each_request_has_its_own_thread(trial: Any, server: str) -> None:
    result = trial(server, max_age=None)
    assert result.connections.after_stop.reused == 0
    assert set(result.connections.after_stop.closed) - {"explicit"} <= {"garbage_collected", "process_exit"}


@pytest.mark.parametrize("server", ["threaded", "gevent"])
def test_client_keep_alive_hides_the_leak(trial: Any, server: str) -> None:
    result = trial(server, max_age=None, keep_alive=True, users=4)
    assert result.connections.left_open <= 4
    assert result.connections.after_stop.reused > 0


def test_client_keep_alive_does_not_help_asgi(trial: Any) -> None:
    assert trial("asgi", max_age=None, keep_alive=True).connections.after_stop.reused == 0


@pytest.mark.parametrize("server", ["threaded", "sync", "gthread", "gevent", "asgi"])
def test_age_zero_leaves_nothing_open(trial: Any, server: str) -> None:
    result = trial(server, max_age=0)
    assert result.connections.left_open == 0
    assert result.connections.at_rest.closed["request_end"] > 0


def test_an_age_that_expires_closes_by_age(trial: Any) -> None:
    result = trial("sync", max_age=0.2)
    assert result.connections.at_rest.closed["max_age"] > 0
    assert result.connections.after_stop.reused > 0
    assert result.connections.mismatches == ()
