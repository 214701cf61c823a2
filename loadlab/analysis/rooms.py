"""How many open connections have a use in a trial, and what became of those that it opened."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from loadlab.analysis.deployment import server_of, strategy_of, where
from loadlab.analysis.leaking import COLLECTED, Account, Room, judge, judge_growth
from loadlab.model.counts import ConnectionCounts
from loadlab.model.extract import extract_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.case import Case
    from loadlab.model.findings import Leak
    from loadlab.model.samples import Trial

SPARE_WHERE_UNKNOWN: Final = 2


def leak_of(trial: Trial) -> Leak:
    """Whether the trial's connections leak: those of each alias, and all together.

    The project's own counts say what was opened, and either side what is open at rest. With a pooler in between, it is
    the project's connections to the pooler that may leak.
    """
    at_once = _requests_at_once(trial)
    each = _per_alias(trial.case, at_once)
    room = _room(trial, at_once, each)
    if room is None:
        return judge_growth(_points(trial), requests=trial.served)
    keeps = trial.case.external or trial.case.max_age != 0
    strategy = strategy_of(trial.case.strategy)
    counted = _without_collected if strategy is not None and strategy.sweeps else _as_it_is
    all_together = judge(counted(_all_together(trial)), room, keeps=keeps)
    if each is None or len(trial.connections.by_alias) < 2:  # noqa: PLR2004  one alias is all of them
        return all_together
    sent = _requests_sent(trial)
    aliases = trial.connections.by_alias.values()
    leaking = any(judge(counted(Account(counts=one, requests=sent)), each, keeps=keeps) == "yes" for one in aliases)
    return "yes" if leaking else all_together


def room_of(trial: Trial) -> Room | None:
    """Over all aliases that the trial used; None for an external target whose plan does not say."""
    return _room(trial, trial.case.users, _per_alias(trial.case, trial.case.users))


def _room(trial: Trial, at_once: int, each: Room | None) -> Room | None:
    """With so many requests at once, at most, and the room of one alias."""
    usable = trial.case.usable_connections
    if usable is None:
        return None
    if each is None:
        return Room(in_use=usable, lasting=usable, spare=SPARE_WHERE_UNKNOWN)
    aliases = _aliases(trial)
    # A plan's own number may count several aliases for each request already.
    in_use = each.in_use * aliases if at_once < trial.case.users else max(usable, each.in_use * aliases)
    lasting = max(each.lasting * aliases, in_use if each.lasting >= each.in_use else 0)
    return Room(in_use=in_use, lasting=_in_living_threads(trial, lasting), spare=each.spare * aliases)


def _in_living_threads(trial: Trial, lasting: int) -> int:
    """How many of the `lasting` connections can still be found at rest, after all bursts.

    Where idle threads end in a pause, it leaves one for each process, and each new thread of the last burst opened one.
    """
    bursts, server = trial.connections.bursts, server_of(trial.case.server)
    if len(bursts) < 2 or server is None or server.idle_end_seconds() is None:  # noqa: PLR2004  no pause before it
        return lasting
    of_last_burst = bursts[-1].counts.opened - bursts[-2].counts.opened
    return min(lasting, server.processes() * _aliases(trial) + of_last_burst)


@lru_cache(maxsize=1 << 12)
def _per_alias(case: Case, at_once: int) -> Room | None:
    """Of one alias; None where this version does not know the server mode or the strategy."""
    server, strategy, place = server_of(case.server), strategy_of(case.strategy), where(case, "")
    if server is None or strategy is None or place is None:
        return None
    lasting = server.lasting_connections(case.users, keep_alive=case.keep_alive)
    return Room(
        in_use=strategy.most_connections(server.usable_connections(at_once), place),
        lasting=strategy.most_connections(lasting, place),
        spare=server.processes(),
    )


def _requests_at_once(trial: Trial) -> int:
    """At most. An open load is allowed many more than it ever has under way; what failed may still be served."""
    if not trial.case.open_load:
        return trial.case.users
    extract = extract_of(trial)
    return min(trial.case.users, max(1, extract.under_way) + extract.failed)


def _aliases(trial: Trial) -> int:
    return max(1, len(trial.connections.by_alias))


def _requests_sent(trial: Trial) -> int:
    """At most: each user may have one request without a response; others may use a target too."""
    later = sum(burst.requests + trial.case.users for burst in trial.connections.bursts[1:])
    return max(extract_of(trial).sent + trial.case.users + later, trial.served or 0)


def _all_together(trial: Trial) -> Account:
    connections, pooler = trial.connections, trial.connections.pooler
    kept = pooler.at_rest.clients_open if pooler else max(connections.at_rest.open, connections.open_at_rest)
    # Not PostgreSQL's peak: pg_stat_activity also shows backends that are still exiting.
    early = connections.window_end.closed.get(COLLECTED, 0) - extract_of(trial).failed
    return Account(
        counts=replace(connections.at_rest, open=kept),
        requests=_requests_sent(trial) * _aliases(trial),
        collected_early=max(0, early),
        peak=int(trial.highest("open") or 0),
    )


def _as_it_is(account: Account) -> Account:
    return account


def _without_collected(account: Account) -> Account:
    """The next sweep would have closed them; the garbage collector came first."""
    closed = {reason: count for reason, count in account.counts.closed.items() if reason != COLLECTED}
    return replace(account, counts=replace(account.counts, closed=closed), collected_early=0)


def _points(trial: Trial) -> Sequence[ConnectionCounts]:
    """From before the load until all was at rest, as often as it was sampled; without holders, as a record has them."""
    columns = trial.series.values
    sampled = zip(*(columns.get(name, ()) for name in ("opened", "reused", "open")), strict=False)
    return [
        ConnectionCounts(open=trial.connections.open_before),
        *(
            ConnectionCounts(opened=int(opened), reused=int(reused), open=int(level))
            for opened, reused, level in sampled
        ),
        *(replace(burst.counts, holders={}) for burst in trial.connections.bursts[:-1]),
        replace(trial.connections.at_rest, holders={}),
    ]
