"""What the fleet model takes connections to do, beside what was counted of each server mode and strategy."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from every import every

from loadlab.cli._behaviour_record import read_recording
from loadlab.errors import UsageError
from loadlab.fleet.keeping import keeping
from loadlab.model.fleet import Conditions, DatabaseLimits, Dispatch, Rates, Scene, Spread
from loadlab.plan.members import configs
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.model.behaviour import BehaviourRow
    from loadlab.model.config import Config
    from loadlab.model.fleet import Keeping

RECORDED: Final = read_recording(Path(__file__).resolve().parents[2] / "benchmarks" / "recorded" / "behaviour.json")
NEEDED: Final[dict[str, dict[str, Any]]] = {"tornado": {"async_unsafe": True}}


def server(name: str, **parameters: Any) -> Config:
    return configs(SERVERS, {name: {**NEEDED.get(name, {}), **parameters}}, "servers", [])[0]


def strategy(name: str, **parameters: Any) -> Config:
    return configs(STRATEGIES, {name: parameters}, "strategies", [])[0]


# Each request comes on its own client connection, as in the model.
ROWS: Final = [row for row in RECORDED.rows if not row.setting.keep_alive]


def of(row: BehaviourRow) -> Keeping:
    return keeping(row.setting.server, row.setting.strategy, driver=row.setting.driver)


def modelled(row: BehaviourRow) -> bool:
    with suppress(UsageError):
        return bool(of(row))
    return False


MODELLED: Final = [row for row in ROWS if modelled(row)]


def test_all_that_is_counted_is_modelled_but_for_two_combinations() -> None:
    left_out = {(row.setting.server.name, row.setting.strategy.name) for row in ROWS if row not in MODELLED}
    assert all("geventpool" in pair or "nginx" in pair for pair in left_out)


@every("row", MODELLED, ids=lambda row: row.setting.id)
def test_the_keeper_agrees_with_what_was_counted_of_each_mode(row: BehaviourRow) -> None:
    kept, requests = of(row), RECORDED.scale.requests
    (opened, most), reused = row.spans["opened"], row.spans["reused"]
    (_, left), after = row.spans["left_open"], row.spans["left_after_collection"]
    if kept.keeper == "pool":
        assert kept.pool is not None
        assert kept.processes * kept.pool.smallest <= opened <= most <= kept.processes * kept.pool.largest
        assert (left, after) == (most, row.spans["left_open"])
    elif kept.max_age == 0:
        assert (opened, most, *reused) == (requests, requests, 0, 0)
        assert (left > 0) != kept.checks_at_end
    elif kept.keeper == "thread":
        assert kept.threads is not None
        assert most <= kept.processes * kept.threads
        assert reused[1] == requests - opened
        assert left == most
    else:
        assert (opened, most, *reused) == (requests, requests, 0, 0)
        assert left > 0
        assert after == (0, 0)


@every("row", MODELLED, ids=lambda row: row.setting.id)
def test_what_stays_open_after_bursts_agrees_with_the_keeper(row: BehaviourRow) -> None:
    kept, (_, after_bursts) = of(row), row.spans["open_after_bursts"]
    asked = RECORDED.scale.clients * RECORDED.scale.bursts * RECORDED.scale.in_burst
    if kept.keeper == "request" and kept.max_age != 0:
        swept = kept.spread is not None and kept.spread.collected_after == (1,)
        assert (after_bursts < asked / 4) if swept else (after_bursts == asked)
    elif kept.max_age == 0 and kept.keeper != "pool" and kept.checks_at_end:
        assert after_bursts == 0
    elif kept.keeper == "thread" and not _loses_threads(kept):
        assert after_bursts <= kept.processes * (kept.threads or 0)


def _loses_threads(kept: Keeping) -> bool:
    """Whether idle threads end, and only the garbage collector closes their connections."""
    return kept.idle_thread_seconds is not None and not (kept.spread and kept.spread.collected_after == (0,))


@every("name, other", list(product(SERVERS, STRATEGIES)))
def test_each_mode_and_strategy_is_modelled_or_says_why_not(name: str, other: str) -> None:
    try:
        kept = keeping(server(name), strategy(other))
    except UsageError as error:
        said = str(error)
        assert said.startswith((f"{other} in {name}: ", f"server.{name}"))
        assert "use " in said or "set " in said or "ask for " in said
        return
    assert kept.processes >= 1
    assert (kept.keeper == "pool") == (kept.pool is not None)
    assert (kept.pooler is not None) == (other == "pgbouncer")


@every(
    "name, parameters, processes, threads, keeper",
    [
        ("sync", {"workers": 3}, 3, 1, "thread"),
        ("gthread", {"workers": 2, "threads": 8}, 2, 8, "thread"),
        ("gevent", {"workers": 2, "worker_connections": 50}, 2, 50, "request"),
        ("asgi", {"workers": 4}, 4, None, "request"),
        ("threaded", {}, 1, None, "request"),
        ("nothreading", {}, 1, 1, "thread"),
        ("tornado", {"workers": 2}, 2, 1, "request"),
        ("nginx", {"worker_class": "gthread", "workers": 2, "threads": 3}, 2, 3, "thread"),
        ("nginx", {"worker_class": "gevent", "workers": 2}, 2, 1000, "request"),
        ("uvicorn_wsgi", {"workers": 2}, 2, 10, "thread"),
        ("granian", {"workers": 2, "threads": 6}, 2, 6, "thread"),
        ("waitress", {"threads": 7}, 1, 7, "thread"),
        ("uwsgi", {"workers": 2, "threads": 3}, 2, 3, "thread"),
        ("mod_wsgi", {"workers": 2, "threads": 3}, 2, 3, "thread"),
    ],
)
def test_processes_and_threads_are_those_of_the_mode(
    name: str, parameters: dict[str, Any], processes: int, threads: int | None, keeper: str
) -> None:
    kept = keeping(server(name, **parameters), strategy("max_age", max_age=60))
    assert (kept.processes, kept.threads, kept.keeper, kept.max_age) == (processes, threads, keeper, 60)


def test_leased_threads_serve_again_the_last_one_back_first() -> None:
    measured = Spread(processes=Dispatch(fixed=1.0, random=0.0), requests=500)
    kept = keeping(server("asgi"), strategy("leased_threads", threads=3), measured)
    assert (kept.keeper, kept.threads) == ("thread", 3)
    assert kept.spread is not None
    assert (kept.spread.threads.recent, kept.spread.lazy_threads) == (1.0, True)
    assert kept.spread.processes == measured.processes


def test_a_pooler_is_of_each_host_or_of_the_whole_fleet() -> None:
    pgbouncer = strategy("pgbouncer", pool_mode="session", pool_size=7)
    alone, shared = (keeping(server("sync"), pgbouncer, shared_pooler=each).pooler for each in (False, True))
    assert alone is not None
    assert shared is not None
    assert (alone.shared, shared.shared, alone.size, alone.pool_mode) == (False, True, 7, "session")


@every(
    "mode, living, expected",
    [
        (("sync", {}), ("max_age", {}), 90),
        (("sync", {}), ("recycle_workers", {"max_requests": 7}), 7),
        (("uwsgi", {"max_requests": 8}), ("max_age", {}), 8),
        (("mod_wsgi", {"max_requests": 9}), ("max_age", {}), 9),
        (("uwsgi", {"max_requests": 8}), ("recycle_workers", {"max_requests": 7}), 7),
    ],
)
def test_workers_are_replaced_as_strategy_server_or_events_say(mode: Any, living: Any, expected: int) -> None:
    kept = keeping(server(mode[0], **mode[1]), strategy(living[0], **living[1]))
    rates = Rates(edges=np.array([0.0, 60.0]), per_second=np.array([1.0]))
    given = Conditions(max_requests=90, max_requests_jitter=9)
    found = kept.conditions_in(Scene(hosts=1, rates=rates, database=DatabaseLimits(), conditions=given))
    assert (found.max_requests, found.max_requests_jitter) == (expected, 9 if expected == 90 else 0)
