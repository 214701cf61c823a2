"""What tells several strategies of one run apart, in as few words as that takes."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from loadlab.model.case import spell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.model.case import Choice, Scalar


def distinct_names(strategies: Iterable[Choice]) -> dict[str, str]:
    """By its full name, each strategy's short one: bare, or with the parameters in which it differs from its namesakes.

    >>> from loadlab.model.case import Choice
    >>> small, large = (Choice(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16))
    >>> list(distinct_names([small, large]).values()), list(distinct_names([small]).values())
    (['pool, max_size=4', 'pool, max_size=16'], ['pool'])
    """
    namesakes: dict[str, dict[str, Choice]] = defaultdict(dict)
    for choice in strategies:
        namesakes[choice.name][str(choice)] = choice
    return {
        full: ", ".join([choice.name, *_differing(choice, [other.parameters for other in group.values()])])
        for group in namesakes.values()
        for full, choice in group.items()
    }


def _differing(choice: Choice, parameters: list[dict[str, Scalar]]) -> list[str]:
    return [
        f"{key}={spell(value)}"
        for key, value in choice.parameters.items()
        if any(key not in other or other[key] != value for other in parameters)
    ]
