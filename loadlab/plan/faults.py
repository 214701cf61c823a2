"""The faults that a plan wants at an instant of the window: `[[faults]]`, read, checked and fitted to its cases."""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated, Any, Final

from loadlab.faults import FAULTS
from loadlab.model.bounds import STRICT, Before, Bounds
from loadlab.model.causes import Cause
from loadlab.model.planned_fault import PlannedFault
from loadlab.model.spelling import did_you_mean
from loadlab.plan.members import Incompatible, build_server, build_strategy, configs
from loadlab.plan.problems import Problem, checked, one_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from loadlab.faults.base import Fault, Need
    from loadlab.model.config import Config
    from loadlab.model.plan import Plan


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


Instants = Annotated[
    list[Annotated[float, Bounds(ge=0, le=86400, finite=True)]], Bounds(min_length=1), Before(_as_list)
]
Lengths = Annotated[list[Annotated[float, Bounds(gt=0, le=86400, finite=True)]], Bounds(min_length=1), Before(_as_list)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _When:
    """What an entry says beside the parameters of its member: by default in the middle of the window."""

    __pydantic_config__ = STRICT

    kind: str
    at_seconds: Instants | None = None
    for_seconds: Lengths | None = None


KEYS: Final = ("kind", "at_seconds", "for_seconds")


def planned_faults(plan: Plan) -> list[PlannedFault]:
    """Each fault of a checked plan, at each of its instants; those with problems are left out."""
    return list(_read(plan, []))


def fault_problems(plan: Plan, _data: Mapping[str, Any] | None = None) -> Iterator[Problem]:
    """What is wrong with the list of faults, with each by itself and beside the window."""
    problems: list[Problem] = []
    for fault in _read(plan, problems):
        problems += _outside(fault, plan)
    yield from dict.fromkeys(problems)
    for name in plan.faults if isinstance(plan.faults, dict) else ():
        if name in FAULTS and Cause.NOT_OBSERVED in FAULTS[name].expected:
            remedy = f'use [[faults]] with kind = "{name}": each case is measured without it too'
            yield Problem(where=f"faults.{name}", what="would make every trial invalid", remedy=remedy)


def unfit(fault: PlannedFault, server: Config, strategy: Config, plan: Plan) -> str | None:
    """What the fault needs and is not there in this server mode and strategy; None if it can be applied."""
    for need in FAULTS[fault.name].needs:
        met, words = NEEDS[need]
        if not met(plan, server, strategy):
            return words
    return None


def unfit_faults(
    plan: Plan, servers: Iterable[Config], strategies: Iterable[Config], left_out: Iterable[Incompatible]
) -> list[Incompatible]:
    """Each fault with each pair of the plan under which it cannot be applied; of pairs that are not `left_out`."""
    faults, gone = planned_faults(plan), {(one.server, one.strategy) for one in left_out}
    return [
        Incompatible(server=server, strategy=strategy, fault=fault, why=why)
        for fault, server, strategy in itertools.product(faults, servers, strategies)
        if (server, strategy) not in gone and (why := unfit(fault, server, strategy, plan))
    ]


def faults_that_fit_nowhere(plan: Plan, servers: Iterable[Config], strategies: Iterable[Config]) -> Iterator[Problem]:
    """Faults that can be applied in no server mode and strategy of the plan."""
    every = list(itertools.product(servers, strategies))
    for fault in planned_faults(plan):
        reasons = [unfit(fault, server, strategy, plan) for server, strategy in every]
        if every and all(reasons):
            remedy = "; ".join(dict.fromkeys(filter(None, reasons)))
            yield Problem(where=f"faults.{fault.name}", what="cannot be applied to any case of the plan", remedy=remedy)


def _read(plan: Plan, problems: list[Problem]) -> Iterator[PlannedFault]:
    for number, entry in enumerate(plan.faults if isinstance(plan.faults, list) else [], start=1):
        when = _when(entry, number, problems)
        if when is None:
            continue
        made = configs(FAULTS, {when.kind: _parameters(entry, when.kind, problems)}, "faults", problems)
        misplaced = list(_misplaced(FAULTS[when.kind], when))
        problems += misplaced
        lengths: Sequence[float | None] = (None,) if when.for_seconds is None else when.for_seconds
        swept = itertools.product(made, when.at_seconds or [plan.window_seconds / 2], lengths)
        for config, at, seconds in swept if not misplaced else ():
            yield PlannedFault(config=config, at=at, seconds=seconds)


def _parameters(entry: Mapping[str, Any], kind: str, problems: list[Problem]) -> dict[str, Any]:
    """Those of the member that an entry gives. A key that neither the member nor each entry has is a problem."""
    known = [field.name for field in fields(FAULTS[kind])]
    found = {}
    for key, value in entry.items():
        if key in known:
            found[key] = value
        elif key not in KEYS:
            keys = [*KEYS, *known]
            remedy = did_you_mean(key, keys) or f"remove it; the keys here are {', '.join(keys)}"
            problems.append(Problem(where=f"faults.{kind}.{key}", what="unknown key", remedy=remedy))
    return found


def _when(entry: Mapping[str, Any], number: int, problems: list[Problem]) -> _When | None:
    """When an entry wants its fault; None where it names none."""
    kind = entry.get("kind", "")
    where = f"faults.{kind}" if kind and isinstance(kind, str) else f"faults (entry {number})"
    if not kind:
        remedy = f"add kind; one of {', '.join(_at_an_instant())}"
        problems.append(Problem(where=where, what="names no fault", remedy=remedy))
    said = {"kind": kind, **{key: entry[key] for key in KEYS if key in entry}}
    when: _When | None = checked(_When, said, where, problems)
    if not kind:
        return None
    if when is not None and when.kind not in FAULTS:
        problems.append(Problem(where=where, what="unknown fault", remedy=one_of(_at_an_instant(), when.kind)))
        return None
    return when


def _misplaced(member: type[Fault], when: _When) -> Iterator[Problem]:
    where = f"faults.{when.kind}"
    if member.acts != "at_instant":
        remedy = f"set [faults.{when.kind}], with single brackets, in a plan without [[faults]]"
        yield Problem(where=where, what="acts on whole trials and not at an instant", remedy=remedy)
    elif member.lasting and when.for_seconds is None:
        yield Problem(where=f"{where}.for_seconds", what="is missing", remedy="set after how many seconds it ends")
    elif not member.lasting and when.for_seconds is not None:
        yield Problem(where=f"{where}.for_seconds", what="this fault has no end", remedy="remove it")


def _outside(fault: PlannedFault, plan: Plan) -> Iterator[Problem]:
    """It has to come within the window, and to be over before its end: otherwise nothing is seen of what follows."""
    where, window = f"faults.{fault.name}", plan.window_seconds
    if fault.at >= window:
        what = f"{fault.at:g} s is not within the window of {window:g} s"
        yield Problem(where=f"{where}.at_seconds", what=what, remedy=f"set less than {window:g}")
    elif fault.seconds is not None and fault.at + fault.seconds >= window:
        what = f"it ends {fault.at + fault.seconds:g} s after the start of a window of {window:g} s"
        yield Problem(where=f"{where}.for_seconds", what=what, remedy="shorten it, or set a longer window_seconds")


def _at_an_instant() -> list[str]:
    return [name for name in FAULTS if FAULTS[name].acts == "at_instant"]


# Whether it is there in a plan, in a server mode and strategy; and what to say if it is not.
NEEDS: Final[Mapping[Need, tuple[Callable[[Plan, Config, Config], bool], str]]] = {
    "own_postgresql": (
        lambda plan, _server, _strategy: plan.project is None or plan.project.database == "embedded",
        'needs a PostgreSQL of loadlab\'s own: set database = "embedded" in [project]',
    ),
    "pooler": (
        lambda _plan, _server, strategy: build_strategy(strategy).pooling() is not None,
        "needs a pooler between the application and PostgreSQL: add the strategy pgbouncer",
    ),
    "replaced_worker": (
        lambda _plan, server, _strategy: build_server(server).replaced_workers() > 0,
        "needs a server that replaces a worker that is killed: add one with several processes, such as gthread",
    ),
    "reload": (
        lambda _plan, server, _strategy: build_server(server).reload_signal() is not None,
        "needs a server that can replace its workers while it serves: add one with several processes, such as gthread",
    ),
    "linux": (lambda _plan, _server, _strategy: sys.platform == "linux", "needs Linux"),
    "same_user": (
        lambda _plan, server, _strategy: os.getuid() != 0 or not build_server(server).unprivileged,
        "needs a server that runs as loadlab's user, and this one refuses to run as root: run loadlab as another user",
    ),
}
