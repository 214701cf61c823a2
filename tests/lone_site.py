"""One thread of a Django project in this very process: its connection, what it asks, and what its ledger says."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import django
import pytest
from django.db.utils import ConnectionHandler

from loadlab.instrumentation import advice, current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.counting import install
from loadlab.instrumentation.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals
    from loadlab.model.metrics import CloseReason, ConnectError
    from loadlab.services.database import Database


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    wrapper: Any
    ledgers: Path

    def ask(self, query: str = "SELECT 1") -> object:
        """A request that makes one query; the first value of its first row."""
        self.wrapper.close_if_unusable_or_obsolete()
        try:
            with self.wrapper.cursor() as cursor:
                cursor.execute(query)
                row = cursor.fetchone() if cursor.description else None
                return row[0] if row else None
        finally:
            self.wrapper.close_if_unusable_or_obsolete()

    def count(self) -> Totals:
        return CounterSet(self.ledgers).read().aliases["default"]

    def closed(self) -> dict[CloseReason, int]:
        return {reason: count for reason, count in self.count().closed.items() if count}

    def errors(self) -> dict[ConnectError, int]:
        return {kind: count for kind, count in self.count().connect_errors.items() if count}


class Sites(Protocol):
    def __call__(self, database: Database, **changes: Any) -> Site:
        """A site on that database, with changes to its entry of DATABASES; OPTIONS are added to."""


@pytest.fixture
def sites(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sites]:
    django.setup()
    monkeypatch.setattr(current.mine, "ledger", Ledger(ledgers))
    monkeypatch.setattr(advice, "_said", set())
    with ExitStack() as stack:

        def made(database: Database, **changes: Any) -> Site:
            for name, value in database.environment.items():
                monkeypatch.setenv(name, value)
            own: dict[str, Any] = database.django()
            entry = {**own, **changes, "OPTIONS": {**own["OPTIONS"], **changes.get("OPTIONS", {})}}
            handler = ConnectionHandler({"default": entry})
            install(handler)
            stack.callback(handler.close_all)
            return Site(wrapper=handler["default"], ledgers=ledgers)

        yield made
