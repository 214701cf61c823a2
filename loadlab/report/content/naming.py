"""How reports name cases: a server mode and a strategy, in as few words as tell them apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadlab.model.case import Choice, spell
from loadlab.report.content import wording

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Findings, Verdict

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
    """Names for the cases of one run; the scenario and the users are named only where they differ."""

    name_scenario: bool
    name_users: bool

    @classmethod
    def of(cls, findings: Findings) -> Naming:
        cases = [arm.case for arm in findings.arms]
        return cls(
            name_scenario=len({case.scenario for case in cases}) > 1,
            name_users=len({case.users for case in cases}) > 1,
        )

    def mode(self, case: Case) -> Mode:
        parameters = [f"{name}={spell(value)}" for name, value in case.server.parameters.items()]
        load = self._load(case.scenario, case.users, keep_alive=case.keep_alive)
        return Mode(server=case.server.name, detail=", ".join([*parameters, *load]))

    def mode_of_verdict(self, verdict: Verdict) -> Mode:
        load = self._load(verdict.scenario, verdict.users, keep_alive=verdict.keep_alive)
        return Mode(server=verdict.server, detail=", ".join(load))

    def case(self, case: Case) -> str:
        replica = ", measured again" if case.replica else ""
        return f"{self.mode(case)}, {strategy(case.strategy)}{replica}"

    def _load(self, scenario: str, users: int, *, keep_alive: bool) -> list[str]:
        parts = [wording.keep_alive(keep_alive)]
        if self.name_scenario:
            parts.append(scenario)
        if self.name_users:
            parts.append(wording.plural(users, "user"))
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
