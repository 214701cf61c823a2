"""Builds records for tests that need some and do not care which."""

from __future__ import annotations

from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.counts import ConnectionCounts
from loadlab.model.requests import Requests
from loadlab.model.samples import Connections, CpuSeconds, Failure, Series, Trial


def case(server: str = "sync", max_age: float | None = 0) -> Case:
    return Case(
        server=Config(name=server, parameters={"workers": 2}),
        strategy=Config(name="max_age", parameters={"max_age": max_age, "conn_health_checks": False}),
        scenario="read_one",
        users=8,
        keep_alive=False,
        usable_connections=2,
    )


def trial(order: int = 0, requests: int = 10) -> Trial:
    """A complete trial whose requests end one each millisecond."""
    ledger = ConnectionCounts(opened=3, reused=7, closed={"process_exit": 3})
    column = [number / 1000 for number in range(requests)]
    return Trial(
        case=case(),
        block=0,
        order=order,
        state="complete",
        reason="",
        started="2026-01-01T00:00:00+00:00",
        window_start=0.0,
        window_end=1.0,
        requests=Requests(ended=column, response=column, failed=[0.0] * requests),
        failures=(Failure(kind="HTTP 500", count=1, example="boom", status=500),),
        connections=Connections(
            window_start=ledger, window_end=ledger, at_rest=ledger, after_stop=ledger, left_open=0, sessions=3
        ),
        series=Series(at=[0.0, 0.1], values={"open": [1.0, 2.0], "backends": [1.0, 2.0]}),
        cpu_seconds=CpuSeconds(app=1.0, database=None, generator=0.1),
        overhead_seconds={"boot": 0.5},
        load_average=0.1,
    )
