"""What tells several strategies of one run apart, in as few words as that takes."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.model.case import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from loadlab.model.case import Choice


def distinct_names(strategies: Iterable[Choice]) -> dict[str, str]:
    """By its full name, each strategy's short one: bare, or with the parameters in which it differs from its namesakes.

    >>> from loadlab.model.case import Choice
    >>> small, large = (Choice(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16))
    >>> list(distinct_names([small, large]).values()), list(distinct_names([small]).values())
    (['pool, max_size=4', 'pool, max_size=16'], ['pool'])
    """
    return {
        full: ", ".join([choice.name, *(f"{key}={spell(choice.parameters[key])}" for key in telling)])
        for full, choice, telling in _told_apart(strategies)
    }


def distinct_ids(strategies: Iterable[Choice]) -> dict[str, str]:
    """The same as ids of cases spell it; the parameter that a strategy is named after is always said.

    >>> from loadlab.model.case import Choice
    >>> aged = [Choice(name="max_age", parameters={"max_age": age, "conn_health_checks": False}) for age in (0, 60)]
    >>> pools = [Choice(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16)]
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


def _told_apart(strategies: Iterable[Choice]) -> Iterator[tuple[str, Choice, list[str]]]:
    """Each strategy by its full name, and the parameters in whose spelling it differs from any of its namesakes."""
    namesakes: dict[str, dict[str, Choice]] = defaultdict(dict)
    for choice in strategies:
        namesakes[choice.name][str(choice)] = choice
    for group in namesakes.values():
        spelt = [{key: spell(value) for key, value in other.parameters.items()} for other in group.values()]
        for (full, choice), ours in zip(group.items(), spelt, strict=True):
            yield full, choice, [key for key in ours if any(other.get(key) != ours[key] for other in spelt)]
