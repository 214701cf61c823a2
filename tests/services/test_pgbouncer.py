"""PgBouncer as a service: exact counts of both its sides, its faults, and secrets that stay where they are."""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import struct
import threading
import time
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import psutil
import psycopg2
import pytest
from latency import added_latency
from patience import await_that
from poolers import PASSWORD as SECRET
from poolers import POOLING, Cluster, asked, client, connected, us
from psycopg2 import sql

from loadlab.errors import EnvironmentFaultError
from loadlab.instrumentation.connect_errors import kind_of
from loadlab.judges import ConnectionLimits, _pgbouncer_console
from loadlab.judges.pgbouncer import PgBouncer, Refusals
from loadlab.model.metrics import ConnectError
from loadlab.model.plan import DatabaseOptions
from loadlab.services import pgbouncer as service
from loadlab.services.embedded import embedded, restartable
from loadlab.services.encryption import programs_with_tls
from loadlab.services.external_database import connect_to
from loadlab.services.pgbouncer import PoolerGoneError, pgbouncer_version, require_pgbouncer
from loadlab.system import programs
from loadlab.system.processes import UNPRIVILEGED, Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from poolers import Pooler, Ways
    from psycopg2.extensions import connection as Connection  # noqa: N812

    from loadlab.services.embedded import Running
    from loadlab.services.pgbouncer import Bouncer

# Everything that a password file, a configuration or a log would have to escape, between two words that stand nowhere
# else; and a name that no file could take as it is.
PARTS: Final = ("canaryhead", "canarytail")
PASSWORD: Final = "canaryhead \\:@/%'\"=é canarytail"
ODD: Final = "odd 'name' \"of\" a=b/c@d;é"
LIMIT: Final = "no more connections allowed"


def open_and_closed(bouncer: Bouncer) -> tuple[int, int]:
    counts = bouncer.judge.counts()
    return counts.clients_open, counts.clients_opened - counts.clients_open


def vanish(connection: Connection) -> None:
    """End a client as SIGKILL would: without a word."""
    with socket.socket(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RDWR)
    connection.close()


def test_the_limit_of_clients_and_how_many_are_open_are_known(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler(max_client_conn=7)
    client(clients, bouncer)
    await_that(lambda: bouncer.judge.limits() == ConnectionLimits(connections=8, reserved=1, in_use=1))
    assert (bouncer.judge.open_now(), bouncer.judge.opened(), bouncer.judge.limits().free) == (1, 1, 6)


@pytest.mark.parametrize("pool_mode", ["session", "transaction"])
def test_both_sides_are_counted_as_their_judges_count_them(pooler: Pooler, cluster: Cluster, pool_mode: str) -> None:
    before = cluster.sessions()
    with ExitStack() as clients:
        bouncer = pooler(pool_mode=pool_mode)
        kept = [client(clients, bouncer) for _ in range(4)]
        for connection in kept[:3]:
            asked(connection, "SELECT 1")
        for _ in range(3):
            connected(bouncer.database).close()
        await_that(lambda: bouncer.judge.counts().clients_open == 4)
        counts = bouncer.judge.counts()
        assert (counts.clients_opened, counts.clients_open, counts.refused) == (7, 4, 0)
        assert counts.servers_open == cluster.backends() == (3 if pool_mode == "session" else 1)
        bouncer.stop()
    assert cluster.sessions() - before == counts.servers_opened


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_exact_after_every_step_of_any_life(
    pooler: Pooler, cluster: Cluster, seed: int, *, busy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if busy:  # as when something is logged at every look
        monkeypatch.setattr(
            PgBouncer, "_instant", lambda judge, console: judge._busy_instant(console, console.look(*judge._pool))
        )
    dice, before = random.Random(seed), cluster.sessions()
    bouncer = pooler(pool_mode=dice.choice(["session", "transaction"]), pool_size=30)
    alive: list[Connection] = []
    opened = 0

    def arrive() -> None:
        nonlocal opened
        alive.append(connected(bouncer.database))
        opened += 1

    def leave() -> None:
        alive.pop(dice.randrange(len(alive))).close()

    def leave_without_a_word() -> None:
        vanish(alive.pop(dice.randrange(len(alive))))

    def leave_a_transaction_open() -> None:
        asked(dice.choice(alive), "BEGIN")

    def work() -> None:
        asked(dice.choice(alive), "SELECT 1")

    for _ in range(60):
        anybody = [arrive, leave, leave_without_a_word, leave_a_transaction_open, work]
        dice.choice(anybody if alive else [arrive])()
        await_that(lambda: open_and_closed(bouncer) == (len(alive), opened - len(alive)))
        await_that(lambda: bouncer.judge.counts().servers_open == cluster.backends())
    for connection in alive:
        connection.close()
    last = bouncer.judge.counts()
    bouncer.stop()
    assert cluster.sessions() - before == last.servers_opened > 0


def test_counts_never_go_back_while_clients_come_and_go(pooler: Pooler) -> None:
    bouncer, rounds = pooler(), 40

    def come_and_go() -> None:
        for _ in range(rounds):
            with suppress(psycopg2.OperationalError):
                connected(bouncer.database).close()

    workers = [threading.Thread(target=come_and_go) for _ in range(3)]
    for worker in workers:
        worker.start()
    seen = [bouncer.judge.counts()]
    while any(worker.is_alive() for worker in workers):
        seen.append(bouncer.judge.counts())
    await_that(lambda: open_and_closed(bouncer) == (0, 3 * rounds))
    opened = [counts.clients_opened for counts in seen]
    assert opened == sorted(opened)
    assert len(set(opened)) > 3, "nothing was seen while it went on"


def test_the_strategys_number_of_clients_is_let_in_beside_the_console(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler(max_client_conn=3)
    bouncer.judge.counts()
    for _ in range(3):
        client(clients, bouncer)
    for _ in range(2):
        with pytest.raises(psycopg2.OperationalError, match=LIMIT) as refused:
            connected(bouncer.database)
        assert kind_of(refused.value) is ConnectError.TOO_MANY_CONNECTIONS
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.clients_open, counts.refused) == (3, 3, 2)
    assert bouncer.judge.refusals() == Refusals(max_client_conn=2, query_wait_timeout=0, other=0)


def test_a_client_that_waits_for_too_long_is_sent_away_and_counted(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler(pool_mode="session", pool_size=1, query_wait_timeout_seconds=1)
    asked(client(clients, bouncer), "SELECT 1")
    waiting = client(clients, bouncer)
    with pytest.raises(psycopg2.OperationalError):
        asked(waiting, "SELECT 1")
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.clients_open, counts.servers_opened, counts.refused) == (2, 1, 1, 1)
    assert bouncer.judge.refusals() == Refusals(max_client_conn=0, query_wait_timeout=1, other=0)


def test_clients_beyond_pool_size_wait_and_what_they_wait_is_counted(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler(pool_size=1)
    holder, others = client(clients, bouncer), [client(clients, bouncer) for _ in range(2)]
    asked(holder, "BEGIN")
    before = bouncer.judge.counts().waited_seconds
    assert bouncer.judge.waiting() == (0, 0.0)
    begun = time.monotonic()
    workers = [threading.Thread(target=asked, args=(other, "SELECT 1")) for other in others]
    for worker in workers:
        worker.start()
    await_that(lambda: bouncer.judge.waiting()[0] == 2)
    both_wait = time.monotonic()
    time.sleep(0.2)
    number, longest = bouncer.judge.waiting()
    held = time.monotonic() - both_wait
    asked(holder, "COMMIT")
    for worker in workers:
        worker.join()
    whole = time.monotonic() - begun
    assert number == 2
    assert 0.15 < longest < whole
    assert 1.9 * held < bouncer.judge.counts().waited_seconds - before < 2 * whole
    assert bouncer.judge.waiting() == (0, 0.0)
    assert bouncer.judge.counts().servers_opened == 1


def test_a_refused_client_was_not_opened(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler()
    client(clients, bouncer)
    with pytest.raises(psycopg2.OperationalError, match="authentication failed") as refused:
        connected(bouncer.database, password="wrong")
    assert kind_of(refused.value) is ConnectError.AUTHENTICATION
    with socket.create_connection(
        (bouncer.database.parameters["host"], int(bouncer.database.parameters["port"]))
    ) as raw:
        name = bouncer.database.name.encode()
        user = bouncer.database.parameters["user"].encode()
        startup = struct.pack("!i", 3 << 16) + b"user\0" + user + b"\0database\0" + name + b"\0\0"
        raw.sendall(struct.pack("!i", len(startup) + 4) + startup)
        assert b"SCRAM-SHA-256" in raw.recv(100)
        assert bouncer.judge.counts().clients_opened == 1
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.clients_open, counts.refused) == (1, 1, 1)
    assert bouncer.judge.refusals().other == 1


def test_a_cancel_request_counts_as_neither_session_nor_client(
    pooler: Pooler, cluster: Cluster, clients: ExitStack
) -> None:
    before = cluster.sessions()
    bouncer = pooler()
    busy = client(clients, bouncer)
    failures: list[psycopg2.Error] = []

    def sleep() -> None:
        try:
            asked(busy, "SELECT pg_sleep(60)")
        except psycopg2.Error as error:
            failures.append(error)

    worker = threading.Thread(target=sleep)
    worker.start()
    await_that(lambda: cluster.backends() == 1)
    while worker.is_alive():
        busy.cancel()
        worker.join(0.2)
    assert isinstance(failures[0], psycopg2.errors.QueryCanceled)
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.servers_opened, counts.servers_open) == (1, 1, 1)
    bouncer.stop()
    assert cluster.sessions() - before == 1


def test_a_restart_breaks_every_connection_and_no_count(pooler: Pooler, cluster: Cluster, clients: ExitStack) -> None:
    before = cluster.sessions()
    bouncer = pooler(pool_mode="session")
    old = [client(clients, bouncer) for _ in range(3)]
    for connection in old[:2]:
        asked(connection, "SELECT 1")
    first = bouncer.pid
    bouncer.restart()
    assert bouncer.pid != first
    for connection in old:
        with pytest.raises(psycopg2.OperationalError):
            asked(connection, "SELECT 1")
    asked(client(clients, bouncer), "SELECT 1")
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.clients_open) == (4, 1)
    assert (counts.servers_opened, counts.servers_open) == (3, 1)
    bouncer.stop()
    assert cluster.sessions() - before == 3


def test_what_a_killed_process_has_counted_is_not_lost(pooler: Pooler, clients: ExitStack) -> None:
    bouncer = pooler()
    for _ in range(2):
        asked(client(clients, bouncer), "SELECT 1")
    connected(bouncer.database).close()
    os.kill(bouncer.pid, signal.SIGKILL)
    await_that(lambda: not psutil.pid_exists(bouncer.pid) or psutil.Process(bouncer.pid).status() == "zombie")
    with pytest.raises(PoolerGoneError, match="console"):
        bouncer.judge.counts()
    with pytest.raises(OSError, match="console"):  # as a sampler takes it
        bouncer.judge.waiting()
    bouncer.restart()
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.clients_open, counts.servers_opened) == (3, 0, 1)


def test_a_pgbouncer_that_hangs_does_not_hang_the_lab(pooler: Pooler, monkeypatch: pytest.MonkeyPatch) -> None:
    bouncer = pooler()
    before = bouncer.judge.counts()
    os.kill(bouncer.pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(_pgbouncer_console, "ANSWER_SECONDS", 0.2)
        with pytest.raises(PoolerGoneError, match="nothing in time"):
            bouncer.judge.counts()
    os.kill(bouncer.pid, signal.SIGCONT)
    assert bouncer.judge.counts() == before


@pytest.fixture
def shut(cluster: Cluster) -> Iterator[None]:
    """PostgreSQL refuses every connection to the target's database."""
    name = sql.Identifier(cluster.database.name)
    cluster.cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
    yield
    cluster.cursor.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))


def test_whom_postgresql_keeps_out_pgbouncer_does_not_let_in(
    pooler: Pooler, cluster: Cluster, shut: None, clients: ExitStack
) -> None:
    before = cluster.sessions()
    bouncer = pooler()
    with pytest.raises(psycopg2.OperationalError, match="not currently accepting connections"):
        connected(bouncer.database)
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.servers_opened, counts.refused) == (0, 0, 1)
    assert bouncer.judge.refusals().other == 1
    assert cluster.sessions() == before


@pytest.fixture(scope="module")
def stoppable(
    cluster: Cluster,  # for it skips where there is no PgBouncer
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Running, Register]]:
    log = tmp_path_factory.mktemp("stoppable") / "postgresql.log"
    with Register.opened() as register, restartable(DatabaseOptions(), register, log) as running:
        yield running, register


@pytest.fixture
def restarted(stoppable: tuple[Running, Register]) -> tuple[Running, Register]:
    """A PostgreSQL that runs, and that a test may stop."""
    running, register = stoppable
    running.revive()
    return running, register


def sessions_of(running: Running, register: Register) -> int:
    with running.database.observed() as connection, connection.cursor() as cursor:
        return Cluster(register=register, database=running.database, cursor=cursor).sessions()


@pytest.mark.parametrize("pool_mode", ["transaction", "session"])
def test_a_restart_of_postgresql_breaks_clients_in_session_pooling_alone(
    restarted: tuple[Running, Register], tmp_path: Path, pool_mode: Literal["transaction", "session"]
) -> None:
    running, register = restarted
    before = sessions_of(running, register)
    pooling = replace(POOLING, pool_mode=pool_mode)
    with service.pgbouncer(pooling, running.database, register, register.folder, tmp_path / "log") as bouncer:
        with closing(connected(bouncer.database)) as connection:
            asked(connection, "SELECT 1")
            running.restart()
            await_that(lambda: bouncer.judge.counts().servers_open == 0)
            if pool_mode == "session":
                with pytest.raises(psycopg2.OperationalError):
                    asked(connection, "SELECT 1")
            else:
                assert asked(connection, "SELECT 1") == 1
        with closing(connected(bouncer.database)) as connection:
            assert asked(connection, "SELECT 1") == 1
        await_that(lambda: open_and_closed(bouncer) == (0, 2))
        counts = bouncer.judge.counts()
        assert (counts.servers_opened, counts.servers_open, counts.refused) == (2, 1, 0)
        bouncer.stop()
    assert sessions_of(running, register) - before == 2


def test_while_postgresql_is_down_clients_are_let_in_and_sent_away(
    restarted: tuple[Running, Register], tmp_path: Path
) -> None:
    running, register = restarted
    pooling = replace(POOLING, query_wait_timeout_seconds=1)
    with service.pgbouncer(pooling, running.database, register, register.folder, tmp_path / "log") as bouncer:
        with closing(connected(bouncer.database)) as connection:
            asked(connection, "SELECT 1")
        running.stop()
        await_that(lambda: bouncer.judge.counts().servers_open == 0)
        for _ in range(2):
            with closing(connected(bouncer.database)) as connection, pytest.raises(psycopg2.OperationalError):
                asked(connection, "SELECT 1")
        await_that(lambda: open_and_closed(bouncer) == (0, 3))
        counts, refusals = bouncer.judge.counts(), bouncer.judge.refusals()
        assert (counts.servers_opened, counts.refused) == (1, 2)
        assert refusals.query_wait_timeout + refusals.other == 2


def test_the_startup_of_a_pgbouncer_opens_nothing_in_the_targets_database(pooler: Pooler, cluster: Cluster) -> None:
    before = cluster.sessions()
    bouncer = pooler()
    counts = bouncer.judge.counts()
    assert (counts.clients_opened, counts.servers_opened, counts.servers_open, counts.refused) == (0, 0, 0, 0)
    assert cluster.sessions() == before
    await_that(lambda: roles_connections(cluster, bouncer) == 0)


def roles_connections(cluster: Cluster, bouncer: Bouncer) -> int:
    user = bouncer.database.parameters["user"]
    cluster.cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [user])
    (count,) = cluster.cursor.fetchone() or (0,)
    return int(count)


def test_the_lab_itself_goes_past_it(pooler: Pooler, cluster: Cluster) -> None:
    bouncer = pooler()
    assert bouncer.database.observer == cluster.database.observer
    assert bouncer.database.parameters["port"] != cluster.database.parameters["port"]
    assert bouncer.database.rerouted
    with bouncer.database.observed() as connection:
        assert asked(connection, "SELECT inet_server_port()") == int(cluster.database.parameters["port"])
    assert bouncer.judge.counts().clients_opened == 0


@pytest.fixture
def odd(cluster: Cluster, tmp_path: Path) -> Iterator[dict[str, str]]:
    """A role and a database whose names and password need escaping everywhere."""
    name = sql.Identifier(ODD)
    cluster.cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(name), [PASSWORD])
    cluster.cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    at = cluster.database.parameters
    yield {"host": "localhost", "port": at["port"], "user": ODD, "password": PASSWORD, "dbname": ODD}
    cluster.cursor.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
    cluster.cursor.execute(sql.SQL("DROP ROLE {}").format(name))


def test_behind_a_pooler_a_local_server_is_known_by_its_own_numbers(
    pooler: Pooler, cluster: Cluster, tmp_path: Path
) -> None:
    through = pooler(cluster.database).database
    with connect_to({**through.parameters, "dbname": through.name}, tmp_path, allow_remote=False) as database:
        assert database.postmaster == cluster.database.postmaster


def test_an_external_database_with_odd_names_is_counted(pooler: Pooler, odd: dict[str, str], tmp_path: Path) -> None:
    with connect_to(odd, tmp_path, allow_remote=False) as database, ExitStack() as clients:
        bouncer = pooler(database)
        assert asked(client(clients, bouncer), "SELECT current_user || current_database()") == ODD + ODD
        connected(bouncer.database).close()
        await_that(lambda: open_and_closed(bouncer) == (1, 1))
        counts = bouncer.judge.counts()
        assert (counts.servers_opened, counts.servers_open) == (1, 1)
        bouncer.stop()


@pytest.mark.parametrize(
    ("role", "by_socket", "method"),
    [
        ("trusted", True, "trust"),
        ("scrammed", True, "scram-sha-256"),
        ("scrammed", False, "scram-sha-256"),
        ("md5ed", False, "md5"),
        ("plain", False, "plain"),
    ],
)
def test_it_asks_for_a_password_as_postgresql_does(
    ways: Ways, tmp_path: Path, role: str, *, by_socket: bool, method: str
) -> None:
    host = str(ways.sockets) if by_socket else "127.0.0.1"
    parameters = {"host": host, "port": str(ways.port), "user": role, "dbname": "shop", "password": SECRET}
    with (
        connect_to(parameters, tmp_path, allow_remote=False) as database,
        service.pgbouncer(POOLING, database, ways.register, ways.register.folder, tmp_path / "log") as bouncer,
    ):
        (home,) = ways.register.folder.glob("pgbouncer-*")
        assert f"auth_type = {method}\n" in (home / "pgbouncer.ini").read_text()
        assert (SECRET.replace('"', '""') in (home / "users").read_text()) == (method == "plain")
        for _ in range(2):
            with closing(connected(bouncer.database)) as connection:
                assert asked(connection, "SELECT current_user") == role
        if method != "trust":
            with pytest.raises(psycopg2.OperationalError, match="authentication failed"):
                connected(bouncer.database, password="wrong")


def test_it_goes_over_the_distance_and_by_tls_where_the_target_would(
    cluster: Cluster, tmp_path: Path, clients: ExitStack
) -> None:
    try:
        programs_with_tls()
    except EnvironmentFaultError as error:
        pytest.skip(str(error))
    with (
        Register.opened() as register,
        embedded(DatabaseOptions(tls=True), register, tmp_path / "postgresql.log") as database,
        added_latency(database, 1, register, tmp_path / "proxy.log") as far,
        service.pgbouncer(POOLING, far.database, register, register.folder, tmp_path / "log") as bouncer,
        closing(connected(bouncer.database)) as connection,
    ):
        assert asked(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True
        assert asked(connection, "SELECT inet_client_port()") in {
            one.laddr.port for one in psutil.Process(far.pid).net_connections("tcp")
        }
        assert bouncer.judge.counts().servers_open == 1


@pytest.mark.skipif(os.getuid() != 0, reason="PgBouncer runs as ourselves unless we are root, and peer lets it in")
def test_peer_authentication_that_pgbouncer_lacks_is_named_early(ways: Ways, tmp_path: Path) -> None:
    parameters = {"host": str(ways.sockets), "port": str(ways.port), "user": us(), "dbname": "shop"}
    with (
        connect_to(parameters, tmp_path, allow_remote=False) as database,
        pytest.raises(EnvironmentFaultError, match=r"not to be reached through PgBouncer(.*\n)*.*runs as nobody: peer"),
        service.pgbouncer(POOLING, database, ways.register, ways.register.folder, tmp_path / "log"),
    ):
        pytest.fail("it has got in")
    assert list(ways.register.folder.glob("pgbouncer-*")) == []


def test_its_secrets_are_for_its_user_alone_and_gone_at_the_end(
    pooler: Pooler, cluster: Cluster, odd: dict[str, str], tmp_path: Path
) -> None:
    before = sorted(cluster.register.folder.iterdir())
    with connect_to(odd, tmp_path, allow_remote=False) as database, ExitStack() as stack:
        bouncer = stack.enter_context(
            service.pgbouncer(POOLING, database, cluster.register, cluster.register.folder, tmp_path / "other.log")
        )
        connected(bouncer.database).close()
        process = psutil.Process(bouncer.pid)
        said = " ".join([*process.cmdline(), *process.environ().values(), repr(bouncer.database), repr(bouncer)])
        (home,) = set(cluster.register.folder.iterdir()) - set(before)
        files = {file.name: file.stat() for file in home.iterdir()}
        assert len(files) == 3
        assert [name for name, stat in files.items() if stat.st_mode & 0o077] == []
        if os.getuid() == 0:
            assert process.username() == UNPRIVILEGED
            assert files["users"].st_uid == pwd.getpwnam(UNPRIVILEGED).pw_uid
            assert files["target.pgpass"].st_uid == 0
    said += (tmp_path / "other.log").read_text()
    assert [part for part in PARTS if part in said] == []
    assert sorted(cluster.register.folder.iterdir()) == before
    assert not process.is_running()


def test_a_port_that_somebody_else_was_faster_to_take_is_given_up(
    pooler: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        ports = iter([stranger.getsockname()[1], service.free_port()])
        monkeypatch.setattr(service, "free_port", lambda: next(ports))
        bouncer = pooler()
    assert next(ports, None) is None
    connected(bouncer.database).close()


def test_a_restart_on_a_port_that_is_taken_by_then_says_so(pooler: Pooler) -> None:
    bouncer = pooler()
    bouncer.stop()
    with (
        socket.create_server(("127.0.0.1", int(bouncer.database.parameters["port"]))),
        pytest.raises(EnvironmentFaultError, match=r"did not start; its log, (.*\n)*.*Address already in use"),
    ):
        bouncer.restart()
    with pytest.raises(PoolerGoneError, match="does not run"):
        bouncer.judge.counts()


def test_a_startup_parameter_unknown_to_pgbouncer_is_named_early(pooler: Pooler, cluster: Cluster) -> None:
    parameters = {**cluster.database.parameters, "options": "-c statement_timeout=5000"}
    with pytest.raises(EnvironmentFaultError, match=r"unsupported startup parameter.*\n.*leave them out"):
        pooler(replace(cluster.database, parameters=parameters))


def test_a_missing_program_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FOLDERS", (str(tmp_path),))
    with pytest.raises(EnvironmentFaultError, match=r"apt install pgbouncer.*remove the strategy"):
        require_pgbouncer()


def test_debians_folder_is_looked_into_even_if_path_does_not_lead_there(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, program = tmp_path / "sbin", tmp_path / "sbin" / "pgbouncer"
    folder.mkdir()
    program.write_text("#!/bin/sh\necho PgBouncer 1.25.1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "FOLDERS", (str(folder),))
    assert require_pgbouncer() == program
    assert pgbouncer_version() == "1.25.1"


def test_too_few_file_descriptors_are_named_before_anything_starts(pooler: Pooler) -> None:
    with pytest.raises(EnvironmentFaultError, match=r"needs \d{9,} file descriptors.*ulimit -n"):
        pooler(max_client_conn=10**9)


def test_a_database_that_has_the_name_of_the_console_is_refused(pooler: Pooler, cluster: Cluster) -> None:
    with pytest.raises(EnvironmentFaultError, match="keeps the name pgbouncer"):
        pooler(replace(cluster.database, name="pgbouncer"))
