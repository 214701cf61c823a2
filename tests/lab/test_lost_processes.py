"""Workers and poolers are killed or replaced under load: what is lost is bounded, and both sides agree after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from every import every
from faulted import answered_after, assert_in_window, failed_at, planned, seen_through

from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.model.planned_fault import PlannedFault
    from loadlab.model.samples import Trial

pytestmark = pytest.mark.process


def test_a_killed_worker_loses_its_requests_and_no_count(trial: TrialRunner) -> None:
    done = seen_through(trial, "sync", planned("worker_kill"), max_age=60)
    assert_in_window(done)
    assert len(failed_at(done)) <= done.case.users
    assert done.connections.at_rest.closed.get("process_exit", 0) <= 1  # none, if it has had no request yet
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)


def test_a_restarted_pooler_breaks_each_connection_once(trial: TrialRunner) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {}, "strategy")
    done = seen_through(trial, "sync", planned("pooler_restart"), strategy=pooled, window_seconds=1.2)
    assert_in_window(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)


@pytest.mark.slow
def test_a_reload_replaces_the_workers_within_the_window(trial: TrialRunner) -> None:
    done = trial("sync", max_age=60, window_seconds=8.0, fault=planned("worker_restart"))
    assert_in_window(done)
    assert done.connections.at_rest.opened >= 4


def assert_full_for_a_while(done: Trial) -> None:
    assert_in_window(done)
    assert done.fault_seen is not None
    assert failed_at(done)
    assert answered_after(done, done.fault_seen.lifted or 0)


def test_a_full_pooler_turns_away_who_connects_and_loses_no_count(trial: TrialRunner) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {"max_client_conn": 20}, "strategy")
    full = planned("pooler_full", seconds=0.3)
    assert_full_for_a_while(seen_through(trial, "sync", full, strategy=pooled, window_seconds=1.5, fails=True))


def test_a_full_pool_has_the_target_wait_and_loses_no_count(trial: TrialRunner) -> None:
    done = with_full_pool(trial, "sync", pool_size=2)
    seen = done.fault_seen
    assert seen is not None
    assert failed_at(done) == []
    assert answered_after(done, seen.lifted or 0)
    columns = zip(done.requests.ended, done.requests.response, strict=True)
    meanwhile = [ended for ended, response in columns if ended - response > (seen.applied or 0)]
    assert min(meanwhile) > (seen.lifted or 0)


def with_full_pool(trial: TrialRunner, server: str, *, for_seconds: float = 0.3, **parameters: Any) -> Trial:
    pooled = config_of(STRATEGIES, "pgbouncer", parameters, "strategy")
    full = planned("pooler_full", seconds=for_seconds, limit="default_pool_size")
    window_seconds = 1.2 + 2 * for_seconds
    done = seen_through(trial, server, full, strategy=pooled, driver="psycopg", window_seconds=window_seconds)
    assert_in_window(done)
    return done


@pytest.mark.slow
@every("server", ["sync", "gthread", "asgi", "gevent"])
@every("max_age", [0, 60])
@every("pool_mode", ["transaction", "session"])
def test_who_waits_for_a_full_pool_too_long_is_sent_away(
    trial: TrialRunner, server: str, max_age: int, pool_mode: str
) -> None:
    short = {"query_wait_timeout_seconds": 0.5, "pool_size": 12}
    done = with_full_pool(trial, server, for_seconds=3.0, max_age=max_age, pool_mode=pool_mode, **short)
    if pool_mode == "transaction" or max_age == 0:
        assert failed_at(done)


@pytest.mark.slow
@every("server", ["gthread", "asgi", "gevent"])
@every("max_age", [0, 60])
def test_a_full_pooler_loses_no_count_in_any_mode(trial: TrialRunner, server: str, max_age: int) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {"max_client_conn": 20, "max_age": max_age}, "strategy")
    done = trial(server, strategy=pooled, driver="psycopg", window_seconds=3.0, fault=planned("pooler_full", seconds=1))
    assert_in_window(done)


@pytest.mark.slow
def test_after_a_failover_the_application_goes_on_at_the_new_primary(trial: TrialRunner) -> None:
    before = trial.lab.database.postmaster
    done = seen_through(trial, "sync", planned("database_failover"), max_age=60, window_seconds=6.0, fails=True)
    assert_in_window(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)
    assert failed_at(done)
    assert trial.lab.database.postmaster != before
    assert trial("sync", max_age=60).state == "complete"


STRATEGY = {"age 0": ("max_age", {"max_age": 0}), "age 60": ("max_age", {"max_age": 60}), "pool": ("pool", {})}
SEVERAL = {"asgi": 2, "granian": 2, "uvicorn_wsgi": 2, "hypercorn_wsgi": 2, "granian_asgi": 2, "hypercorn": 2}
REPLACING = ["sync", "gthread", "gevent", "gunicorn_asgi", "uvicorn_worker", "asgi", "granian", "uwsgi", "nginx"]


def with_several_workers(trial: TrialRunner, server: str, strategy: str, fault: PlannedFault, **more: Any) -> Trial:
    """A trial of a mode that has another worker when one is gone."""
    name, parameters = STRATEGY[strategy]
    workers = {"workers": SEVERAL[server]} if server in SEVERAL else {}
    made = config_of(STRATEGIES, name, parameters, "strategy")
    return seen_through(trial, server, fault, strategy=made, driver="psycopg", **more, **workers)


@pytest.mark.slow
@every("which", ["one", "all_but_one", "all"])
@every("server", REPLACING)
@every("strategy", STRATEGY)
def test_a_killed_worker_loses_no_count_in_any_mode(trial: TrialRunner, server: str, strategy: str, which: str) -> None:
    done = with_several_workers(trial, server, strategy, planned("worker_kill", which=which), window_seconds=4.0)
    assert_in_window(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)


@pytest.mark.slow
@every("server", [*REPLACING, "hypercorn_wsgi"])
@every("strategy", STRATEGY)
def test_a_reload_loses_no_count_in_any_mode(trial: TrialRunner, server: str, strategy: str) -> None:
    assert_in_window(with_several_workers(trial, server, strategy, planned("worker_restart"), window_seconds=12.0))


@pytest.mark.slow
@every("server", ["sync", "gthread", "gevent", "asgi", "granian", "uwsgi"])
def test_a_restarted_pooler_loses_no_count_in_any_mode(trial: TrialRunner, server: str) -> None:
    pooled = config_of(STRATEGIES, "pgbouncer", {}, "strategy")
    restart = planned("pooler_restart")
    done = seen_through(trial, server, restart, strategy=pooled, driver="psycopg", window_seconds=2.5)
    assert_in_window(done)
    assert done.fault_seen is not None
    assert answered_after(done, done.fault_seen.lifted or 0)


@pytest.mark.slow
@every("server", ["sync", "gthread", "asgi", "gevent"])
@every("strategy", [*STRATEGY, "pgbouncer"])
def test_a_failover_loses_no_count_in_any_mode(trial: TrialRunner, server: str, strategy: str) -> None:
    name, parameters = STRATEGY.get(strategy, (strategy, {}))
    done = trial(
        server,
        strategy=config_of(STRATEGIES, name, parameters, "strategy"),
        driver="psycopg",
        window_seconds=12.0,
        fault=planned("database_failover", detection_seconds=0.5),
    )
    assert_in_window(done)
    assert done.fault_seen is not None
    if strategy != "pgbouncer":  # it tries again only 15 s after a login that failed
        assert answered_after(done, done.fault_seen.lifted or 0)
