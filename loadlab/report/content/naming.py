"""How reports name cases: a server mode and a strategy, in as few words as tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadlab.model.case import Choice, load_words, spell
from loadlab.model.naming import distinct_names
from loadlab.report.content import wording

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.model.case import Case
    from loadlab.model.findings import DistanceEffect, Findings, Verdict

Tone = Literal["zero", "finite", "unlimited", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """A row of the matrix: the server mode's name, and what else tells it from the others."""

    server: str
    detail: str

    def __str__(self) -> str:
        return f"{self.server} ({self.detail})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """Names for the cases of one run; scenario, users and distance are named only where they differ.

    `strategies` are the short names of a run that has more than CONN_MAX_AGE, by their full names.
    """

    name_scenario: bool
    name_amount: bool
    name_distance: bool
    strategies: Mapping[str, str]

    @classmethod
    def of(cls, findings: Findings) -> Naming:
        cases = [arm.case for arm in findings.arms]
        others = any(case.strategy.name != "max_age" for case in cases)
        return cls(
            name_scenario=len({case.scenario for case in cases}) > 1,
            name_amount=len({(case.users, case.open_load) for case in cases}) > 1,
            name_distance=any(case.round_trip_ms for case in cases),
            strategies=distinct_names(case.strategy for case in cases) if others else {},
        )

    def mode(self, case: Case) -> Mode:
        parameters = [f"{name}={spell(value)}" for name, value in case.server.parameters.items()]
        load = self._load(case, case.round_trip_ms)
        return Mode(server=case.server.name, detail=", ".join([*parameters, *load]))

    def mode_of_verdict(self, verdict: Verdict) -> Mode:
        load = self._load(verdict, verdict.round_trip_ms)
        return Mode(server=verdict.server, detail=", ".join(load))

    def mode_of_distances(self, effect: DistanceEffect) -> Mode:
        """Without a distance: it is about all of them."""
        load = self._load(effect, None)
        return Mode(server=effect.server, detail=", ".join(load))

    def case(self, case: Case) -> str:
        replica = ", measured again" if case.replica else ""
        return f"{self.mode(case)}, {self.strategy(case.strategy)}{replica}"

    def strategy(self, choice: Choice) -> str:
        """As a column is headed: by its age alone where the run has nothing but CONN_MAX_AGE."""
        if not self.strategies:
            return strategy(choice)
        if choice.name != "max_age":
            return self.strategies.get(str(choice), str(choice))
        return plain_setting(choice)

    def _load(self, of: Case | Verdict | DistanceEffect, round_trip_ms: float | None) -> list[str]:
        parts = [wording.keep_alive(of.keep_alive)]
        if self.name_scenario:
            parts.append(of.scenario)
        if self.name_amount:
            parts.append(load_words(of.users, of.open_load))
        if self.name_distance and round_trip_ms is not None:
            parts.append(wording.distance(round_trip_ms))
        return parts


def tone(choice: Choice) -> Tone:
    """Which of the fixed colours a strategy wears in every table and chart."""
    if choice.name != "max_age":
        return "other"
    max_age = choice.parameters.get("max_age", 0)
    if max_age is None:
        return "unlimited"
    return "finite" if max_age else "zero"


def strategy(choice: Choice) -> str:
    """A strategy as a column is headed: its age alone where it is nothing but CONN_MAX_AGE."""
    max_age = choice.parameters.get("max_age", 0)
    if choice.name != "max_age" or isinstance(max_age, str):
        return str(choice)
    checks = ", health checks" if choice.parameters.get("conn_health_checks") else ""
    return wording.age(max_age) + checks


def plain_setting(choice: Choice) -> str:
    """CONN_MAX_AGE as settings spell it, beside strategies that are more than that."""
    max_age = choice.parameters.get("max_age", 0)
    if isinstance(max_age, str):
        return str(choice)
    checks = " with health checks" if choice.parameters.get("conn_health_checks") else ""
    return f"CONN_MAX_AGE = {wording.python_number(max_age)}{checks}"
