"""What a strategy would hold open in production, and whether PostgreSQL has room for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil, prod
from typing import TYPE_CHECKING, Final

from loadlab.analysis.deployment import server_of, strategy_of, where
from loadlab.analysis.wording import plural
from loadlab.model.findings import Need
from loadlab.model.labels import load_words

if TYPE_CHECKING:
    from loadlab.model.findings import Arm
    from loadlab.model.plan import Limits
    from loadlab.model.strategy import ServerTraits
    from loadlab.strategies import Strategy

MANY_USERS: Final = 1_000_000  # more than any mode serves at once: what does not grow up to here is bounded


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    count: int
    text: str


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
        own = Factor(count=pooling.pool_size, text=f"{pooling.pool_size} (pool_size)")
        # Old and new workers of a deployment share the pooler that is there.
        return _need([_hosts(limits), Factor(count=1, text="1 PgBouncer"), own], limits)
    overlap = [Factor(count=limits.overlap, text=f"{limits.overlap} overlap")] if limits.overlap > 1 else []
    return _need([_hosts(limits), _workers(limits, place), _per_worker(arm, strategy, place), *overlap], limits)


def _need(factors: list[Factor], limits: Limits) -> Need:
    total = prod(factor.count for factor in factors)
    arithmetic = f"{' × '.join(factor.text for factor in factors)} = {total:,}"
    if limits.max_connections is None:
        return Need(connections=total, arithmetic=arithmetic, fits=None)
    fits = total <= limits.max_connections - limits.reserved
    room = f"{limits.max_connections:,} − {limits.reserved:,}"
    return Need(connections=total, arithmetic=f"{arithmetic} {'≤' if fits else '>'} {room}", fits=fits)


def _hosts(limits: Limits) -> Factor:
    return Factor(count=limits.hosts, text=plural(limits.hosts, "host"))


def _workers(limits: Limits, place: ServerTraits) -> Factor:
    if limits.workers is None or place.single_process:
        return Factor(count=place.processes, text=plural(place.processes, "worker"))
    return Factor(count=limits.workers, text=plural(limits.workers, "worker"))


def _per_worker(arm: Arm, strategy: Strategy, place: ServerTraits) -> Factor:
    measured = ceil(arm.peak / place.processes)
    cap, name = _cap(arm, strategy, place)
    if cap is None:
        load = load_words(arm.case.users, arm.case.open_load)
        return Factor(count=measured, text=f"{measured} (measured with {load})")
    if measured > cap:
        return Factor(count=measured, text=f"{measured} (measured; {name} is {cap})")
    return Factor(count=cap, text=f"{cap} ({name})")


def _cap(arm: Arm, strategy: Strategy, place: ServerTraits) -> tuple[int | None, str]:
    """The most that a worker holds however many clients come, and what sets it; (None, "") where nothing does."""
    own = strategy.most_connections(0, place)
    if own and own == strategy.most_connections(MANY_USERS, place):
        return own // place.processes, _setter(strategy, place)
    server = server_of(arm.case.server)
    bound = server.usable_connections(MANY_USERS) if server else MANY_USERS
    # Greenlets are bounded too, by a thousand clients per worker: no figure that anybody's database has room for.
    if bound < MANY_USERS and not place.greenlets:
        return bound // place.processes, "usable at once"
    return None, ""


def _setter(strategy: Strategy, place: ServerTraits) -> str:
    """The parameter that sets a strategy's own cap: the one with which it grows."""
    cap = strategy.most_connections(0, place)
    for name in strategy.__dataclass_fields__:
        value = getattr(strategy, name)
        if type(value) is int:
            with suppress(ValueError):  # a size that must not pass another one is not the cap
                if replace(strategy, **{name: value + 1}).most_connections(0, place) != cap:
                    return name
    return "its own cap"
