"""What PostgreSQL asks of a role, and the secret that it has stored: as it says itself."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from every import every
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg2 import sql

from loadlab.services.authentication import demand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poolers import Cluster

ROLE: Final = "scrammed"
STORED: Final = "SELECT rolpassword FROM pg_authid WHERE rolname = %s"
# Letters that RFC 4013 maps to nothing or to a space, forbids, reads from right to left, or brings into another form.
TROUBLE: Final = (
    "a1 \u00ad\u00a0\u2000\u200b\ufb01\u2168é\u0301\u0627\u06271\u05d0\u0007\ufffd\ue000\u0221\U0001f100\U0001f600"
)


@pytest.fixture(scope="module")
def role(cluster: Cluster) -> Iterator[str]:
    name = sql.Identifier(ROLE)
    cluster.cursor.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
    yield ROLE
    cluster.cursor.execute(sql.SQL("DROP ROLE {}").format(name))


def stored(cluster: Cluster, role: str, password: str) -> str:
    cluster.cursor.execute(sql.SQL("ALTER ROLE {} PASSWORD %s").format(sql.Identifier(role)), [password])
    cluster.cursor.execute(STORED, [role])
    (secret,) = cluster.cursor.fetchone() or ("",)
    return str(secret)


def derived(cluster: Cluster, role: str, password: str) -> str:
    at = cluster.database.parameters
    wanted = demand(at["host"], int(at["port"]), role, cluster.database.name, encrypted=False)
    assert wanted.method == "scram-sha-256"
    return wanted.secret(role, password)


@settings(max_examples=25)
@given(
    password=st.text(st.sampled_from(TROUBLE), min_size=1, max_size=8)
    | st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=20)
)
def test_the_secret_is_postgresqls_own(cluster: Cluster, role: str, password: str) -> None:
    secret = stored(cluster, role, password)  # with a new salt, which is asked for after that
    assert derived(cluster, role, password) == secret


def test_a_console_query_is_not_a_session(cluster: Cluster, role: str) -> None:
    before = cluster.sessions()
    derived(cluster, role, "password")
    assert cluster.sessions() == before


@every("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"R\0\0\0\x08\0\0\0\x07"])
def test_a_stranger_on_the_port_is_an_error_and_no_wait(answer: bytes) -> None:
    def answers(server: socket.socket) -> None:
        with server.accept()[0] as peer:
            peer.recv(1000)
            peer.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        stranger = threading.Thread(target=answers, args=(server,))
        stranger.start()
        with pytest.raises(OSError, match="PostgreSQL"):
            demand("127.0.0.1", server.getsockname()[1], "me", "shop", encrypted=False)
        stranger.join()
