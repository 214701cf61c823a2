"""A database at a distance: the target goes through the proxy, the lab straight, and PostgreSQL counts as ever."""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import psutil
import psycopg
import psycopg2
import pytest
from latency import added_latency
from patience import await_that
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.faults.added_latency import _known_by
from loadlab.model.plan import DatabaseOptions
from loadlab.services.embedded import embedded
from loadlab.services.encryption import programs_with_tls
from loadlab.services.external_database import Reference, external_database
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from psycopg2.extensions import connection as Connection  # noqa: N812

    from loadlab.services.database import Database

pytestmark = pytest.mark.process

DRIVERS: Final = (psycopg2.connect, psycopg.connect)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    database: Database
    register: Register


@contextmanager
def cluster_of(plan: DatabaseOptions, folder: Path) -> Iterator[Cluster]:
    with Register.opened() as register, embedded(plan, register, folder / "postgresql.log") as database:
        yield Cluster(database=database, register=register)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_of(DatabaseOptions(auth="scram"), tmp_path_factory.mktemp("plain")) as cluster:
        yield cluster


@pytest.fixture(scope="module", params=["scram", pytest.param("trust", marks=pytest.mark.slow)])
def encrypted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    try:
        programs_with_tls()
    except EnvironmentFaultError as error:
        pytest.skip(str(error))
    with cluster_of(DatabaseOptions(auth=request.param, tls=True), tmp_path_factory.mktemp("encrypted")) as cluster:
        yield cluster


@contextmanager
def as_target(database: Database, connect: Callable[..., Any] = psycopg2.connect) -> Iterator[Any]:
    """A connection as the target makes it: with the database's parameters, in its environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in database.environment.items():
            patch.setenv(name, value)
        connection = connect(make_dsn(**database.parameters, dbname=database.name))
    try:
        yield connection
    finally:
        connection.close()


def asked(connection: Any, query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


def sessions(observer: Connection, name: str) -> int:
    """PostgreSQL's count, once the last of them has gone and reported."""
    await_that(lambda: backends(observer, name) == 0)
    with observer.cursor() as cursor:
        cursor.execute("SELECT sessions FROM pg_stat_database WHERE datname = %s", [name])
        (count,) = cursor.fetchone() or (0,)
        return int(count)


@pytest.mark.parametrize("connect", DRIVERS)
def test_the_target_goes_through_the_proxy_and_the_observer_does_not(
    plain: Cluster, tmp_path: Path, connect: Callable[..., Any]
) -> None:
    with added_latency(plain.database, 0.5, plain.register, tmp_path / "log") as far:
        with as_target(far.database, connect) as target, far.database.observed() as observer:
            through = [each.laddr.port for each in psutil.Process(far.pid).net_connections("tcp")]
            assert asked(target, "SELECT client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()") in through
            assert (
                asked(observer, "SELECT client_port FROM pg_stat_activity WHERE pid = pg_backend_pid()") not in through
            )
            assert observer.info.port == int(plain.database.parameters["port"])
        assert far.database.rerouted


def test_nothing_of_the_proxy_is_left(plain: Cluster, tmp_path: Path) -> None:
    before = sorted(plain.register.folder.iterdir())
    with added_latency(plain.database, 1, plain.register, tmp_path / "log") as far:
        assert psutil.pid_exists(far.pid)
    assert not psutil.pid_exists(far.pid)
    assert sorted(plain.register.folder.iterdir()) == before
    assert (tmp_path / "log.proxy.log").read_text() == ""


@pytest.mark.parametrize("connect", DRIVERS)
def test_sessions_are_counted_exactly_with_a_proxy_in_between(
    plain: Cluster, tmp_path: Path, connect: Callable[..., Any]
) -> None:
    with plain.database.observed() as observer:
        before = sessions(observer, plain.database.name)
        with added_latency(plain.database, 0.5, plain.register, tmp_path / "log") as far:
            for number in range(20):
                with as_target(far.database, connect) as target:
                    assert asked(target, f"SELECT {number}") == number
        assert sessions(observer, plain.database.name) - before == 20


def backends(observer: Connection, name: str) -> int:
    with observer.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", [name])
        (count,) = cursor.fetchone() or (0,)
        return int(count)


def test_connecting_with_scram_takes_four_round_trips_and_a_query_one(plain: Cluster, tmp_path: Path) -> None:
    # TCP, the startup packet, and two for SCRAM.
    with added_latency(plain.database, 20, plain.register, tmp_path / "log") as far:
        begun = time.monotonic()
        with as_target(far.database) as target:
            connected = time.monotonic()
            target.autocommit = True
            asked(target, "SELECT 1")
            assert time.monotonic() - connected >= 0.02
        assert connected - begun >= 4 * 0.02


def test_tls_takes_two_round_trips_more(encrypted: Cluster, tmp_path: Path) -> None:
    # One asks whether the server speaks it, one is its handshake.
    with added_latency(encrypted.database, 20, encrypted.register, tmp_path / "log") as far:
        begun = time.monotonic()
        with as_target(far.database):
            assert time.monotonic() - begun >= (2 + 2) * 0.02


def test_a_large_result_comes_through_whole(plain: Cluster, tmp_path: Path) -> None:
    with added_latency(plain.database, 1, plain.register, tmp_path / "log") as far, as_target(far.database) as target:
        assert len(asked(target, "SELECT repeat('x', 50000000)")) == 50_000_000


@pytest.mark.parametrize("connect", DRIVERS)
def test_target_and_observer_verify_the_servers_certificate(
    encrypted: Cluster, tmp_path: Path, connect: Callable[..., Any]
) -> None:
    with added_latency(encrypted.database, 0.5, encrypted.register, tmp_path / "log") as far:
        assert far.database.parameters["sslmode"] == "verify-full"
        with as_target(far.database, connect) as target, far.database.observed() as observer:
            for connection in (target, observer):
                assert asked(connection, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True


def test_a_target_without_encryption_says_so_at_once(plain: Cluster) -> None:
    assert plain.database.parameters["sslmode"] == plain.database.observer["sslmode"] == "disable"


def test_a_server_with_another_certificate_is_not_taken_for_ours(encrypted: Cluster, tmp_path: Path) -> None:
    with cluster_of(DatabaseOptions(tls=True), tmp_path) as other:
        stranger = {**encrypted.database.parameters, "sslrootcert": other.database.parameters["sslrootcert"]}
        with (
            pytest.raises(psycopg2.OperationalError, match="certificate verify failed"),
            as_target(replace(encrypted.database, parameters=stranger)),
        ):
            pass


@pytest.fixture
def own_dsn(plain: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The cluster as a user's own database, whose password is in a file under the port that the server is on."""
    port = plain.database.parameters["port"]
    (line,) = (plain.register.folder / "target.pgpass").read_text().splitlines()
    password = line.rpartition(":")[2]
    passwords = tmp_path / "pgpass"
    passwords.touch(mode=0o600)
    passwords.write_text(f"localhost:{port}:*:*:{password}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    return {"host": "localhost", "port": port, "user": plain.database.name, "dbname": plain.database.name}


def test_latency_is_added_to_a_database_whose_password_is_in_a_file(
    plain: Cluster, own_dsn: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DSN", make_dsn(**own_dsn))
    before = sorted(plain.register.folder.iterdir())
    with (
        external_database(Reference("env:MY_DSN"), tmp_path) as database,
        added_latency(database, 10, plain.register, tmp_path / "log") as far,
        as_target(far.database) as target,
    ):
        target.autocommit = True
        begun = time.monotonic()
        assert asked(target, "SELECT 1") == 1
        assert time.monotonic() - begun >= 0.01
        secret = far.database.parameters["passfile"]
        assert Path(secret).stat().st_mode & 0o077 == 0
        assert "password" not in far.database.parameters
    assert sorted(plain.register.folder.iterdir()) == before


def test_a_service_of_libpqs_is_put_at_a_distance(
    plain: Cluster, own_dsn: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    entries = {**own_dsn, "hostaddr": "127.0.0.1"}
    services.write_text("[mine]\n" + "".join(f"{key}={value}\n" for key, value in entries.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with (
        external_database(Reference("service=mine"), tmp_path) as database,
        added_latency(database, 10, plain.register, tmp_path / "log") as far,
        as_target(far.database) as target,
    ):
        through = [each.laddr.port for each in psutil.Process(far.pid).net_connections("tcp")]
        assert asked(target, "SELECT inet_client_port()") in through


def test_a_server_that_is_checked_by_name_keeps_its_name(
    encrypted: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = (encrypted.register.folder / "target.pgpass").read_text().splitlines()
    parameters = {**encrypted.database.parameters, "password": line.rpartition(":")[2]}
    monkeypatch.setenv("MY_DSN", make_dsn(**parameters, dbname=encrypted.database.name))
    with (
        external_database(Reference("env:MY_DSN"), tmp_path) as database,
        added_latency(database, 1, encrypted.register, tmp_path / "log") as far,
        as_target(far.database) as target,
    ):
        assert far.database.parameters["host"] == encrypted.database.parameters["host"]
        assert asked(target, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") is True


def test_a_database_behind_a_unix_socket_is_refused_with_a_remedy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(str(tmp_path / ".s.PGSQL.5432"))
        listener.listen()
        client.connect(str(tmp_path / ".s.PGSQL.5432"))
        connection: Any = SimpleNamespace(fileno=client.fileno, info=SimpleNamespace(host=str(tmp_path)))
        with pytest.raises(UsageError, match=r"reached through the socket in .*host=127\.0\.0\.1"):
            _known_by(connection)


def test_a_proxy_that_does_not_start_is_told_with_its_error(plain: Cluster, tmp_path: Path) -> None:
    unknown = replace(plain.database, parameters={**plain.database.parameters, "host": "no-such-host.invalid"})
    with (
        pytest.raises(EnvironmentFaultError, match=r"(?s)did not start.*(not known|resolution)"),
        added_latency(unknown, 1, plain.register, tmp_path / "log"),
    ):
        pass
