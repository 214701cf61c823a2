"""Names for the cases of one run: what all of them have in common is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.model.condition import IN_WORDS, Condition, varying
from loadlab.model.config import spell

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.case import Case
    from loadlab.model.condition import Variation
    from loadlab.model.config import Config


def strategy_names(strategies: Iterable[Config]) -> dict[Config, str]:
    """Each strategy's short name: bare, or with the parameters in which it differs from its namesakes.

    >>> from loadlab.model.config import Config
    >>> small, large = (Config(name="pool", parameters={"min_size": 1, "max_size": size}) for size in (4, 16))
    >>> list(strategy_names([small, large]).values()), list(strategy_names([small]).values())
    (['pool, max_size=4', 'pool, max_size=16'], ['pool'])
    """
    chosen = list(dict.fromkeys(strategies))
    among = varying(Condition(strategy=strategy) for strategy in chosen)
    return {
        strategy: ", ".join(
            [strategy.name, *(f"{key}={spell(strategy.parameters[key])}" for key in among.of("strategy", strategy))]
        )
        for strategy in chosen
    }


def short_names(cases: Sequence[Case]) -> dict[Case, str]:
    """Each case's short name: server mode and strategy, and what else differs between the cases.

    >>> from loadlab.model.case import Case
    >>> from loadlab.model.config import Config
    >>> server = Config(name="gthread", parameters={"workers": 2, "threads": 4})
    >>> aged = [Config(name="max_age", parameters={"max_age": age}) for age in (0, None)]
    >>> load = {"scenario": "read_one", "users": 8, "keep_alive": False, "usable_connections": 8}
    >>> list(short_names([Case(server=server, strategy=strategy, **load) for strategy in aged]).values())
    ['gthread/max_age=0', 'gthread/max_age=none']
    """
    among = varying(cases)
    names = {case: case.label(among) + ("/replica" if case.replica else "") for case in cases}
    return names if len(set(names.values())) == len(names) else {case: case.id for case in cases}


def server_label(condition: Condition, among: Variation) -> str:
    """The server mode's bare name; with all its parameters where the run has it with several."""
    server = condition.server
    if server is None:
        return ""
    return str(server) if among.of("server", server) else server.name


def condition_label(condition: Condition, among: Variation) -> str:
    """In words, what tells this condition from the others of the run, e.g. "gevent with keep-alive on"."""
    details = list(filter(None, (condition.phrase(name) for name in IN_WORDS if name in among.factors)))
    name = server_label(condition, among)
    return f"{name} with {', '.join(details)}" if details else name
