"""Every strategy in every usual mode that it fits, on real servers: both ends counted exactly, and nothing leaks."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import pytest
from modes import USUAL

from loadlab.analysis.rooms import leak_of
from loadlab.faults import FaultContext
from loadlab.faults.added_latency import AddedLatency
from loadlab.lab.route import routed
from loadlab.plan.members import config_of, server_traits
from loadlab.probes import ProbeContext
from loadlab.probes.cpu import Cpu
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from laboratory import TrialRunner

    from loadlab.model.samples import Trial

    Measured = Callable[[str, str], Trial]

DRIVER = "psycopg"
# Of these, connections that outlive their request leak where each request has its own thread.
KEEP_AND_NO_MORE = ("max_age_if_not_debug", "max_age_with_timeouts", "recycle_workers", "worker_exit_hook")
# In these, no later request finds the thread of an earlier one.
OWN_THREAD = tuple(name for name in SERVERS if SERVERS[name]().lasting_connections(8, keep_alive=False) == 0)


def fits(strategy: str, server: str) -> bool:
    where = server_traits(config_of(SERVERS, server, {}, "server"), DRIVER)
    return STRATEGIES[strategy]().incompatible(where) is None


def pairs() -> list[Any]:
    """All that fit. By default each strategy in one mode, and a pool in those in which kept connections leak."""
    found: list[Any] = []
    seen: set[str] = set()
    for strategy, server in product(STRATEGIES, USUAL):
        if strategy == "max_age" or not fits(strategy, server):
            continue
        again = strategy in seen and not (strategy == "pool" and server in OWN_THREAD)
        missing = [package for package in STRATEGIES[strategy].packages if not _installed(package)]
        lacking = pytest.mark.skipif(bool(missing), reason=f"{' and '.join(missing)} cannot be had here")
        found.append(pytest.param(strategy, server, marks=[lacking, *([pytest.mark.slow] if again else [])]))
        seen.add(strategy)
    return found


def _installed(package: str) -> bool:
    with suppress(PackageNotFoundError):
        return bool(version(package))
    return False


# What its pairs are measured with; by default all that a strategy has.
PARAMETERS: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    **{("pool", server): {"max_size": 3} for server in USUAL},
    ("leased_threads", "asgi"): {"threads": 3},
    ("pgbouncer", "gthread"): {"pool_size": 2, "max_age": 60},
}


@pytest.fixture(scope="module")
def measured(trial: TrialRunner) -> Measured:
    """A trial of a pair, once for all tests that look at it."""

    @cache
    def once(server: str, strategy: str) -> Trial:
        choice = config_of(STRATEGIES, strategy, PARAMETERS.get((strategy, server), {}), "strategy")
        return trial(server, strategy=choice, driver=DRIVER)

    return once


@pytest.mark.parametrize(("strategy", "server"), pairs())
def test_a_strategy_is_counted_exactly_and_leaks_only_where_declared(
    measured: Measured, strategy: str, server: str
) -> None:
    done = measured(server, strategy)
    assert (done.state, done.connections.mismatches) == ("complete", ())
    assert [failure.kind for failure in done.failures] == []
    assert done.connections.after_stop.opened > 0
    if not (strategy in KEEP_AND_NO_MORE and server in OWN_THREAD):
        assert leak_of(done) != "yes"


@pytest.mark.parametrize("server", ["threaded", "gevent", "asgi"])
def test_a_pool_reuses_where_a_kept_connection_is_never_found_again(measured: Measured, server: str) -> None:
    done = measured(server, "pool")
    counts = done.connections.after_stop
    assert counts.reused > 0
    assert counts.opened <= 3 * SERVERS[server]().processes()
    assert counts.waits >= counts.reused  # each check-out is one, and no opening


def test_leased_threads_make_persistent_connections_work_under_asgi(measured: Measured) -> None:
    counts = measured("asgi", "leased_threads").connections.after_stop
    assert counts.opened <= 3
    assert counts.reused > 0


def test_pgbouncer_holds_fewer_connections_than_its_clients(measured: Measured) -> None:
    connections = measured("gthread", "pgbouncer").connections
    assert connections.pooler is not None
    assert connections.sessions == connections.pooler.after_stop.servers_opened <= 2
    assert connections.after_stop.opened == connections.pooler.after_stop.clients_opened > 2


def test_kept_connections_under_gevent_leak_into_pgbouncer_instead(trial: TrialRunner) -> None:
    choice = config_of(STRATEGIES, "pgbouncer", {"pool_size": 3, "max_age": 60}, "strategy")
    connections = trial("gevent", strategy=choice, driver=DRIVER).connections
    assert connections.pooler is not None
    assert connections.left_open <= 3 < connections.pooler.at_rest.clients_open


@pytest.mark.slow  # the claim session_pinning is the same, and each request of it ends
def test_persistent_clients_pin_session_pooling(trial: TrialRunner) -> None:
    choice = config_of(STRATEGIES, "pgbouncer", {"pool_mode": "session", "pool_size": 2, "max_age": 60}, "strategy")
    done = trial("gevent", strategy=choice, driver=DRIVER, users=6, fewest=0)
    assert done.connections.pooler is not None
    assert done.connections.mismatches == ()
    answered = len(done.requests.ended) - len(done.requests.no_answer)
    assert answered <= 2  # as many as it has connections, and then none is given back


def test_counts_reconcile_behind_added_latency(trial: TrialRunner) -> None:
    choice = config_of(STRATEGIES, "pgbouncer", {"pool_size": 2}, "strategy")
    far = trial("sync", max_age=60, driver=DRIVER, round_trip_ms=3)
    farther = trial("sync", strategy=choice, driver=DRIVER, round_trip_ms=3)
    for done in (far, farther):
        assert done.connections.mismatches == ()
        assert min(done.requests.response) >= 0.003


def test_the_time_of_what_stands_in_between_is_known(trial: TrialRunner, tmp_path: Path) -> None:
    choice, database = config_of(STRATEGIES, "pgbouncer", {}, "strategy"), trial.lab.database
    context = FaultContext(database=database, register=trial.lab.register, log=tmp_path / "log")
    with routed(choice, [AddedLatency(round_trip_ms=3.0)], context) as route:
        context = ProbeContext(cursor=trial.lab.cursor, database=database.name, ledgers=tmp_path, trees=route.trees)
        spent = Cpu().read(context)
    assert spent.keys() == {"cpu_proxy", "cpu_pooler"}
    assert spent["cpu_proxy"] > 0  # its start alone takes some
