"""How a database is named: what is refused, without repeating it, and that no server elsewhere gets past the opt-in."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

import pytest
from every import every
from patience import PATIENCE_SECONDS
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError, LabError, UsageError
from loadlab.services.dsn import parameters_of, require_local, require_local_peer
from loadlab.services.external_database import Reference, external_database

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.lab import Lab

CANARIES: Final = ("CANARYA", "CANARYB")
MISREAD: Final = {
    "an @ in the password": "postgresql://me:CANARYA@CANARYB@127.0.0.1/db",
    "a slash in the password": "postgresql://me:CANARYA/CANARYB@127.0.0.1/db",
    "a slash and a question mark in the password": "postgresql://me:CANARYA/?CANARYB=x@127.0.0.1/db",
    "a percent sign in the password": "postgresql://me:CANARYA%CANARYB@127.0.0.1/db",
    "bytes in the password that are no text": "postgresql://me:CANARYA%ffCANARYB@127.0.0.1/db",
    "a password where the port belongs": "postgresql://me@127.0.0.1:CANARYA/db",
    "a password where one of two ports belongs": "host=a,b port=5432,CANARYA dbname=db",
    "a space in an unquoted password": "host=127.0.0.1 password=CANARYA CANARYB dbname=db",
    "a URL as host": "host=postgresql://me:CANARYA@127.0.0.1 dbname=db",
    "user and password as host": "host=me:CANARYA@127.0.0.1 dbname=db",
    "a URL as database": "host=127.0.0.1 dbname=postgresql://me:CANARYA@127.0.0.1/db",
    "another scheme": "mysql://me:CANARYA@127.0.0.1/db",
    "a password alone": "CANARYA",
}


@pytest.mark.parametrize("dsn", MISREAD.values(), ids=MISREAD)
def test_a_misread_dsn_is_refused_without_repeating_it(
    dsn: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MY_DSN", dsn)
    with (
        pytest.raises(UsageError, match="MY_DSN is not a valid libpq DSN") as caught,
        external_database(Reference("env:MY_DSN"), tmp_path),
    ):
        pass
    assert [canary for canary in CANARIES if canary in str(caught.value)] == []
    assert "%40 for @" in str(caught.value)


def test_an_escaped_password_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DSN", "postgresql://me%40shop:a%40b%2Fc%25@127.0.0.1:5432/d%40b?sslmode=disable")
    assert parameters_of("env:MY_DSN") == {
        "user": "me@shop",
        "password": "a@b/c%",
        "host": "127.0.0.1",
        "port": "5432",
        "dbname": "d@b",
        "sslmode": "disable",
    }
    monkeypatch.setenv("MY_DSN", "host=@abstract user=me password='a b@c' dbname=db")
    assert parameters_of("env:MY_DSN")["password"] == "a b@c"


def is_refused(parameters: dict[str, str]) -> bool:
    try:
        require_local(parameters)
    except UsageError:
        return True
    return False


FAR: Final = {
    "host": {"host": "192.0.2.1"},
    "hostaddr behind a local host": {"host": "127.0.0.1", "hostaddr": "192.0.2.1"},
    "one of two hosts": {"host": "127.0.0.1,192.0.2.1"},
    "one of two addresses": {"host": "a,b", "hostaddr": "127.0.0.1,192.0.2.1"},
    "a name that only begins like ours": {"host": "localhost.invalid"},
}


@every("parameters", FAR.values(), ids=FAR)
def test_a_server_on_another_machine_needs_leave(parameters: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"not on this machine.*--allow-remote"):
        require_local(parameters)


@pytest.mark.parametrize("variable", ["PGHOST", "PGHOSTADDR"])
def test_libpqs_own_environment_does_not_get_past_the_opt_in(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "192.0.2.1")
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        require_local({"hostaddr": "127.0.0.1"} if variable == "PGHOST" else {"host": "localhost"})


@every("host", ["127.0.0.1", "127.0.0.2", "LOCALHOST", "::1", "/run/postgresql", "@socket", "::1,"])
def test_this_machine_needs_no_leave(host: str) -> None:
    assert not is_refused({"host": host})


@pytest.mark.parametrize("named_by", ["parameter", "PGSERVICE"])
def test_a_far_service_is_refused_before_anything_is_sent(
    named_by: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as far:
        (tmp_path / "services").write_text(f"[far]\nhost=localhost\nhostaddr=127.0.0.1\nport={far.getsockname()[1]}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
        monkeypatch.setenv("MY_DSN", "dbname=db user=me" + (" service=far" if named_by == "parameter" else ""))
        if named_by == "PGSERVICE":
            monkeypatch.setenv("PGSERVICE", "far")
        monkeypatch.setattr("loadlab.services.dsn.is_loopback", lambda host: host != "127.0.0.1")
        with pytest.raises(UsageError, match=r"127\.0\.0\.1"), external_database(Reference("env:MY_DSN"), tmp_path):
            pass
        far.settimeout(PATIENCE_SECONDS)
        connection, _ = far.accept()
        with connection:
            connection.settimeout(PATIENCE_SECONDS)
            assert not connection.recv(1)


def test_the_far_end_of_a_connection_is_looked_at(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    with lab.database.observed() as connection:
        require_local_peer(connection)
        monkeypatch.setattr("loadlab.services.dsn.is_loopback", lambda host: host != "127.0.0.1")
        with pytest.raises(UsageError, match=r"127\.0\.0\.1"):
            require_local_peer(connection)


def test_a_server_without_tls_names_sslmode(lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    at = lab.database.parameters
    monkeypatch.setenv("MY_DSN", make_dsn(host=at["host"], port=at["port"], user=at["user"], sslmode="require"))
    with pytest.raises(LabError) as caught, external_database(Reference("env:MY_DSN"), tmp_path):
        pass
    assert isinstance(caught.value, EnvironmentFaultError)
    assert "sslmode" in str(caught.value)
