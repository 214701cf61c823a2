"""Connections of the event loop are counted as PostgreSQL counts them, with a pool and without.

The wrapper is a plain one with the methods of django-async-backend's; connections and pool are psycopg's own.
"""

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from laboratory import sessions_counted
from psycopg_pool import AsyncConnectionPool

from loadlab.instrumentation import async_counting, current
from loadlab.instrumentation.counters import CounterSet
from loadlab.instrumentation.ledger import Ledger
from loadlab.instrumentation.work import become, coming
from loadlab.model.metrics import CloseReason, ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from loadlab.instrumentation.counters import Totals
    from loadlab.lab.lab import Lab

CONNECTIONS = 4


class Wrapper:
    """What django-async-backend's has, as far as it opens, uses and closes connections."""

    alias = "default"
    autocommit = True

    def __init__(self, parameters: dict[str, Any], pool: AsyncConnectionPool | None) -> None:
        self.connection: Any = None
        self.settings_dict = {"AUTOCOMMIT": True, "CONN_MAX_AGE": 0}
        self.pool = pool
        self._parameters = parameters

    async def connect(self) -> None:
        self.connection = await self.get_new_connection(self._parameters)

    async def get_new_connection(self, parameters: dict[str, Any]) -> Any:
        if self.pool is None:
            return await psycopg.AsyncConnection.connect(**parameters)
        await self.pool.open()
        return await self.pool.getconn()

    async def _cursor(self) -> Any:
        if self.connection is None:
            await self.connect()
        return self.connection.cursor()

    async def query(self) -> None:
        async with await self._cursor() as cursor:
            await cursor.execute("SELECT 1")

    async def close(self) -> None:
        await self._close()
        self.connection = None

    async def _close(self) -> None:
        if self.pool is None:
            await self.connection.close()
        else:
            await self.pool.putconn(self.connection)


@pytest.fixture
def counts(ledgers: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Totals]:
    monkeypatch.setattr(current.mine, "ledger", Ledger(ledgers))
    return lambda: CounterSet(ledgers).read().aliases["default"]


@pytest.fixture
def parameters(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, value in lab.database.environment.items():
        monkeypatch.setenv(name, value)
    return {**lab.database.parameters, "dbname": lab.database.name}


def wrappers(parameters: dict[str, Any], pool: AsyncConnectionPool | None = None) -> Callable[[], Any]:
    handler = SimpleNamespace(create_connection=lambda _: Wrapper(parameters, pool))
    async_counting.count(handler)
    async_counting.count(handler)  # once is enough
    return lambda: handler.create_connection("default")


async def one_request(make: Callable[[], Any]) -> None:
    become(coming(None))
    wrapper = make()
    await wrapper.query()
    await wrapper.query()
    await wrapper.close()


def test_each_connection_is_opened_used_and_closed_once(lab: Lab, parameters: Any, counts: Any) -> None:
    before = sessions_counted(lab)

    async def requests() -> None:
        make = wrappers(parameters)
        await asyncio.gather(*(one_request(make) for _ in range(CONNECTIONS)))

    asyncio.run(requests())
    totals = counts()
    assert sessions_counted(lab) - before == totals.opened == CONNECTIONS
    assert (totals.open, totals.closed[CloseReason.EXPLICIT]) == (0, CONNECTIONS)
    assert (totals.requests_opened, totals.requests_reused, totals.unsettled) == (CONNECTIONS, 0, 0)


def test_a_pool_opens_as_many_as_it_has_and_lends_them(lab: Lab, parameters: Any, counts: Any) -> None:
    before = sessions_counted(lab)

    async def requests() -> None:
        pool = AsyncConnectionPool(kwargs=parameters, min_size=2, max_size=2, open=False)
        make = wrappers(parameters, pool)
        await asyncio.gather(*(one_request(make) for _ in range(6 * CONNECTIONS)))
        assert (counts().open, counts().opened) == (2, 2)
        await pool.close()

    asyncio.run(requests())
    totals = counts()
    assert sessions_counted(lab) - before == totals.opened == 2
    assert (totals.open, totals.closed[CloseReason.POOL]) == (0, 2)
    assert totals.requests_opened + totals.requests_reused == 6 * CONNECTIONS


def test_a_refused_connection_is_an_error_and_no_opening(parameters: Any, counts: Any) -> None:
    with pytest.raises(psycopg.OperationalError):
        asyncio.run(one_request(wrappers({**parameters, "port": "1"})))
    totals = counts()
    assert (totals.opened, totals.connect_errors[ConnectError.REFUSED], totals.unsettled) == (0, 1, 0)


def test_a_task_that_is_cancelled_while_it_connects_opens_none(parameters: Any, counts: Any) -> None:
    async def cancelled() -> None:
        task = asyncio.create_task(one_request(wrappers(parameters)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    totals = counts()
    assert (totals.opened, totals.open, totals.unsettled) == (0, 0, 0)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_what_nobody_closes_is_collected(lab: Lab, parameters: Any, counts: Any) -> None:
    before = sessions_counted(lab)

    async def left_open() -> None:
        await wrappers(parameters)().query()

    asyncio.run(left_open())
    gc.collect()
    totals = counts()
    assert sessions_counted(lab) - before == totals.opened == 1
    assert (totals.open, totals.closed[CloseReason.GARBAGE_COLLECTED]) == (0, 1)
