"""Counting inside Django: reuse, and each reason to close, on a real backend in this process."""

from __future__ import annotations

import gc
import os
import sys
import threading
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.utils import ConnectionHandler

from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.counting import CountingMixin, counting, install
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.work import become
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals

django.setup()


@pytest.fixture
def count(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(current.mine, "ledger", Ledger(ledgers))

    def totals() -> Totals:
        return CounterSet(ledgers).read().aliases["default"]

    return totals


_handlers: list[ConnectionHandler] = []


@pytest.fixture(autouse=True)
def _leave_nothing_open() -> Iterator[None]:
    """Newer Pythons warn of a SQLite connection that was left open; and no request of an earlier test goes on here."""
    become(None)
    yield
    while _handlers:
        _handlers.pop().close_all()


def handler_of(tmp_path: Path, **settings: Any) -> ConnectionHandler:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database"), **settings}
    _handlers.append(ConnectionHandler({"default": database}))
    return _handlers[-1]


def connection(tmp_path: Path, **settings: Any) -> Any:
    handler = handler_of(tmp_path, **settings)
    install(handler)
    return handler["default"]


@contextmanager
def request(wrapper: Any) -> Iterator[None]:
    """What Django does around a request, for this one connection."""
    wrapper.close_if_unusable_or_obsolete()
    yield
    wrapper.close_if_unusable_or_obsolete()


def query(wrapper: Any) -> None:
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_age_zero_opens_for_each_request_and_closes_at_its_end(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path)
    for _ in range(3):
        with request(wrapper):
            query(wrapper)
    assert (count().opened, count().closed[CloseReason.REQUEST_END]) == (3, 3)
    assert (count().requests_opened, count().requests_reused) == (3, 0)


def test_a_kept_connection_is_reused_once_per_request(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    for _ in range(4):
        with request(wrapper):
            query(wrapper)
            query(wrapper)
    assert (count().opened, count().open) == (1, 1)
    assert (count().requests_opened, count().requests_reused) == (1, 3)


def test_a_request_without_a_query_counts_as_no_use(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    with request(wrapper):
        query(wrapper)
    with request(wrapper):
        pass
    assert (count().requests_opened, count().requests_reused) == (1, 0)


def test_an_expired_connection_closes_by_age(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=60)
    with request(wrapper):
        query(wrapper)
        wrapper.close_at = 0.0
    assert count().closed[CloseReason.MAX_AGE] == 1


def answers_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SQLite connection always says that it is usable; these do not."""
    monkeypatch.setattr(DatabaseWrapper, "is_usable", lambda _: False)


def test_an_unusable_connection_closes_as_such(tmp_path: Path, count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    with request(wrapper):
        query(wrapper)
        wrapper.errors_occurred = True
        answers_no_more(monkeypatch)
    assert count().closed[CloseReason.UNUSABLE] == 1


def test_a_failed_health_check_closes_as_such_and_the_request_goes_on(
    tmp_path: Path, count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True)
    with request(wrapper):
        query(wrapper)
    answers_no_more(monkeypatch)
    with request(wrapper):
        query(wrapper)
    assert (count().opened, count().closed[CloseReason.HEALTH_CHECK]) == (2, 1)


def test_a_request_that_leaves_autocommit_off_closes_by_autocommit(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    with request(wrapper):
        query(wrapper)
        wrapper.set_autocommit(False)
    assert count().closed[CloseReason.AUTOCOMMIT] == 1


def test_close_called_by_code_is_explicit(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    query(wrapper)
    wrapper.close()
    wrapper.close()
    assert (count().opened, count().closed[CloseReason.EXPLICIT]) == (1, 1)


def test_the_connection_of_a_dead_thread_is_counted_when_it_is_collected(tmp_path: Path, count: Any) -> None:
    handler = handler_of(tmp_path, CONN_MAX_AGE=None)
    install(handler)
    thread = threading.Thread(target=lambda: query(handler["default"]))
    thread.start()
    thread.join()
    assert count().open == 1
    gc.collect()
    assert (count().open, count().closed[CloseReason.GARBAGE_COLLECTED]) == (0, 1)


def test_an_attempt_that_fails_is_counted_with_its_kind(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, NAME=str(tmp_path / "no" / "such" / "folder"))
    with pytest.raises(OperationalError):
        query(wrapper)
    assert (count().opened, count().connect_errors[ConnectError.OTHER]) == (0, 1)


def test_counting_a_class_twice_changes_nothing(tmp_path: Path) -> None:
    wrapper = connection(tmp_path)
    kind = type(wrapper)
    assert issubclass(kind, CountingMixin)
    assert counting(kind) is kind


def test_installing_twice_counts_once(tmp_path: Path, count: Any) -> None:
    handler = handler_of(tmp_path)
    install(handler)
    install(handler)
    query(handler["default"])
    handler["default"].close()
    assert count().opened == 1


def test_connections_made_before_the_installation_are_counted_from_then_on(tmp_path: Path, count: Any) -> None:
    handler = handler_of(tmp_path)
    wrapper = handler["default"]
    install(handler)
    query(wrapper)
    wrapper.close()
    assert (count().opened, count().closed[CloseReason.EXPLICIT]) == (1, 1)


def of_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Any) -> Any:
    """A connection whose ENGINE has `kind` for its DatabaseWrapper."""
    module = ModuleType("an_engine.base")
    module.DatabaseWrapper = kind  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "an_engine", ModuleType("an_engine"))
    monkeypatch.setitem(sys.modules, "an_engine.base", module)
    return connection(tmp_path, ENGINE="an_engine")


class Slotted(DatabaseWrapper):
    __slots__ = ("extra",)


class TriesAgain(DatabaseWrapper):
    """Takes more than Django's does, and calls itself."""

    def connect(self) -> None:
        super().connect()

    def get_new_connection(self, conn_params: Any, attempts: int = 2) -> Any:
        if attempts:
            return self.get_new_connection(conn_params, attempts=attempts - 1)
        return super().get_new_connection(conn_params)


@pytest.mark.parametrize("kind", [Slotted, TriesAgain])
def test_a_wrapper_of_ones_own_is_counted_once_however_it_is_built(
    tmp_path: Path, count: Any, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    wrapper = of_class(monkeypatch, tmp_path, kind)
    with request(wrapper):
        query(wrapper)
    assert (count().opened, count().closed[CloseReason.REQUEST_END]) == (1, 1)
    assert (count().requests_opened, count().pooled) == (1, False)


class RefusesItsPool(DatabaseWrapper):
    """As Django's own does, beside a CONN_MAX_AGE."""

    refuses = True

    @property
    def pool(self) -> None:
        if self.refuses:
            raise ImproperlyConfigured("no pool with that")


def test_a_refused_pool_is_no_attempt_and_the_next_one_is_counted(
    tmp_path: Path, count: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = of_class(monkeypatch, tmp_path, RefusesItsPool)
    with pytest.raises(ImproperlyConfigured):
        query(wrapper)
    wrapper.refuses = False
    query(wrapper)
    assert (count().opened, count().unsettled, sum(count().connect_errors.values())) == (1, 0, 0)


def stand_in(*arguments: Any) -> Any:
    """What some instrumentations put in place of a wrapper."""
    return SimpleNamespace(alias="default", connection=None, close=lambda: None)


class Final(DatabaseWrapper):
    def __init_subclass__(cls) -> None:
        raise TypeError("not to be inherited from")


@pytest.mark.parametrize("kind", [stand_in, Final])
def test_a_wrapper_that_cannot_count_is_left_as_it_is_and_said_once(
    tmp_path: Path, ledgers: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: Any
) -> None:
    for _ in range(2):
        wrapper = of_class(monkeypatch, tmp_path, kind)
    assert not isinstance(wrapper, CountingMixin)
    assert caplog.text.count("are not counted") == 1


def test_copied_and_temporary_connections_are_counted(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path)
    copy = wrapper.copy()
    with copy.temporary_connection() as cursor:
        cursor.execute("SELECT 1")
    assert (count().opened, count().closed[CloseReason.EXPLICIT]) == (1, 1)


@pytest.mark.process
def test_what_a_forked_child_collects_is_still_its_parents(tmp_path: Path, count: Any) -> None:
    wrapper = connection(tmp_path, CONN_MAX_AGE=None)
    query(wrapper)
    child = os.fork()
    if child == 0:
        wrapper.connection = wrapper._row = None
        gc.collect()
        wrapper._finalizer()
        os._exit(0)
    os.waitpid(child, 0)
    assert (count().open, count().closed[CloseReason.GARBAGE_COLLECTED]) == (1, 0)
    wrapper.close()
    assert (count().open, count().closed[CloseReason.EXPLICIT]) == (0, 1)
