"""What happens to a network happens to the target alone: its packets vanish, come late, or are answered by a reset."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg2
import pytest
from every import every
from latency import added_latency
from patience import PATIENCE_SECONDS, await_that
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.blackhole import Blackhole
from loadlab.faults.latency_spike import LatencySpike
from loadlab.faults.network_cut import NetworkCut
from loadlab.faults.slow_accept import SlowAccept
from loadlab.lab.abandoned import clients_gone, held
from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault
from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from laboratory import TrialRunner
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process
PARAMETERS = {"latency_spike": {"added_ms": 20.0}, "slow_accept": {"accept_seconds": 0.2}}
BEGUN = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND query ~ 'pg_sleep' AND state = 'active'"
END = BEGUN.replace("count(*)", "pg_terminate_backend(pid)")
NETWORK = ["network_cut", "blackhole", "latency_spike", "slow_accept"]


class Network:
    """A database behind the proxy, as the target reaches it."""

    def __init__(self, lab: Lab, context: FaultContext, proxy: int) -> None:
        self._lab = lab
        self.proxy = proxy
        self.context = context
        self.opened: list[Connection] = []

    def connected(self, **options: object) -> Connection:
        database = self.context.database
        secret = {"passfile": self._lab.database.environment["PGPASSFILE"]}
        connection = psycopg2.connect(make_dsn(**database.parameters, dbname=database.name, **secret, **options))
        connection.autocommit = True
        self.opened.append(connection)
        return connection

    def reaches(self, seconds: float) -> bool:
        """Whether a SYN is answered within so many seconds."""
        try:
            socket.create_connection(("127.0.0.1", int(self.context.database.parameters["port"])), seconds).close()
        except TimeoutError:
            return False
        return True


@pytest.fixture
def network(lab: Lab, tmp_path: Path) -> Iterator[Network]:
    with added_latency(lab.database, 0, lab.register, tmp_path / "log") as far:
        context = FaultContext(database=far.database, register=lab.register, log=tmp_path / "log", handle=far.handle)
        network = Network(lab, context, far.pid)
        yield network
        for connection in network.opened:
            connection.close()


def one(connection: Connection) -> object:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return (cursor.fetchone() or (None,))[0]


@contextmanager
def timed() -> Iterator[list[float]]:
    taken: list[float] = []
    begun = time.monotonic()
    yield taken
    taken.append(time.monotonic() - begun)


def test_a_cut_resets_what_is_open_and_refuses_what_comes(network: Network, lab: Lab) -> None:
    before = network.connected()
    with NetworkCut().applied(network.context):
        with pytest.raises(psycopg2.OperationalError):
            one(before)
        with pytest.raises(psycopg2.OperationalError, match="refused"):
            network.connected()
        with lab.database.observed() as observer:
            assert one(observer) == 1
    assert one(network.connected()) == 1


def test_in_a_black_hole_nothing_is_answered_and_afterwards_all_goes_on(network: Network, lab: Lab) -> None:
    kept = network.connected()
    answers: list[object] = []
    asking = threading.Thread(target=lambda: answers.append(one(kept)))
    with Blackhole().applied(network.context):
        asking.start()
        assert not network.reaches(0.3)
        assert answers == []
        with lab.database.observed() as observer:
            assert one(observer) == 1
    asking.join(PATIENCE_SECONDS)
    assert answers == [1]
    assert network.reaches(PATIENCE_SECONDS)


def test_in_a_black_hole_tcp_user_timeout_ends_the_wait(network: Network) -> None:
    kept = network.connected(tcp_user_timeout=200)
    with Blackhole().applied(network.context), pytest.raises(psycopg2.OperationalError, match="timed out"):
        one(kept)


def test_in_a_black_hole_keepalives_end_the_wait_for_a_response(network: Network, lab: Lab) -> None:
    kept = network.connected(keepalives_idle=1, keepalives_interval=1, keepalives_count=1)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            kept.cursor().execute("SELECT pg_sleep(600)")
        except psycopg2.OperationalError as error:
            errors.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    with lab.database.observed() as observer, observer.cursor() as cursor:
        # What PostgreSQL has begun is acknowledged: TCP has nothing to send, and waits for ever without keepalives.
        await_that(lambda: cursor.execute(BEGUN, [lab.database.name]) or cursor.fetchone() == (1,))
        with Blackhole().applied(network.context):
            asking.join(PATIENCE_SECONDS)
        cursor.execute(END, [lab.database.name])
    assert "timed out" in str(errors[0])


def test_a_spike_delays_each_round_trip_and_passes(network: Network) -> None:
    kept = network.connected()
    with LatencySpike(added_ms=100).applied(network.context), timed() as late:
        one(kept)
    assert late[0] >= 0.1
    assert min(_asked(kept) for _ in range(20)) < 0.1


def test_late_acceptance_delays_connecting_and_no_query(network: Network) -> None:
    kept = network.connected()
    with SlowAccept(accept_seconds=0.5).applied(network.context):
        assert min(_asked(kept) for _ in range(20)) < 0.5
        with timed() as late:
            network.connected().close()
    assert late[0] >= 0.5


def _asked(connection: Connection) -> float:
    with timed() as taken:
        one(connection)
    return taken[0]


def test_a_fault_of_the_network_without_a_proxy_says_so(lab: Lab, tmp_path: Path) -> None:
    context = FaultContext(database=lab.database, register=lab.register, log=tmp_path / "log")
    with pytest.raises(EnvironmentFaultError, match="no proxy"), NetworkCut().applied(context):
        pass


def test_a_client_that_gave_up_leaves_its_session_at_postgresql(network: Network) -> None:
    proxy = network.proxy
    kept = network.connected()
    await_that(lambda: clients_gone(proxy) == 0)  # the kernel's tables change while they are read
    with Blackhole().applied(network.context):
        client = socket.socket(fileno=os.dup(kept.fileno()))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 200)
        with pytest.raises(psycopg2.OperationalError, match="timed out"):
            one(kept)
        client.close()
    await_that(lambda: clients_gone(proxy) == 1)
    await_that(lambda: held([os.getpid()], network.context.database) == 0)
    other = network.connected()
    await_that(lambda: held([os.getpid()], network.context.database) == 1)
    other.close()
    await_that(lambda: clients_gone(proxy) == 1)


@pytest.mark.slow
@every("kind", NETWORK)
@every("server", ["sync", "gthread", "asgi"])
@every("strategy", ["max_age", "always_new", "pool"])
def test_counts_are_exact_after_each_fault_of_the_network(
    trial: TrialRunner, kind: str, server: str, strategy: str
) -> None:
    parameters = {"max_age": {"max_age": 60}, "always_new": {"max_age": 0}}.get(strategy, {})
    chosen = config_of(STRATEGIES, "pool" if strategy == "pool" else "max_age", parameters, "strategy")
    fault = PlannedFault(config=Config(name=kind, parameters=PARAMETERS.get(kind, {})), at=0.5, seconds=1.0)
    done = trial(server, strategy=chosen, driver="psycopg", window_seconds=6.0, fault=fault)
    seen = done.fault_seen
    assert done.state == "complete", done.reason
    assert seen is not None
    assert seen.lifted is not None
    assert seen.lifted <= done.window_end
    assert done.connections.exact, done.connections.mismatches
    assert bool(done.failures) == (kind == "network_cut")
    assert any(
        ended > seen.lifted and not failed
        for ended, failed in zip(done.requests.ended, done.requests.failed, strict=True)
    )


@pytest.mark.slow
@every("server", ["sync", "gthread"])
@every("max_age", [0, 60])
@every("driver", ["psycopg", "psycopg2"])
def test_counts_are_exact_where_time_outs_end_what_hangs(
    trial: TrialRunner, server: str, max_age: int, driver: str
) -> None:
    short = {"connect_timeout": 1, "tcp_user_timeout": 500, "keepalives_idle": 1, "keepalives_count": 1}
    chosen = config_of(
        STRATEGIES, "max_age_with_timeouts", {"max_age": max_age, "keepalives_interval": 1, **short}, "strategy"
    )
    fault = PlannedFault(config=Config(name="blackhole"), at=0.5, seconds=3.0)
    done = trial(server, strategy=chosen, driver=driver, window_seconds=7.0, fault=fault)
    assert done.state == "complete", done.reason
    assert done.failures
    assert done.connections.exact, done.connections.mismatches
