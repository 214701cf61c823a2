"""Mixins in front of wrappers: of every alias, old and new, each once, in any order."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import django
import pytest
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.utils import ConnectionHandler

from loadlab.wrapping import WrapperMixin, mixed, put_in_front

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

django.setup()
asked: list[str] = []


class First(WrapperMixin):
    otherwise = "are not noted"
    had_connection: bool | None = None

    def adopted(self) -> None:
        self.had_connection = self.connection is not None

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:
        asked.append("first")
        return super().get_new_connection(*args, **kwargs)


class Second(WrapperMixin):
    otherwise = "are not noted either"

    def get_new_connection(self, *args: Any, **kwargs: Any) -> Any:
        asked.append("second")
        return super().get_new_connection(*args, **kwargs)


@pytest.fixture
def handler(tmp_path: Path) -> Iterator[ConnectionHandler]:
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database")}
    made = ConnectionHandler({"default": database, "other": database})
    asked.clear()
    yield made
    made.close_all()


def test_every_alias_of_every_thread_has_the_mixin(handler: ConnectionHandler) -> None:
    put_in_front(First, handler)
    kinds = [type(handler[alias]) for alias in handler]
    thread = threading.Thread(target=lambda: kinds.append(type(handler["default"])))
    thread.start()
    thread.join()
    assert len(kinds) == 3
    assert all(issubclass(kind, First) and issubclass(kind, DatabaseWrapper) for kind in kinds)
    assert len(set(kinds)) == 1


def test_an_existing_wrapper_is_adopted_with_its_connection(handler: ConnectionHandler) -> None:
    handler["default"].connect()
    _ = handler["other"]
    put_in_front(First, handler)
    adopted: list[Any] = handler.all()
    assert [wrapper.had_connection for wrapper in adopted] == [True, False]


def test_the_last_mixin_is_in_front_and_each_is_there_once(handler: ConnectionHandler) -> None:
    for mixin in (First, Second, First, Second):
        put_in_front(mixin, handler)
    handler["default"].connect()
    assert asked == ["second", "first"]


def test_a_mixin_goes_in_once_though_create_connection_was_replaced(
    handler: ConnectionHandler, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_front(First, handler)
    monkeypatch.setattr(handler, "create_connection", partial(handler.create_connection))
    put_in_front(First, handler)
    handler["default"].connect()
    assert asked == ["first"]


def test_the_same_class_and_the_same_mixin_make_the_same_class() -> None:
    assert mixed(First, DatabaseWrapper) is mixed(First, DatabaseWrapper)
    assert mixed(Second, DatabaseWrapper) is not mixed(First, DatabaseWrapper)
    both = mixed(Second, mixed(First, DatabaseWrapper))
    assert mixed(First, both) is both
    assert (both.__name__, both.__module__) == ("DatabaseWrapper", DatabaseWrapper.__module__)


def test_other_handlers_are_left_alone(handler: ConnectionHandler, tmp_path: Path) -> None:
    put_in_front(First, handler)
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "another")}
    assert type(ConnectionHandler({"default": database})["default"]) is DatabaseWrapper


class StandIn:
    """What a test suite may put in place of a wrapper."""

    def close(self) -> None: ...


def test_what_cannot_be_adopted_goes_on_without_and_the_log_says_so_once(
    handler: ConnectionHandler, caplog: pytest.LogCaptureFixture
) -> None:
    handler.create_connection = lambda alias: StandIn()  # type: ignore[method-assign, assignment, return-value]
    put_in_front(First, handler)
    assert {type(handler[alias]) for alias in handler} == {StandIn}
    assert (
        caplog.text.count(
            "The connections of test_wrapping.StandIn are not noted: it is not Django's BaseDatabaseWrapper"
        )
        == 1
    )
