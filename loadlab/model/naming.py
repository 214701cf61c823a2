"""What tells several strategies of one run apart, in as few words as that takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.model.case import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from loadlab.model.case import Case, Config


def distinct_names(strategies: Iterable[Config]) -> dict[str, str]:
    """By its full name, each strategy's short one: bare, or with the parameters in which it differs from its namesakes.

    >>> from loadlab.model.case import Config
    >>> small, large = (Config(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16))
    >>> list(distinct_names([small, large]).values()), list(distinct_names([small]).values())
    (['pool, max_size=4', 'pool, max_size=16'], ['pool'])
    """
    return {
        full: ", ".join([choice.name, *(f"{key}={spell(choice.parameters[key])}" for key in telling)])
        for full, choice, telling in _told_apart(strategies)
    }


def distinct_ids(strategies: Iterable[Config]) -> dict[str, str]:
    """The same as ids of cases spell it; the parameter that a strategy is named after is always said.

    >>> from loadlab.model.case import Config
    >>> aged = [Config(name="max_age", parameters={"max_age": age, "conn_health_checks": False}) for age in (0, 60)]
    >>> pools = [Config(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16)]
    >>> list(distinct_ids([*aged, *pools]).values())
    ['max_age=0', 'max_age=60', 'pool,max_size=4', 'pool,max_size=16']
    >>> list(distinct_ids([aged[1], pools[0]]).values())
    ['max_age=60', 'pool']
    """
    short = {}
    for full, choice, telling in _told_apart(strategies):
        said = {key: value for key, value in choice.parameters.items() if key in {*telling, choice.name}}
        short[full] = str(replace(choice, parameters=said))
    return short


def short_names(cases: Sequence[Case]) -> dict[str, str]:
    """By its id, each case's short name: server mode and strategy, and whatever else differs between the cases.

    >>> from loadlab.model.case import Case, Config
    >>> server = Config(name="gthread", parameters={"workers": 2, "threads": 4})
    >>> aged = [Config(name="max_age", parameters={"max_age": age}) for age in (0, None)]
    >>> load = {"scenario": "read_one", "users": 8, "keep_alive": False, "usable_connections": 8}
    >>> list(short_names([Case(server=server, strategy=strategy, **load) for strategy in aged]).values())
    ['gthread/max_age=0', 'gthread/max_age=none']
    """
    servers = distinct_ids(case.server for case in cases)
    strategies = distinct_ids(case.strategy for case in cases)
    loads = [_load_parts(case) for case in cases]
    names = {}
    for case, load in zip(cases, loads, strict=True):
        differs = [part for key, part in load.items() if len({other.get(key) for other in loads}) > 1]
        parts = [servers[str(case.server)], strategies[str(case.strategy)], ",".join(differs)]
        names[case.id] = "/".join(part for part in [*parts, "replica" if case.replica else ""] if part)
    return names if len(set(names.values())) == len(names) else {case.id: case.id for case in cases}


def _load_parts(case: Case) -> dict[str, str]:
    """What a case says of its load, part by part, as its id spells it."""
    return {
        "scenario": case.scenario_name,
        "amount": case.amount,
        "keep_alive": f"keep_alive={spell(case.keep_alive)}",
        "round_trip_ms": f"round_trip_ms={spell(case.round_trip_ms)}",
    }


def _told_apart(strategies: Iterable[Config]) -> Iterator[tuple[str, Config, list[str]]]:
    """Each strategy by its full name, and the parameters in whose spelling it differs from any of its namesakes."""
    namesakes: dict[str, dict[str, Config]] = defaultdict(dict)
    for choice in strategies:
        namesakes[choice.name][str(choice)] = choice
    for group in namesakes.values():
        spelt = [{key: spell(value) for key, value in other.parameters.items()} for other in group.values()]
        for (full, choice), ours in zip(group.items(), spelt, strict=True):
            yield full, choice, [key for key in ours if any(other.get(key) != ours[key] for other in spelt)]
