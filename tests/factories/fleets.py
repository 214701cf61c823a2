"""Small fleets for tests of the fleet model, plain ones and random ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from loadlab.model.config import Config
from loadlab.model.fleet import (
    Application,
    Collector,
    Conditions,
    DatabaseLimits,
    Dispatch,
    Distribution,
    Keeping,
    Outage,
    Pooler,
    ProcessesEnd,
    Rates,
    Scene,
    Spread,
)
from loadlab.model.pooling import ProcessPool

MODE = "gthread"


def an_application(hold: float = 0.01, connect: float = 0.005, spread: Spread | None = None) -> Application:
    """Every request holds its connection for as long, and every opening takes as long."""
    return Application(
        hold_seconds=Distribution(values=(hold,)),
        connect_seconds=Distribution(values=(connect,)),
        spreads={MODE: spread or Spread()},
    )


def a_keeping(**given: Any) -> Keeping:
    plain: dict[str, Any] = {"keeper": "thread", "processes": 1, "threads": 1}
    return Keeping(server=Config(name=MODE), strategy=Config(name="max_age"), **plain | given)


def a_scene(rate: float = 10.0, seconds: float = 100.0, **given: Any) -> Scene:
    plain: dict[str, Any] = {
        "hosts": 1,
        "rates": Rates(edges=np.array([0.0, seconds]), per_second=np.array([rate])),
        "database": DatabaseLimits(max_connections=10_000),
    }
    return Scene(**plain | given)


@st.composite
def dispatches(draw: st.DrawFn) -> Dispatch:
    weights = np.array(draw(st.lists(st.integers(0, 3), min_size=4, max_size=4).filter(any)), dtype=float)
    fixed, recent, longest_idle, random = (weights / weights.sum()).tolist()
    return Dispatch(fixed=fixed, recent=recent, longest_idle=longest_idle, random=random)


collectors = st.builds(
    lambda left, more, **others: Collector(left=left, busy=left + more, **others),
    left=st.floats(0.01, 0.3),
    more=st.floats(0, 0.5),
    early=st.floats(0, 1),
    first=st.floats(0, 1),
    searches=st.integers(0, 11),
)
spreads = st.builds(
    Spread,
    processes=dispatches(),
    threads=dispatches(),
    lazy_threads=st.booleans(),
    collected_after=st.lists(st.integers(0, 30), min_size=1, max_size=5).map(lambda after: tuple(sorted(after))),
    collector=st.none() | collectors,
)
times = st.lists(st.floats(0.001, 0.5), min_size=1, max_size=5).map(
    lambda values: Distribution(values=tuple(sorted(values)))
)
applications = st.builds(
    Application,
    hold_seconds=times,
    connect_seconds=times,
    spreads=st.fixed_dictionaries({MODE: spreads}),
)
pools = st.builds(
    ProcessPool,
    smallest=st.integers(0, 2),
    largest=st.integers(2, 4),
    timeout=st.sampled_from([0.3, 5.0]),
    max_idle=st.sampled_from([1.0, 600.0]),
    max_lifetime=st.sampled_from([2.0, 3600.0]),
)
poolers = st.builds(
    Pooler,
    pool_mode=st.sampled_from(["session", "transaction"]),
    size=st.integers(1, 5),
    most_clients=st.integers(2, 30),
    wait=st.sampled_from([0.0, 0.5, 5.0]),
    shared=st.booleans(),
    idle=st.sampled_from([0.0, 1.0, 600.0]),
    lifetime=st.sampled_from([2.0, 3600.0]),
)


@st.composite
def keepings(draw: st.DrawFn) -> Keeping:
    pool = draw(st.none() | pools)
    return a_keeping(
        keeper="pool" if pool else draw(st.sampled_from(["thread", "request"])),
        processes=draw(st.integers(1, 3)),
        threads=draw(st.none() | st.integers(1, 4)),
        max_age=0.0 if pool else draw(st.sampled_from([0.0, 0.5, 3.0, None])),
        health_checks=draw(st.booleans()),
        idle_thread_seconds=draw(st.none() | st.floats(0.5, 5)),
        checks_at_end=draw(st.booleans()),
        spread=draw(st.none() | spreads),
        max_requests=draw(st.none() | st.integers(1, 50)),
        pool=pool,
        pooler=None if pool else draw(st.none() | poolers),
    )


@st.composite
def _ends(draw: st.DrawFn) -> ProcessesEnd:
    at = draw(st.floats(0, 20))
    first = draw(st.integers(0, 2))
    return ProcessesEnd(
        at=at,
        first=first,
        last=first + draw(st.integers(1, 3)),
        serving_again=at + draw(st.sampled_from([0.0, 0.7, 4.0])),
        gone=at + draw(st.sampled_from([0.0, 2.0, 9.0])),
    )


@st.composite
def _outages(draw: st.DrawFn) -> Outage:
    start = draw(st.floats(0, 20))
    first = draw(st.integers(0, 2))
    return Outage(start=start, end=start + draw(st.floats(0, 5)), first=first, last=first + draw(st.integers(1, 3)))


conditions = st.builds(
    Conditions,
    idle_seconds=st.none() | st.floats(0.2, 5),
    max_requests=st.none() | st.integers(1, 50),
    max_requests_jitter=st.integers(0, 10),
)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """30 seconds in which requests arrive, in two steps, and a minute in which all of them end."""
    return Scene(
        hosts=draw(st.integers(1, 3)),
        rates=Rates(
            edges=np.array([0.0, 10.0, 30.0, 90.0]),
            per_second=np.array([draw(st.floats(0, 40)), draw(st.floats(0, 10)), 0.0]),
        ),
        database=DatabaseLimits(max_connections=draw(st.integers(4, 40))),
        balance=draw(st.sampled_from(["random", "round_robin"])),
        ends=tuple(draw(st.lists(_ends(), max_size=2))),
        outages=tuple(draw(st.lists(_outages(), max_size=2))),
        conditions=draw(conditions),
    )
