"""Reads `fleet.toml` into a consistent fleet. All problems are reported together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from loadlab.errors import UsageError
from loadlab.fleet.events import EVENTS
from loadlab.fleet.keeping import DRIVER, keeping, server_problem
from loadlab.fleet.traffic import TRAFFICS
from loadlab.model.fleet import Conditions, Extent, Scene, Spread
from loadlab.model.fleet_question import FleetQuestion
from loadlab.plan.members import configs, members
from loadlab.plan.parse import toml_data
from loadlab.plan.problems import Problem, checked, refusal
from loadlab.registry import member_name
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadlab.fleet.events.base import Event
    from loadlab.fleet.traffic.base import Traffic
    from loadlab.model.config import Config
    from loadlab.model.fleet import Application, Keeping, Rates

T = TypeVar("T")
SOURCES: Final = ("run", "watch", "application")
WHERE_MEASURED: Final = (
    "name a run folder with run, or a file of `loadlab watch --json` with watch; or estimate it in [application]"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fleet:
    """A consistent question, with its text and what its members are built of; `strategies` are what is compared.

    Paths in it are relative to `folder`.
    """

    question: FleetQuestion
    text: str
    folder: Path
    server: Config
    strategies: tuple[Config, ...]
    rates: Rates
    events: tuple[Event, ...] = ()

    @property
    def extent(self) -> Extent:
        return Extent(hosts=self.question.hosts, seconds=self.rates.seconds)

    def keeping(self, strategy: Config, application: Application) -> Keeping:
        """How connections live under one of the strategies.

        Where it was not measured how requests spread, any idle thread may serve, and no garbage is collected.
        """
        asked, spread = self.question, application.spreads.get(self.server.name, Spread())
        return keeping(self.server, strategy, spread, driver=asked.driver, shared_pooler=asked.pooler == "shared")

    def scene(self) -> Scene:
        """What one simulation of it needs."""
        asked, conditions = self.question, Conditions()
        for event in self.events:
            conditions = event.conditions(conditions)
        return Scene(
            hosts=asked.hosts,
            rates=self.rates,
            database=asked.database,
            balance=asked.balance,
            ends=tuple(end for event in self.events for end in event.ends(self.extent)),
            outages=tuple(outage for event in self.events for outage in event.outages(self.extent)),
            conditions=conditions,
        )


def read_fleet(text: str, source: str, folder: Path = Path()) -> Fleet:
    """The fleet that a TOML text describes.

    Raises:
        UsageError: naming every problem of it.
    """
    data, problems = toml_data(text, source), list[Problem]()
    question: FleetQuestion | None = checked(FleetQuestion, data, "", problems)
    known = question or _without(data, problems)
    servers = configs(SERVERS, data.get("server"), "server", problems, FleetQuestion)
    strategies = configs(STRATEGIES, data.get("strategies"), "strategies", problems, FleetQuestion)
    traffics = members(TRAFFICS, data.get("traffic"), "traffic", problems, FleetQuestion)
    events = members(EVENTS, data.get("events"), "events", problems, FleetQuestion)
    server, traffic = _only(servers, "server", problems), _only(traffics, "traffic", problems)
    problems += _source_problems(data)
    if server is not None:
        problems += _member_problems(server, strategies, DRIVER if known is None else known.driver)
    rates = None
    if known is not None:
        problems += _cross_problems(known, data)
        rates = _rates(traffic and traffic.beside(folder), known, problems)
        seconds = known.duration if rates is None else rates.seconds
        if seconds is not None:
            problems += _event_problems(events, Extent(hosts=known.hosts, seconds=seconds))
    if problems or question is None or server is None or rates is None:
        raise refusal(source, list(dict.fromkeys(problems)))
    return Fleet(
        question=question,
        text=text,
        folder=folder,
        server=server,
        strategies=tuple(strategies),
        rates=rates,
        events=tuple(events),
    )


def _without(data: Mapping[str, Any], problems: Iterable[Problem]) -> FleetQuestion | None:
    """The question without the keys that have problems; None where it needs one of them."""
    faulty = {problem.where.partition(".")[0] for problem in problems}
    known: FleetQuestion | None = checked(
        FleetQuestion, {key: value for key, value in data.items() if key not in faulty}, "", []
    )
    return known


def _only(made: Sequence[T], where: str, problems: list[Problem]) -> T | None:
    """The one that a fleet has; what is wrong with none has been said."""
    if len(made) > 1:
        remedy = "keep one, with one value of each parameter; ask for others in a file of their own"
        problems.append(Problem(where=where, what=f"a fleet has one, not {len(made)}", remedy=remedy))
    return made[0] if len(made) == 1 else None


def _source_problems(data: Mapping[str, Any]) -> Iterable[Problem]:
    said = [name for name in SOURCES if name in data]
    if not said:
        yield Problem(where="run", what="it is not said where the application was measured", remedy=WHERE_MEASURED)
    for other in said[1:]:
        yield Problem(where=other, what=f"the application comes from {said[0]} already", remedy="keep one of them")


def _cross_problems(question: FleetQuestion, data: Mapping[str, Any]) -> Iterable[Problem]:
    if question.hours is not None and question.seconds is not None:
        yield Problem(where="seconds", what="hours says it too", remedy="keep one of them")
    database = question.database
    if database.free < 1:
        what = f"leaves none of {database.max_connections} connections"
        remedy = f"set less than {database.max_connections}, or raise database.max_connections"
        yield Problem(where="database.reserved", what=what, remedy=remedy)
    if "pooler" in data and "pgbouncer" not in question.strategies:
        remedy = "add [strategies.pgbouncer], or remove it"
        yield Problem(where="pooler", what="there is none without the strategy pgbouncer", remedy=remedy)


def _rates(traffic: Traffic | None, question: FleetQuestion, problems: list[Problem]) -> Rates | None:
    if traffic is None:
        return None
    try:
        return traffic.rates(question.duration)
    except UsageError as error:
        problems.append(Problem(where=f"traffic.{member_name(traffic)}", what=str(error)))
        return None


def _member_problems(server: Config, strategies: Iterable[Config], driver: str) -> Iterable[Problem]:
    """A server mode, or strategies in it, that cannot be or are not modelled."""
    if (problem := server_problem(server, driver)) is not None:
        yield problem
        return
    seen: set[Config] = set()
    for strategy in strategies:
        where = f"strategies.{strategy.name}"
        if strategy in seen:
            yield Problem(where=where, what=f"{strategy} is there twice", remedy="remove the repeated value")
        seen.add(strategy)
        try:
            keeping(server, strategy, driver=driver)
        except UsageError as error:
            yield Problem(where=where, what=str(error).removeprefix(f"{strategy.name} "))


def _event_problems(events: Iterable[Event], extent: Extent) -> Iterable[Problem]:
    for event in events:
        for problem in event.problems(extent):
            yield replace(problem, where=f"events.{member_name(event)}.{problem.where}")
