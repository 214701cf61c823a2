"""Why a connection was refused, in the words of real servers and drivers."""

from __future__ import annotations

import pytest

from loadlab.instrumentation.connect_errors import kind_of
from loadlab.model.metrics import ConnectError


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("FATAL:  sorry, too many clients already", ConnectError.TOO_MANY_CONNECTIONS),
        ("FATAL:  remaining connection slots are reserved for roles", ConnectError.TOO_MANY_CONNECTIONS),
        ("FATAL:  no more connections allowed (max_client_conn)", ConnectError.TOO_MANY_CONNECTIONS),
        ("(1040, 'Too many connections')", ConnectError.TOO_MANY_CONNECTIONS),
        ('FATAL:  password authentication failed for user "me"', ConnectError.AUTHENTICATION),
        ("(1045, \"Access denied for user 'shop'@'localhost' (using password: YES)\")", ConnectError.AUTHENTICATION),
        ("connection to server at 127.0.0.1, port 1 failed: Connection refused", ConnectError.REFUSED),
        ("(2002, \"Can't connect to server on '127.0.0.1' (115)\")", ConnectError.REFUSED),
        ("couldn't get a connection after 0.50 sec", ConnectError.POOL_TIMEOUT),
        ("the pool 'pool-1' has already 1 requests waiting", ConnectError.POOL_TIMEOUT),
        ("connection timeout expired", ConnectError.TIMEOUT),
        ("FATAL:  the database system is starting up", ConnectError.STARTING),
        ("FATAL:  SASL authentication failed", ConnectError.AUTHENTICATION),
        ("FATAL:  query_wait_timeout", ConnectError.POOL_TIMEOUT),
        ("FATAL:  client_login_timeout (server down)", ConnectError.TIMEOUT),
        ("FATAL:  server shutting down", ConnectError.STARTING),
        ("FATAL:  server login has been failing, try again later (server_login_retry)", ConnectError.REFUSED),
        ("FATAL:  pgbouncer cannot connect to server", ConnectError.REFUSED),
        (
            "FATAL:  server login has been failing, cached error: sorry, too many clients already (server_login_retry)",
            ConnectError.TOO_MANY_CONNECTIONS,
        ),
        ("FATAL:  no such database: nowhere", ConnectError.OTHER),
        ("something else", ConnectError.OTHER),
    ],
)
def test_a_refusal_is_known_by_its_words(words: str, kind: ConnectError) -> None:
    assert kind_of(RuntimeError(words)) is kind
