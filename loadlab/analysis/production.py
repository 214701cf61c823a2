"""What a strategy would hold open in production, and whether PostgreSQL has room for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from math import ceil, prod
from typing import TYPE_CHECKING, Final

from loadlab.analysis.deployment import server_of, strategy_of, where
from loadlab.model.needs import Need, NeedFactor

if TYPE_CHECKING:
    from loadlab.model.findings import Arm
    from loadlab.model.plan import Limits
    from loadlab.model.strategy import ServerTraits
    from loadlab.strategies import Strategy

MANY_USERS: Final = 1_000_000  # more than any mode serves at once: what does not grow up to here is bounded


def need(arm: Arm, limits: Limits) -> Need | None:
    """Hosts × workers × connections per worker × overlap; of a pooler its own. None where nothing is known of the case.

    Per worker it is the most that strategy or server mode allow. Where they allow as many as there are clients, or
    more was seen than they should allow, it is what was measured.
    """
    strategy = strategy_of(arm.case.strategy)
    place = where(arm.case, "")
    if strategy is None or place is None or not arm.trials:
        return None
    pooling = strategy.pooling()
    if pooling is not None:
        # Old and new workers of a deployment share the pooler that is there.
        pooler = NeedFactor(kind="poolers", count=1)
        own = NeedFactor(kind="bounded", count=pooling.pool_size, parameter="pool_size")
        return _need([_hosts(limits), pooler, own], limits)
    overlap = [NeedFactor(kind="overlap", count=limits.overlap)] if limits.overlap > 1 else []
    return _need([_hosts(limits), _workers(limits, place), _per_worker(arm, strategy, place), *overlap], limits)


def _need(factors: list[NeedFactor], limits: Limits) -> Need:
    return Need(
        connections=prod(factor.count for factor in factors),
        factors=tuple(factors),
        max_connections=limits.max_connections,
        reserved=limits.reserved,
    )


def _hosts(limits: Limits) -> NeedFactor:
    return NeedFactor(kind="hosts", count=limits.hosts)


def _workers(limits: Limits, place: ServerTraits) -> NeedFactor:
    given = None if place.single_process else limits.workers
    return NeedFactor(kind="workers", count=place.processes if given is None else given)


def _per_worker(arm: Arm, strategy: Strategy, place: ServerTraits) -> NeedFactor:
    measured, bound = ceil(arm.peak / place.processes), _bound(arm, strategy, place)
    if bound is None:
        return NeedFactor(kind="measured", count=measured, case=arm.case)
    if measured > bound.count:
        return NeedFactor(kind="measured", count=measured, parameter=bound.parameter, bound=bound.count)
    return bound


def _bound(arm: Arm, strategy: Strategy, place: ServerTraits) -> NeedFactor | None:
    """The most that a worker holds however many clients come, and what sets it; None where nothing does."""
    own = strategy.most_connections(0, place)
    if own and own == strategy.most_connections(MANY_USERS, place):
        return NeedFactor(kind="bounded", count=own // place.processes, parameter=_setter(strategy, place))
    server = server_of(arm.case.server)
    bound = server.usable_connections(MANY_USERS) if server else MANY_USERS
    # Greenlets are bounded too, by a thousand clients per worker: no figure that anybody's database has room for.
    if bound < MANY_USERS and not place.greenlets:
        return NeedFactor(kind="usable", count=bound // place.processes)
    return None


def _setter(strategy: Strategy, place: ServerTraits) -> str:
    """The parameter that sets a strategy's own cap: the one with which it grows; empty where none does."""
    cap = strategy.most_connections(0, place)
    for name in strategy.__dataclass_fields__:
        value = getattr(strategy, name)
        if type(value) is int:
            with suppress(ValueError):  # a size that must not pass another one is not the cap
                if replace(strategy, **{name: value + 1}).most_connections(0, place) != cap:
                    return name
    return ""
