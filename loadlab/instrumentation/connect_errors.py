"""Says why a database refused a connection, from what the driver's exception tells."""

from __future__ import annotations

from typing import Final

from loadlab.model.metrics import ConnectError

# Drivers give no SQLSTATE for a failed connect (psycopg2, psycopg 3 and PgBouncer alike): the server's own words
# are all there is. Each line was seen on a real server; the first that matches decides.
_WORDS: Final = (
    ("too many clients", ConnectError.TOO_MANY_CONNECTIONS),
    ("too many connections", ConnectError.TOO_MANY_CONNECTIONS),
    ("remaining connection slots", ConnectError.TOO_MANY_CONNECTIONS),
    ("no more connections allowed", ConnectError.TOO_MANY_CONNECTIONS),
    ("authentication failed", ConnectError.AUTHENTICATION),  # "password ...", PgBouncer's "SASL ..."
    ("no password supplied", ConnectError.AUTHENTICATION),
    ("no pg_hba.conf entry", ConnectError.AUTHENTICATION),
    ("access denied for user", ConnectError.AUTHENTICATION),  # MariaDB, as the next of its
    ("starting up", ConnectError.STARTING),
    ("shutting down", ConnectError.STARTING),
    ("recovery mode", ConnectError.STARTING),
    ("couldn't get a connection after", ConnectError.POOL_TIMEOUT),
    ("requests waiting", ConnectError.POOL_TIMEOUT),
    ("query_wait_timeout", ConnectError.POOL_TIMEOUT),  # PgBouncer, as the next three; what it cites came first
    ("client_login_timeout", ConnectError.TIMEOUT),
    ("server login has been failing", ConnectError.REFUSED),
    ("pgbouncer cannot connect to server", ConnectError.REFUSED),
    ("connection refused", ConnectError.REFUSED),
    ("can't connect to server", ConnectError.REFUSED),
    ("timeout expired", ConnectError.TIMEOUT),
    ("timed out", ConnectError.TIMEOUT),
)


def kind_of(error: BaseException) -> ConnectError:
    """The kind of a failed attempt to connect; `error` is Django's or the driver's exception."""
    words = str(error).lower()
    return next((kind for phrase, kind in _WORDS if phrase in words), ConnectError.OTHER)
