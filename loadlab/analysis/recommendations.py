"""A strategy as it is recommended: the measured one, with health checks where it keeps connections."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.analysis.deployment import strategy_of, where
from loadlab.analysis.snippets import snippets
from loadlab.model.findings import Recommendation

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.config import Config
    from loadlab.model.findings import Arm
    from loadlab.model.strategy import ServerTraits
    from loadlab.strategies import Strategy

CHECKS = "conn_health_checks"


def recommendation(arm: Arm | None, driver: str) -> Recommendation | None:
    """What is kept needs health checks: else a database restart fails one request per open connection."""
    return recommended(arm.case, driver) if arm else None


def recommended(case: Case, driver: str) -> Recommendation:
    """The same by its case."""
    place = where(case, driver)
    config = _checked(case)
    strategy = strategy_of(config)
    checks = _needs_checks(case, strategy, place)
    return Recommendation(
        strategy=config.name,
        max_age=case.max_age,
        conn_health_checks=checks,
        parameters=config.parameters,
        case=case,
        snippets=snippets(strategy, place, checks=checks) if strategy and place else (),
    )


def _checked(case: Case) -> Config:
    """With its own parameter for health checks on, where it has one and keeps connections."""
    config = case.strategy
    closes = "max_age" in config.parameters and case.max_age == 0
    if CHECKS not in config.parameters or closes:
        return config
    return replace(config, parameters={**config.parameters, CHECKS: True})


def _needs_checks(case: Case, strategy: Strategy | None, place: ServerTraits | None) -> bool:
    if strategy is None or place is None:
        return case.max_age != 0 or case.checks_health
    database = strategy.changes(place).database
    return database.get("CONN_HEALTH_CHECKS") is True or database.get("CONN_MAX_AGE", 0) != 0
