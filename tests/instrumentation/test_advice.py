"""An error that the way of keeping connections explains is explained in the log, and no other."""

from __future__ import annotations

import logging
from typing import Any, Final

import pytest
from django.db.utils import ConnectionHandler
from django.test import override_settings

from loadlab.instrumentation import advice
from loadlab.instrumentation.advice import advise

WAITED: Final = RuntimeError("FATAL:  query_wait_timeout")


class CodedError(Exception):
    """As psycopg 3 and psycopg2 raise it, each with an attribute of its own."""

    def __init__(self, *, sqlstate: str | None = None, pgcode: str | None = None) -> None:
        super().__init__("secret")
        self.sqlstate = sqlstate
        self.pgcode = pgcode


@pytest.fixture(autouse=True)
def _nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advice, "_said", set())


def wrapper(alias: str = "default", **entry: Any) -> Any:
    """Django's own, with these settings."""
    return ConnectionHandler({"default": {}, alias: {"ENGINE": "django.db.backends.sqlite3", **entry}})[alias]


def told(caplog: pytest.LogCaptureFixture, error: Exception | None, **entry: Any) -> str:
    caplog.clear()
    with caplog.at_level(logging.WARNING, "loadlab"):
        advise(wrapper(**entry), error)
    return caplog.text


@pytest.mark.parametrize(
    ("error", "entry", "code"),
    [
        (CodedError(sqlstate="25006"), {"CONN_MAX_AGE": 60}, "W006"),
        (CodedError(pgcode="25006"), {"CONN_MAX_AGE": None}, "W006"),
        (CodedError(sqlstate="25006"), {"CONN_MAX_AGE": 0}, ""),
        (CodedError(pgcode="34000"), {}, "W007"),
        (CodedError(sqlstate="34000"), {"DISABLE_SERVER_SIDE_CURSORS": True}, ""),
        (WAITED, {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}, "W008"),
        (WAITED, {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}, "W008"),
        (WAITED, {"CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": True}, ""),
        (WAITED, {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": False}, ""),
        (CodedError(sqlstate="57014"), {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}, ""),
        (None, {"CONN_MAX_AGE": 60}, ""),
    ],
)
def test_an_error_is_explained_where_kept_connections_are_its_reason(
    caplog: pytest.LogCaptureFixture, error: Exception | None, entry: dict[str, Any], code: str
) -> None:
    text = told(caplog, error, **entry)
    assert (f"loadlab.{code}" in text) if code else text == ""
    assert "secret" not in text


def test_an_explanation_is_given_once_for_each_alias(caplog: pytest.LogCaptureFixture) -> None:
    error = CodedError(sqlstate="25006")
    given = [told(caplog, error, alias=alias, CONN_MAX_AGE=60) for alias in ("default", "default", "replica")]
    assert [bool(text) for text in given] == [True, False, True]


def test_an_explanation_that_the_project_silences_is_not_given(caplog: pytest.LogCaptureFixture) -> None:
    with override_settings(SILENCED_SYSTEM_CHECKS=["loadlab.W006"]):
        assert told(caplog, CodedError(sqlstate="25006"), CONN_MAX_AGE=60) == ""
