"""What tests of fixes share: loadlab's sample app under one of them, and counts of this very process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django
import pytest
from django.db.utils import ConnectionHandler
from site_under_fix import NOTHING, Serving

from loadlab.instrumentation import current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.counting import install
from loadlab.instrumentation.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.lab import Lab

django.setup()


@pytest.fixture
def serve(lab: Lab, tmp_path: Path) -> Serving:
    return Serving(lab, tmp_path)


@pytest.fixture
def count(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Totals]:
    monkeypatch.setattr(current.mine, "ledger", Ledger(ledgers))
    return lambda: CounterSet(ledgers).read().aliases.get("default", NOTHING)


@pytest.fixture
def handler(tmp_path: Path, count: Any) -> Iterator[ConnectionHandler]:
    """Counted connections to SQLite, kept without limit."""
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database"), "CONN_MAX_AGE": None}
    made = ConnectionHandler({"default": database, "other": {**database, "NAME": str(tmp_path / "other")}})
    install(made)
    yield made
    made.close_all()
