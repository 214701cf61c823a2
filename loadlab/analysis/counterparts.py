"""Finds for each case of one run its counterpart in another: the case that is the same in all that both runs share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from loadlab.model.condition import FACTORS, OpenLoad, Role, fields_of
from loadlab.model.config import Config, Scalar, spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.condition import Condition

Value: TypeAlias = Scalar | OpenLoad


@dataclass(frozen=True, slots=True)
class Part:
    """Something that two cases can differ in: `fields` of a condition.

    A parameter has an `owner`, the name of the server mode or strategy in that field.
    """

    name: str
    field: str
    owner: str = ""

    def __str__(self) -> str:
        return f"{self.owner}: {self.name}" if self.owner else self.name

    def left_out(self, condition: Condition) -> Condition:
        """The same condition without it."""
        value: Any = getattr(condition, self.field)
        left: Any = None
        if isinstance(value, Config):
            left = self._without(value)
        return replace(condition, **{self.field: left})

    def _without(self, config: Config) -> Config:
        if not self.owner:
            return replace(config, name="")
        return config.without(self.name) if config.name == self.owner else config


ABSENT: Final = "absent"


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
    ours, theirs = ([_parts(_comparable(case)) for case in cases] for cases in (before, after))
    changed = _changed(ours, theirs)
    first, second = ({_shared(case, changed): case for case in cases} for cases in (before, after))
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


def _comparable(case: Case) -> Condition:
    """Its condition, but for what two runs may call differently.

    Of an external target, the name of its settings is what changes: it is shown beside each case. A scenario may be at
    another path.
    """
    return replace(case.without("strategy") if case.external else case.condition, scenario=case.scenario_name)


def _shared(case: Case, changed: Iterable[Part]) -> Condition:
    """The condition of a case without what changed between the runs."""
    # Parameters first: they are told apart by the name of their server mode or strategy.
    ordered = sorted(changed, key=lambda part: not part.owner)
    return reduce(lambda condition, part: part.left_out(condition), ordered, _comparable(case))


def _parts(condition: Condition) -> dict[Part, Value]:
    """Everything that a case's id says."""
    parts: dict[Part, Value] = {}
    for name, info in FACTORS.items():
        value = getattr(condition, fields_of(name)[0])
        if isinstance(value, Config):
            parts[Part(info.title, name)] = value.name
            parts |= {Part(key, name, value.name): one for key, one in value.parameters.items()}
        elif name == "load":
            parts |= _load(condition)
        elif value is not None:
            parts[Part(info.title, name)] = value
    return parts


def _load(condition: Condition) -> dict[Part, Value]:
    if condition.open_load:
        return {Part("rate", "open_load"): condition.open_load, Part("outstanding", "users"): condition.users}
    return {Part("users", "users"): condition.users}


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
    return not part.owner or any(
        parts.get(Part(FACTORS[role].title, role)) == part.owner for parts in run for role in get_args(Role)
    )


def _spelt(value: Value) -> str:
    return str(value) if isinstance(value, OpenLoad) else spell(value)
