"""How connections live on one host: what its server mode and its strategy say of themselves, as the engines take it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.model.fleet import Dispatch, Keeping, Pooler, Spread
from loadlab.plan.members import build_server, build_strategy, server_traits
from loadlab.plan.problems import Problem

if TYPE_CHECKING:
    from loadlab.model.config import Config
    from loadlab.model.fleet import Keeper
    from loadlab.model.pooling import Pooling
    from loadlab.model.strategy import ConnectionLife
    from loadlab.servers import Server

MANY: Final = 1 << 40  # clients: more than any bound of a server mode
DRIVER: Final = "psycopg"


def keeping(
    server: Config,
    strategy: Config,
    spread: Spread | None = None,
    *,
    driver: str = DRIVER,
    shared_pooler: bool = False,
) -> Keeping:
    """How connections live under a strategy, in a server mode where requests spread as measured.

    Raises:
        UsageError: they do not fit together, or are not modelled.
    """
    serving, life = build_server(server), _life(server, strategy, driver)
    keeper = _keeper(serving, life)
    # Where each request has its own thread, the end of the thread is that of the request.
    ends_with_request = keeper == "request" and life.closed_after == 0
    return Keeping(
        server=server,
        strategy=strategy,
        keeper=keeper,
        processes=serving.processes(),
        threads=life.threads or _threads(serving),
        max_age=0.0 if ends_with_request else life.max_age,
        health_checks=life.health_checks,
        idle_thread_seconds=None if life.threads else serving.idle_end_seconds(),
        pool=life.pool,
        pooler=_pooler(build_strategy(strategy).pooling(), shared=shared_pooler),
        checks_at_end=serving.closes_responses,
        connects_at_boot=not serving.quiet_boot,
        spread=_spread(spread, life),
        max_requests=life.max_requests or serving.recycled_after(),
    )


def server_problem(server: Config, driver: str) -> Problem | None:
    """Why a server mode cannot be or is not modelled with these parameters; None where it is."""
    serving, where = build_server(server), f"server.{server.name}"
    if (impossible := serving.incompatible(driver)) is not None:
        parameter, what, remedy = impossible
        return Problem(where=f"{where}.{parameter}", what=what, remedy=remedy)
    why = serving.unmodelled()
    return None if why is None else Problem(where=where, what=why)


def _life(server: Config, strategy: Config, driver: str) -> ConnectionLife:
    if (problem := server_problem(server, driver)) is not None:
        raise UsageError(str(problem))
    traits, living = server_traits(server, driver), build_strategy(strategy)
    life = living.incompatible(traits) or living.life(traits)
    if isinstance(life, str):
        raise UsageError(f"{strategy.name} in {server.name}: {life}")
    return life


def _keeper(serving: Server, life: ConnectionLife) -> Keeper:
    if life.pool is not None:
        return "pool"
    lasts = life.threads or serving.lasting_connections(MANY, keep_alive=False)
    return "thread" if lasts else "request"


def _threads(serving: Server) -> int | None:
    usable = serving.usable_connections(MANY)
    return None if usable >= MANY else usable // serving.processes()


def _pooler(wanted: Pooling | None, *, shared: bool) -> Pooler | None:
    if wanted is None:
        return None
    return Pooler(
        pool_mode=wanted.pool_mode,
        size=wanted.pool_size,
        most_clients=wanted.max_client_conn,
        wait=wanted.query_wait_timeout_seconds,
        shared=shared,
    )


def _spread(measured: Spread | None, life: ConnectionLife) -> Spread | None:
    """How requests spread, where the strategy decides some of it; None where it is as measured."""
    spread = measured or Spread()
    if life.threads is not None:
        return replace(spread, threads=Dispatch(recent=1.0, random=0.0), lazy_threads=True)
    if life.closed_after is not None:
        return replace(spread, collected_after=(life.closed_after,))
    return measured
