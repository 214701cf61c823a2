"""Why a connection was refused, in the words of real servers and drivers."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from every import every

from loadlab.instrumentation.connect_errors import kind_of
from loadlab.instrumentation.server_messages import SAID
from loadlab.model.metrics import ConnectError

if TYPE_CHECKING:
    import pytest


@every(
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
        ('FATAL:  database "nowhere" does not exist', ConnectError.OTHER),
        ('connection failed: FATAL:  role "nobody" does not exist', ConnectError.AUTHENTICATION),
        ('FATAL:  role "nobody" is not permitted to log in', ConnectError.AUTHENTICATION),
        ("FATAL:  the database system is not yet accepting connections", ConnectError.STARTING),
        (
            "No such file or directory\n\tIs the server running locally and accepting connections on that socket?",
            ConnectError.OTHER,
        ),
        ("FATAL:  die übrigen Verbindungen sind für Rollen mit »SUPERUSER«", ConnectError.TOO_MANY_CONNECTIONS),
        ("FATAL:  tut mir leid, schon zu viele Verbindungen", ConnectError.TOO_MANY_CONNECTIONS),
        ("FATAL:  извините, уже слишком много клиентов", ConnectError.TOO_MANY_CONNECTIONS),
        (
            "FATAL:  désolé, trop de clients\nsont déjà connectés",
            ConnectError.TOO_MANY_CONNECTIONS,
        ),
        ("FATAL:  la autentificación password falló para el usuario «me»", ConnectError.AUTHENTICATION),
        ("FATAL:  Datenbank »nirgends« existiert nicht", ConnectError.OTHER),
        ("FATAL:  Datenbank »controller« existiert nicht", ConnectError.OTHER),
        ("FATAL:  データベースシステムは起動処理中です", ConnectError.STARTING),
        ("FATAL:  Passwort-Authentifizierung f?r Benutzer >>me<< fehlgeschlagen", ConnectError.AUTHENTICATION),
        ("something else", ConnectError.OTHER),
    ],
)
def test_a_refusal_is_known_by_its_words(words: str, kind: ConnectError) -> None:
    assert kind_of(RuntimeError(words)) is kind


class CodedError(Exception):
    """As drivers raise it that know more than words."""

    def __init__(self, *args: object, sqlstate: str | None = None, pgcode: str | None = None) -> None:
        super().__init__(*args)
        self.sqlstate = sqlstate
        self.pgcode = pgcode


@every(
    ("error", "kind"),
    [
        (CodedError("x", sqlstate="53300"), ConnectError.TOO_MANY_CONNECTIONS),
        (CodedError("x", pgcode="28P01"), ConnectError.AUTHENTICATION),
        (CodedError("x", sqlstate="57P03"), ConnectError.STARTING),
        (CodedError("connection refused", sqlstate="08001"), ConnectError.REFUSED),
        (CodedError(1040, "zu viele"), ConnectError.TOO_MANY_CONNECTIONS),
        (CodedError(1045, "Zugriff verweigert"), ConnectError.AUTHENTICATION),
        (CodedError(2003, "keine Verbindung"), ConnectError.REFUSED),
        (CodedError(None), ConnectError.OTHER),
    ],
)
def test_a_code_says_more_than_words_and_may_be_that_of_the_cause(error: CodedError, kind: ConnectError) -> None:
    assert kind_of(error) is kind
    wrapped = RuntimeError(*error.args)
    wrapped.__cause__ = error
    assert kind_of(wrapped) is kind


def test_a_message_of_the_c_library_is_known_in_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.strerror", {errno.ECONNREFUSED: "Verbindungsaufbau abgelehnt"}.get)
    assert kind_of(RuntimeError("connection failed: Verbindungsaufbau abgelehnt")) is ConnectError.REFUSED


@every("kind", SAID)
def test_every_translation_is_known_with_any_names_in_it(kind: ConnectError) -> None:
    for message in SAID[kind]:
        assert kind_of(RuntimeError(f"FATAL:  {message}".replace("%s", 'me "x"'))) is kind, message
