"""In every server mode, connections are those of web processes, and units of work are the requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from modes import DRIVER, installed, working

from loadlab.claims.base import aged
from loadlab.instrumentation.counters import CounterSet
from loadlab.lab.fixture import postgres_fixture, running_server
from loadlab.model.behaviour import Scale, Setting
from loadlab.model.metrics import ProcessRole, UnitKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture

pytestmark = pytest.mark.slow
CLIENTS, EACH = 2, 5
REQUESTS: Final = CLIENTS * EACH


@pytest.fixture(scope="module")
def ready() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None, Scale(clients=CLIENTS)) as opened:
        yield opened


@pytest.mark.parametrize("mode", installed())
def test_connections_are_of_web_processes_and_units_are_requests(mode: str, ready: PostgresFixture) -> None:
    setting = Setting(server=working(mode), strategy=aged(60), driver=DRIVER, keep_alive=False)
    with running_server(setting, ready) as server:
        assert server.clients.ask("/entries/1/", each=EACH) == 0
        totals = CounterSet(server.application.ledgers).read().of(["default"])
    assert totals.roles[ProcessRole.WEB][1] == totals.opened
    assert sum(totals.units[UnitKind.REQUEST]) == REQUESTS  # runserver's look for migrations is no request
    assert totals.units[UnitKind.TASK] == totals.units[UnitKind.MESSAGE] == (0, 0)
