"""Options that a driver's libpq does not know are named, for each driver as it is installed here."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import django
import psycopg
import psycopg2
import psycopg2.extensions
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db.utils import ConnectionHandler
from every import every

from loadlab.instrumentation import checks
from loadlab.instrumentation.driver_options import libpq, unknown_options

django.setup()

POSTGRESQL: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "me", "HOST": "db"}
NEW: list[str] = ["max_protocol_version", "min_protocol_version", "scram_client_key", "sslkeylogfile"]
KNOWN: dict[str, Any] = {"dbname": "x", "sslmode": "require", "sslnegotiation": "direct", "require_auth": "none"}


def by(driver: Any) -> Any:
    """A wrapper of Django's PostgreSQL that uses this driver."""
    return SimpleNamespace(vendor="postgresql", Database=driver)


def test_psycopg2_does_not_know_what_came_with_libpq_18() -> None:
    assert psycopg2.extensions.libpq_version() < 180_000
    unknown = unknown_options(by(psycopg2), {**KNOWN, **dict.fromkeys(NEW, "1"), "cursor_factory": None, "async": 0})
    assert unknown == NEW
    assert libpq(by(psycopg2)).startswith("psycopg2 with libpq 17.")


def test_psycopg_knows_what_came_with_libpq_18() -> None:
    assert psycopg.pq.version() >= 180_000
    given = {**KNOWN, **dict.fromkeys(NEW, "1"), "prepare_threshold": 0, "cursor_factory": None, "not_an_option": 1}
    assert unknown_options(by(psycopg), given) == ["not_an_option"]
    assert libpq(by(psycopg)).startswith("psycopg with libpq 18.")


@every("wrapper", [SimpleNamespace(vendor="sqlite"), SimpleNamespace(vendor="postgresql"), by(SimpleNamespace())])
def test_of_another_database_or_driver_nothing_is_said(wrapper: Any) -> None:
    assert (libpq(wrapper), unknown_options(wrapper, {"anything": 1})) == ("", [])


def warnings(monkeypatch: pytest.MonkeyPatch, **entry: Any) -> list[tuple[str | None, str]]:
    monkeypatch.setattr(checks, "connections", ConnectionHandler({"default": {**POSTGRESQL, **entry}}))
    return [(message.id, str(message.msg)) for message in checks.check_options()]


def test_an_option_that_no_driver_knows_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    ((identity, said),) = warnings(monkeypatch, OPTIONS={"sslmod": "require", "connect_timeout": 5})
    assert identity == "loadlab.W020"
    assert "psycopg with libpq 18." in said
    assert "does not know sslmod of OPTIONS" in said


@every(
    ("options", "warned"),
    [
        ({"prepare_threshold": 5}, ["loadlab.W021"]),
        ({"prepare_threshold": 0, "server_side_binding": False}, ["loadlab.W021"]),
        ({"prepare_threshold": 5, "server_side_binding": True}, []),
        ({"prepare_threshold": None}, []),
        ({"server_side_binding": True, "isolation_level": 3, "assume_role": "x", "pool": False}, []),
        ({}, []),
    ],
)
def test_prepare_threshold_is_said_to_have_no_effect_alone(options: dict[str, Any], warned: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        assert [identity for identity, _ in warnings(patched, OPTIONS=options)] == warned


@every(
    ("given", "warned"),
    [
        ({"CONN_HEALTH_CHECKS": "false"}, [("loadlab.W022", "CONN_HEALTH_CHECKS is the text 'false'", "for True.")]),
        ({"ATOMIC_REQUESTS": ""}, [("loadlab.W022", "ATOMIC_REQUESTS is the text ''", "for False.")]),
        ({"ATOMIC_REQUESTS": False, "CONN_HEALTH_CHECKS": True, "DISABLE_SERVER_SIDE_CURSORS": 1}, []),
    ],
)
def test_a_text_for_true_or_false_is_warned_of(given: dict[str, Any], warned: list[tuple[str, str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        seen = warnings(patched, **given)
    assert len(seen) == len(warned)
    for (identity, said), (expected, start, end) in zip(seen, warned, strict=True):
        assert identity == expected
        assert start in said
        assert said.endswith(end)


def test_settings_that_lead_nowhere_are_left_to_django(monkeypatch: pytest.MonkeyPatch) -> None:
    handler = ConnectionHandler({"default": {**POSTGRESQL, "NAME": "", "OPTIONS": {"prepare_threshold": 5}}})
    with pytest.raises(ImproperlyConfigured):
        handler["default"].get_connection_params()
    monkeypatch.setattr(checks, "connections", handler)
    assert checks.check_options() == []
