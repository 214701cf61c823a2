"""Finds for each case of one run its counterpart in another: the case that is the same in all that both runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.model.config import spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.config import Config

ABSENT: Final = "absent"
SERVER: Final = "server mode"
STRATEGY: Final = "strategy"


@dataclass(frozen=True, kw_only=True, slots=True)
class Counterparts:
    """`pairs` of cases, what `changed` between the runs in all of them as (fact, before, after), and the others."""

    pairs: tuple[tuple[Case, Case], ...]
    changed: tuple[tuple[str, str, str], ...]
    only_before: tuple[Case, ...]
    only_after: tuple[Case, ...]


def counterparts(before: Sequence[Case], after: Sequence[Case]) -> Counterparts:
    """Pair the cases of two runs.

    A part of all cases (a parameter, the users, the scenario) that has one value in one run and one other value in the
    other run is a change between the runs, and keeps no two cases apart.
    """
    ours, theirs = ([_parts(case) for case in cases] for cases in (before, after))
    changed = _changed(ours, theirs)
    keys = [
        {_key(parts, changed): case for parts, case in zip(*both, strict=True)}
        for both in ((ours, before), (theirs, after))
    ]
    first, second = keys
    return Counterparts(
        pairs=tuple((case, second[key]) for key, case in first.items() if key in second),
        changed=tuple((fact, *values) for fact, values in changed.items() if _said(fact, ours, theirs)),
        only_before=tuple(case for key, case in first.items() if key not in second),
        only_after=tuple(case for key, case in second.items() if key not in first),
    )


def _parts(case: Case) -> dict[str, str]:
    """Everything that a case's id says, by the name of the part."""
    strategy = {} if case.external else _parameters(STRATEGY, case.strategy)
    amount = (
        {"rate": str(case.open_load), "outstanding": spell(case.users)}
        if case.open_load
        else {"users": spell(case.users)}
    )
    return {
        **_parameters(SERVER, case.server),
        **strategy,  # of an external target, the name of its settings is what changes: it is shown beside each case
        "scenario": case.scenario_name,
        **amount,
        "client keep-alive": spell(case.keep_alive),
        "round_trip_ms": spell(case.round_trip_ms),
    }


def _parameters(kind: str, config: Config) -> dict[str, str]:
    return {kind: config.name} | {f"{config.name}: {key}": spell(value) for key, value in config.parameters.items()}


def _changed(ours: Sequence[Mapping[str, str]], theirs: Sequence[Mapping[str, str]]) -> dict[str, tuple[str, str]]:
    changed: dict[str, tuple[str, str]] = {}
    for part in dict.fromkeys(part for parts in (*ours, *theirs) for part in parts):
        old, new = ({parts[part] for parts in run if part in parts} or {ABSENT} for run in (ours, theirs))
        if len(old) == len(new) == 1 and old != new:
            changed[part] = (old.pop(), new.pop())
    return changed


def _said(fact: str, ours: Sequence[Mapping[str, str]], theirs: Sequence[Mapping[str, str]]) -> bool:
    """Not a parameter of a server mode or strategy that only one run has: its name says enough."""
    owner, _, parameter = fact.partition(": ")
    return not parameter or all(
        any(owner in (parts[SERVER], parts.get(STRATEGY)) for parts in run) for run in (ours, theirs)
    )


def _key(parts: Mapping[str, str], changed: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    return tuple((part, value) for part, value in sorted(parts.items()) if part not in changed)
