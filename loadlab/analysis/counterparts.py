"""Finds for each case of one run its counterpart in another: the case that is the same in all that both runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from loadlab.model.condition import OpenLoad
from loadlab.model.config import Scalar, spell

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.config import Config

Value: TypeAlias = Scalar | OpenLoad


@dataclass(frozen=True, slots=True)
class Part:
    """Something that two cases can differ in; a parameter has an `owner`, the server mode or strategy."""

    name: str
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.owner}: {self.name}" if self.owner else self.name


ABSENT: Final = "absent"
SERVER: Final = Part("server mode")
STRATEGY: Final = Part("strategy")


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
    first, second = (
        {_key(parts, changed): case for parts, case in zip(*both, strict=True)}
        for both in ((ours, before), (theirs, after))
    )
    return Counterparts(
        pairs=tuple((case, second[key]) for key, case in first.items() if key in second),
        changed=tuple(
            (str(part), _spelt(old), _spelt(new))
            for part, (old, new) in changed.items()
            if _said(part, ours) and _said(part, theirs)
        ),
        only_before=tuple(case for key, case in first.items() if key not in second),
        only_after=tuple(case for key, case in second.items() if key not in first),
    )


def _parts(case: Case) -> dict[Part, Value]:
    """Everything that a case's id says."""
    # Of an external target, the name of its settings is what changes: it is shown beside each case.
    strategy = {} if case.external else _config(STRATEGY, case.strategy)
    return {
        **_config(SERVER, case.server),
        **strategy,
        Part("scenario"): case.scenario_name,
        **_load(case),
        Part("client keep-alive"): case.keep_alive,
        Part("round_trip_ms"): case.round_trip_ms,
    }


def _config(role: Part, config: Config) -> dict[Part, Value]:
    parameters: dict[Part, Value] = {Part(key, config.name): value for key, value in config.parameters.items()}
    return {role: config.name, **parameters}


def _load(case: Case) -> dict[Part, Value]:
    if case.open_load:
        return {Part("rate"): case.open_load, Part("outstanding"): case.users}
    return {Part("users"): case.users}


def _changed(
    ours: Sequence[Mapping[Part, Value]], theirs: Sequence[Mapping[Part, Value]]
) -> dict[Part, tuple[Value, Value]]:
    changed: dict[Part, tuple[Value, Value]] = {}
    for part in dict.fromkeys(part for parts in (*ours, *theirs) for part in parts):
        old, new = ({parts[part] for parts in run if part in parts} or {ABSENT} for run in (ours, theirs))
        if len(old) == len(new) == 1 and old != new:
            changed[part] = (old.pop(), new.pop())
    return changed


def _said(part: Part, run: Sequence[Mapping[Part, Value]]) -> bool:
    """Not a parameter of a server mode or strategy that the run does not have: its name says enough."""
    return not part.owner or any(part.owner in (parts[SERVER], parts.get(STRATEGY)) for parts in run)


def _key(parts: Mapping[Part, Value], changed: Mapping[Part, object]) -> frozenset[tuple[Part, Value]]:
    return frozenset((part, value) for part, value in parts.items() if part not in changed)


def _spelt(value: Value) -> str:
    return str(value) if isinstance(value, OpenLoad) else spell(value)
