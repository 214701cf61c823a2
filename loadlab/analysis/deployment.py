"""The members of the families that a case names, and where its strategy is at work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.plan.members import build_server, build_strategy, server_traits

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.config import Config
    from loadlab.model.strategy import ServerTraits
    from loadlab.servers import Server
    from loadlab.strategies import Strategy

# A record may be older than a family: a member or a parameter that was removed must not keep a run from being read.
_UNKNOWN = (KeyError, TypeError, ValueError)


def strategy_of(config: Config) -> Strategy | None:
    """None for one that this version does not know."""
    try:
        return build_strategy(config)
    except _UNKNOWN:
        return None


def server_of(config: Config) -> Server | None:
    """None for one that this version does not know."""
    try:
        return build_server(config)
    except _UNKNOWN:
        return None


def where(case: Case, driver: str) -> ServerTraits | None:
    """What the case's strategy is told of its server mode; None where this version does not know that mode."""
    return server_traits(case.server, driver) if server_of(case.server) else None


def processes_of(case: Case) -> int | None:
    """How many processes serve, e.g. gunicorn's workers."""
    server = server_of(case.server)
    return server.processes() if server else None
