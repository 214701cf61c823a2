"""Says why a database refused a connection, from what the driver's exception tells."""

from __future__ import annotations

import errno
import os
import re
from functools import cache
from typing import Final

from loadlab.model.metrics import ConnectError

# The beginnings of SQLSTATEs, for drivers that give one. psycopg2 and psycopg 3 give none for a failed connect.
_STATES: Final = (
    ("53300", ConnectError.TOO_MANY_CONNECTIONS),
    ("28", ConnectError.AUTHENTICATION),
    ("57P", ConnectError.STARTING),
)
# MySQL's and MariaDB's numbers, which their drivers put first.
_NUMBERS: Final = {
    1040: ConnectError.TOO_MANY_CONNECTIONS,
    1203: ConnectError.TOO_MANY_CONNECTIONS,
    1226: ConnectError.TOO_MANY_CONNECTIONS,
    1045: ConnectError.AUTHENTICATION,
    1053: ConnectError.STARTING,
    2002: ConnectError.REFUSED,
    2003: ConnectError.REFUSED,
}
# Otherwise the words are all there is. Each line was seen on a real server; the first that matches decides.
_WORDS: Final = (
    ("too many clients", ConnectError.TOO_MANY_CONNECTIONS),
    ("too many connections", ConnectError.TOO_MANY_CONNECTIONS),
    ("remaining connection slots", ConnectError.TOO_MANY_CONNECTIONS),
    ("no more connections allowed", ConnectError.TOO_MANY_CONNECTIONS),
    ("authentication failed", ConnectError.AUTHENTICATION),  # "password ...", PgBouncer's "SASL ..."
    ("no password supplied", ConnectError.AUTHENTICATION),
    ("no pg_hba.conf entry", ConnectError.AUTHENTICATION),
    ("pg_hba.conf rejects connection", ConnectError.AUTHENTICATION),
    ("is not permitted to log in", ConnectError.AUTHENTICATION),
    ('fatal: role "', ConnectError.AUTHENTICATION),  # "... does not exist"
    ("access denied for user", ConnectError.AUTHENTICATION),  # MariaDB
    ("starting up", ConnectError.STARTING),
    ("shutting down", ConnectError.STARTING),
    ("recovery mode", ConnectError.STARTING),
    ("not accepting connections", ConnectError.STARTING),
    ("not yet accepting connections", ConnectError.STARTING),
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
# What is left is kept for those who have this attribute or role: so PostgreSQL says from 16 on, in every language.
_RESERVED: Final = ("SUPERUSER", "pg_use_reserved_connections")
_NOT_ASCII: Final = re.compile(r"%s|[^ -~]+")
ENOUGH_LETTERS: Final = 12


def kind_of(error: BaseException) -> ConnectError:
    """The kind of a failed attempt to connect; `error` is Django's or the driver's exception."""
    known = _of_code(error)
    if known is not None:
        return known
    words = " ".join(str(error).split())
    if any(word in words for word in _RESERVED):
        return ConnectError.TOO_MANY_CONNECTIONS
    return _of_words(f" {words.lower()}")


def _of_code(error: BaseException) -> ConnectError | None:
    for one in (error, error.__cause__):
        state = getattr(one, "sqlstate", None) or getattr(one, "pgcode", None)
        for beginning, kind in _STATES:
            if isinstance(state, str) and state.startswith(beginning):
                return kind
        number = one.args[0] if one is not None and one.args else None
        if isinstance(number, int) and number in _NUMBERS:
            return _NUMBERS[number]
    return None


def _of_words(words: str) -> ConnectError:
    for kind, fragments in _translated():
        if _has(words, fragments):
            return kind
    for phrase, kind in _WORDS:
        if phrase in words:
            return kind
    # The C library says these two in the language of the process.
    for code, kind in ((errno.ECONNREFUSED, ConnectError.REFUSED), (errno.ETIMEDOUT, ConnectError.TIMEOUT)):
        if os.strerror(code).lower() in words:
            return kind
    return ConnectError.OTHER


@cache
def _translated() -> tuple[tuple[ConnectError, tuple[str, ...]], ...]:
    # Only a process that failed to connect needs them.
    from loadlab.instrumentation.server_messages import SAID  # noqa: PLC0415

    return tuple((kind, _fragments(message)) for kind, said in SAID.items() for message in said)


def _fragments(message: str) -> tuple[str, ...]:
    """The fixed parts of a message, around the names that replace "%s".

    A server whose LC_CTYPE is C replaces what is not ASCII ("f?r Benutzer >>me<<"). So of a message in Latin script
    only the ASCII between counts.
    """
    ascii_parts = [part.strip() for part in _NOT_ASCII.split(message)]
    letters = sum(map(str.isalpha, "".join(ascii_parts)))
    latin = letters >= ENOUGH_LETTERS and 2 * letters > sum(map(str.isalpha, message))
    fragments = list(filter(None, ascii_parts if latin else message.split("%s")))
    if message.startswith(fragments[0]):  # nor does it begin in the middle of a word, a name say
        fragments[0] = f" {fragments[0]}"
    return tuple(fragments)


def _has(words: str, fragments: tuple[str, ...]) -> bool:
    """Whether all fragments are there, in this order."""
    at = 0
    for fragment in fragments:
        found = words.find(fragment, at)
        if found < 0:
            return False
        at = found + len(fragment)
    return True
