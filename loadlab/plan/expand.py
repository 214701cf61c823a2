"""Turns a checked plan into its cases."""

from __future__ import annotations

import fnmatch
import itertools
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlab.errors import UsageError
from loadlab.model.case import EXTERNAL, Case
from loadlab.model.condition import CIRCUMSTANCES, FACTORS, THIS_SIDE, fields_of
from loadlab.model.config import Config
from loadlab.model.labels import short_names
from loadlab.plan.faults import planned_faults
from loadlab.plan.members import Incompatible, usable_connections
from loadlab.plan.scenarios import connections_per_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.condition import Factor
    from loadlab.model.plan import Plan


def expand(
    plan: Plan, servers: Iterable[Config], strategies: Iterable[Config], left_out: Iterable[Incompatible]
) -> Iterable[Case]:
    """The cross product of the plan's factors without what is left out; the control's baseline has a replica.

    A case with a fault comes after the one without, its control; the other side of a case after this one.
    """
    if plan.target is not None:
        servers, strategies = [Config(name=EXTERNAL)], [Config(name=plan.target.name)]
    incompatible = {(one.server, one.strategy, one.fault) for one in left_out}
    controlled = False
    for case in _cases(plan, servers, strategies):
        if not incompatible.isdisjoint((case.server, case.strategy, fault) for fault in (None, case.fault)):
            continue
        yield case
        # Sides are compared under any strategy: the first is measured twice where none is the baseline.
        twice = case.is_baseline or (plan.against is not None and case.competes and not _has_baseline(strategies))
        if case.server.name == plan.controlled and not controlled and twice:
            controlled = True
            yield replace(case, replica=True)


def _has_baseline(strategies: Iterable[Config]) -> bool:
    return any(one.name == "max_age" and one.parameters.get("max_age") == 0 for one in strategies)


def _cases(plan: Plan, servers: Iterable[Config], strategies: Iterable[Config]) -> Iterable[Case]:
    for server, strategy, *swept in itertools.product(servers, strategies, *_swept(plan)):
        values: dict[str, Any] = dict(itertools.chain.from_iterable(swept))
        usable = _usable(plan, server, strategy, values["scenario"], values["users"])
        yield Case(server=server, strategy=strategy, usable_connections=usable, **values)


def _swept(plan: Plan) -> Iterator[list[list[tuple[str, Any]]]]:
    """Per factor besides server mode and strategy, each of its values in the plan, by the fields that hold it."""
    for name in CIRCUMSTANCES:
        yield [list(zip(fields_of(name), value, strict=True)) for value in _values(plan, name)]


def _values(plan: Plan, name: Factor) -> Iterable[tuple[Any, ...]]:
    if name == "load":
        return plan.loads()
    if name == "fault":
        return [(None,), *((fault,) for fault in planned_faults(plan))]
    if name == "side":
        return [(THIS_SIDE,), *([(plan.against.called,)] if plan.against else [])]
    return [(one,) for one in getattr(plan, FACTORS[name].plan_key or name)]


def _usable(plan: Plan, server: Config, strategy: Config, scenario: str, users: int) -> int | None:
    if plan.target is not None:
        return plan.target.usable_connections
    return connections_per_request(scenario) * usable_connections(server, strategy, users)


def refuse_doubles(cases: list[Case], source: str) -> None:
    """Raises:
    UsageError: two cases are the same.
    """
    doubled = [case_id for case_id, count in Counter(case.id for case in cases).items() if count > 1]
    if doubled:
        raise UsageError(f"{source} names a case twice: {', '.join(doubled)}. Remove the repeated value.")


def select(cases: list[Case], only: Sequence[str]) -> list[Case]:
    """The cases whose id or short name matches a glob; "*" also matches the slashes of an id.

    Raises:
        UsageError: nothing matches.
    """
    if not only:
        return cases
    names = short_names(cases)
    chosen = [case for case in cases if any(_matches(case.id, names[case], pattern) for pattern in only)]
    if not chosen:
        listed = "\n".join(f"  {names[case]}" for case in cases)
        raise UsageError(f"No case matches {' '.join(only)}. The plan has:\n{listed}")
    return chosen


def _matches(case_id: str, name: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(said, pattern) for said in (case_id, name))
