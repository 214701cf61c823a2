"""Which setting follows for each server mode from what connections did in it: from counts alone.

A connection is lost if only the garbage collector closed it, or if PostgreSQL refused connections in the flood of the
same load. A row reuses connections if none is lost and at least half of its requests found one. It grows in pauses if
more are open after bursts with quiet spells than the server mode can use at once. Kept connections are
worth keeping where every row of a mode reuses them, with and without client keep-alive. Rows that fail, that no judge
confirms, or that are neither, decide nothing; then Django's default is the safe choice.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from loadlab.analysis.snippets import snippets
from loadlab.model.drivers import DRIVERS
from loadlab.model.which_setting import Impossible, ServerAdvice, Tried, WhichSetting
from loadlab.plan.members import build_strategy, server_traits, usable_connections
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.model.behaviour import BehaviourRow, Recording, Scale
    from loadlab.model.config import Config
    from loadlab.model.findings import Snippet
    from loadlab.model.which_setting import Choice, Effect, Fate, Stop

MAX_AGE: Final = "max_age"
CONDITIONAL: Final = ("max_age", "max_age_if_not_debug")  # CONN_MAX_AGE and nothing else
KEPT_SECONDS: Final = 600  # the finite age that is counted
CHOICES: Final[dict[Fate, Choice]] = {
    "reused": "keep",
    "grows in pauses": "close",
    "kept by clients": "close",
    "leaks": "close",
}


def which_setting(recording: Recording) -> WhichSetting:
    """What follows for each server mode of this version, in the order of the recording."""
    groups = itertools.groupby(recording.rows, key=lambda row: row.setting.server)
    known = [(server, tuple(rows)) for server, rows in groups if server.name in SERVERS]
    counted = {server.name for server, _ in known}
    return WhichSetting(
        advice=tuple(_advice(server, rows, recording.scale) for server, rows in known),
        uncounted=tuple(name for name in SERVERS if name not in counted),
    )


def _advice(server: Config, rows: Sequence[BehaviourRow], scale: Scale) -> ServerAdvice:
    aged = [row for row in rows if row.setting.strategy.name == MAX_AGE]
    closed = tuple(row for row in aged if row.setting.strategy.parameters[MAX_AGE] == 0)
    kept = tuple(row for row in aged if row not in closed)
    fate = fate_of(kept, scale)
    choice = _choice(fate, closed)
    checks = any(_most(row, "failed_after_restart") for row in kept) and not any(
        _most(row, "failed_checked") for row in kept
    )
    return ServerAdvice(
        server=server,
        fate=fate,
        choice=choice,
        checks_help=checks,
        left_at_zero=max((_most(row, "left_open") for row in closed), default=0),
        stop=_stop(kept),
        kept=kept,
        closed=closed,
        tried=tuple(_tried(rows, scale)),
        impossible=tuple(_impossible(server)),
        snippets=_snippets(server, choice, checks=checks),
    )


def fate_of(kept: Sequence[BehaviourRow], scale: Scale) -> Fate:
    """What happens to kept connections, by the rows that keep them."""
    with_clients = {_of_row(row, scale) for row in kept if row.setting.keep_alive}
    without = {_of_row(row, scale) for row in kept if not row.setting.keep_alive}
    match sorted(without), sorted(with_clients):
        case ["reused"], (["reused"] | []):
            return "reused"
        case ["grows in pauses"], (["grows in pauses"] | []):
            return "grows in pauses"
        case ["leaks"], (["reused"] | ["grows in pauses"]):  # clients that hang up leave theirs
            return "kept by clients"
        case ["leaks"], (["leaks"] | []):
            return "leaks"
    return "fails" if "fails" in without | with_clients else "undecided"


def _of_row(row: BehaviourRow, scale: Scale) -> Fate:
    if _most(row, "failed") or _most(row, "failed_later"):
        return "fails"
    if not row.exact:
        return "undecided"
    if _loses(row):
        return "leaks"
    if not _reuses(row, scale):
        return "undecided"
    return "grows in pauses" if _grows(row, scale) else "reused"


def _loses(row: BehaviourRow) -> bool:
    return _most(row, "left_open") > _most(row, "left_after_collection") or _floods(row)


def _floods(row: BehaviourRow) -> bool:
    return _most(row, "flood_failed") > 0


def _reuses(row: BehaviourRow, scale: Scale) -> bool:
    return 2 * row.spans["reused"][0] >= scale.requests


def _grows(row: BehaviourRow, scale: Scale) -> bool:
    """Whether quiet spells leave more open than can be used at once; not where there were none."""
    usable = usable_connections(row.setting.server, row.setting.strategy, scale.clients)
    return "open_after_bursts" in row.spans and row.spans["open_after_bursts"][0] > usable


def _most(row: BehaviourRow, name: str) -> int:
    return row.spans[name][1]


def _choice(fate: Fate, closed: Sequence[BehaviourRow]) -> Choice:
    if any(_most(row, "failed") for row in closed):
        return "other server"
    return CHOICES.get(fate, "close")


def _stop(kept: Sequence[BehaviourRow]) -> Stop:
    held = [row for row in kept if row.spans["open_at_stop"][0]]
    closing = [row for row in held if row.spans["stop_abandoned"] == (0, 0)]
    abandoning = [row for row in held if row.spans["stop_abandoned"] == row.spans["open_at_stop"]]
    if not held:
        return "not known"
    if len(closing) == len(held) or len(abandoning) == len(held):
        return "closes" if closing else "abandons"
    new_clients = [row for row in held if not row.setting.keep_alive]
    return (
        "abandons kept clients'"
        if closing == new_clients and len(closing + abandoning) == len(held)
        else "abandons some"
    )


def _tried(rows: Sequence[BehaviourRow], scale: Scale) -> Iterator[Tried]:
    others = [row for row in rows if row.setting.strategy.name not in CONDITIONAL]
    for (strategy, driver), group in itertools.groupby(
        others, key=lambda row: (row.setting.strategy, row.setting.driver)
    ):
        members = tuple(group)
        yield Tried(strategy=strategy, driver=driver, effect=_effect(strategy, members, scale), rows=members)


def _effect(strategy: Config, rows: Sequence[BehaviourRow], scale: Scale) -> Effect:
    built = build_strategy(strategy)
    # What waits for the next sweep is not lost; without sweeps, the flood would have been refused connections.
    loses = _floods if built.sweeps else _loses
    if any(_most(row, "failed") or not row.exact or loses(row) or _grows(row, scale) for row in rows):
        return "no help"
    pooling = built.pooling()
    if pooling:
        return "bounds" if all(_most(row, "peak") <= pooling.pool_size for row in rows) else "no help"
    return "reuses" if all(_reuses(row, scale) for row in rows) else "ends leak"


def _impossible(server: Config) -> Iterator[Impossible]:
    for name in STRATEGIES:
        reasons = [STRATEGIES[name]().incompatible(server_traits(server, driver)) for driver in DRIVERS]
        if None not in reasons:
            yield Impossible(strategy=name, why=str(reasons[-1]))


def _snippets(server: Config, choice: Choice, *, checks: bool) -> tuple[Snippet, ...]:
    if choice == "other server":
        return ()
    age = KEPT_SECONDS if choice == "keep" else 0
    strategy = STRATEGIES[MAX_AGE](**{MAX_AGE: age})
    return snippets(strategy, server_traits(server, next(iter(DRIVERS))), checks=checks and choice == "keep")
