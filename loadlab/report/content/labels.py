"""How reports name cases: a server mode and a strategy, in as few words as tell them apart."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from loadlab.model.case import Config, load_words, spell
from loadlab.model.naming import distinct_names
from loadlab.report import numbers
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.findings import DistanceEffect, Findings, Verdict

Tone = Literal["zero", "finite", "unlimited", "other"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Mode:
    """A row of the matrix: the server mode as plans name it, and as people call it (`title`).

    `detail` is what tells it from the others of the run, `shared` what it has in common with all of them.
    """

    server: str
    title: str
    detail: str
    shared: str

    def __str__(self) -> str:
        return f"{self.title} ({self.detail})" if self.detail else self.title

    @property
    def circumstances(self) -> str:
        """All of it, what varies first."""
        return ", ".join(filter(None, (self.detail, self.shared)))


@dataclass(frozen=True, kw_only=True, slots=True)
class Naming:
    """Names for the cases of one run: what all cases have in common is left out of them.

    `varied` are the parameters of each server mode that it was measured with several values of. `strategies` are the
    short names of a run that has more than CONN_MAX_AGE, by their full names.
    """

    name_keep_alive: bool
    name_scenario: bool
    name_amount: bool
    name_distance: bool
    varied: Mapping[str, frozenset[str]]
    strategies: Mapping[str, str]

    @classmethod
    def of(cls, findings: Findings) -> Naming:
        return cls.of_cases([arm.case for arm in findings.arms])

    @classmethod
    def of_cases(cls, cases: Sequence[Case]) -> Naming:
        others = any(case.strategy.name != "max_age" for case in cases)
        return cls(
            name_keep_alive=len({case.keep_alive for case in cases}) > 1,
            name_scenario=len({case.scenario for case in cases}) > 1,
            name_amount=len({(case.users, case.open_load) for case in cases}) > 1,
            name_distance=any(case.round_trip_ms for case in cases),
            varied=_varied(case.server for case in cases),
            strategies=distinct_names(case.strategy for case in cases) if others else {},
        )

    def mode(self, case: Case) -> Mode:
        telling = self.varied.get(case.server.name, frozenset())
        parameters = {f"{name}={spell(value)}": name in telling for name, value in case.server.parameters.items()}
        return _mode(case.server.name, parameters | self._load(case, case.round_trip_ms))

    def mode_of_verdict(self, verdict: Verdict) -> Mode:
        return _mode(verdict.server, self._load(verdict, verdict.round_trip_ms))

    def mode_of_distances(self, effect: DistanceEffect) -> Mode:
        """Without a distance: it is about all of them."""
        return _mode(effect.server, self._load(effect, None))

    def case(self, case: Case) -> str:
        replica = ", measured again" if case.replica else ""
        return f"{self.mode(case)}, {self.strategy(case.strategy)}{replica}"

    def strategy(self, choice: Config) -> str:
        """As a column is headed: by its age alone where the run has nothing but CONN_MAX_AGE."""
        if not self.strategies:
            return strategy(choice)
        if choice.name != "max_age":
            return self.strategies.get(str(choice), str(choice))
        return plain_setting(choice)

    def _load(self, of: Case | Verdict | DistanceEffect, round_trip_ms: float | None) -> dict[str, bool]:
        """Each fact in words, and whether it tells cases apart."""
        parts = {
            numbers.keep_alive(of.keep_alive): self.name_keep_alive,
            of.scenario: self.name_scenario,
            load_words(of.users, of.open_load): self.name_amount,
        }
        if self.name_distance and round_trip_ms is not None:
            parts[numbers.added_latency(round_trip_ms)] = True
        return parts


def title(server: str) -> str:
    """What people call a server mode; its own name where it is none of ours. Parameters stay.

    >>> title("sync"), title("sync,workers=3"), title("our staging")
    ('gunicorn sync', 'gunicorn sync,workers=3', 'our staging')
    """
    name, comma, parameters = server.partition(",")
    known = SERVERS[name].title if name in SERVERS else ""
    return (known or name) + comma + parameters


def _mode(server: str, facts: Mapping[str, bool]) -> Mode:
    telling = [fact for fact, tells in facts.items() if tells]
    shared = [fact for fact, tells in facts.items() if not tells]
    return Mode(server=server, title=title(server), detail=", ".join(telling), shared=", ".join(shared))


def _varied(servers: Iterable[Config]) -> dict[str, frozenset[str]]:
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for server in servers:
        for name, value in server.parameters.items():
            seen[server.name][name].add(spell(value))
    return {
        server: frozenset(name for name, values in parameters.items() if len(values) > 1)
        for server, parameters in seen.items()
    }


def tone(choice: Config) -> Tone:
    """Which of the fixed colours a strategy wears in every table and chart."""
    if choice.name != "max_age":
        return "other"
    max_age = choice.parameters.get("max_age", 0)
    if max_age is None:
        return "unlimited"
    return "finite" if max_age else "zero"


def strategy(choice: Config) -> str:
    """A strategy as a column is headed: its age alone where it is nothing but CONN_MAX_AGE."""
    max_age = choice.parameters.get("max_age", 0)
    if choice.name != "max_age" or isinstance(max_age, str):
        return str(choice)
    checks = ", health checks" if choice.parameters.get("conn_health_checks") else ""
    return numbers.age_heading(max_age) + checks


def plain_setting(choice: Config) -> str:
    """CONN_MAX_AGE as settings spell it, beside strategies that are more than that."""
    max_age = choice.parameters.get("max_age", 0)
    if isinstance(max_age, str):
        return str(choice)
    checks = " with health checks" if choice.parameters.get("conn_health_checks") else ""
    return numbers.max_age_setting(max_age) + checks
