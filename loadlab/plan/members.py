"""Server modes and strategies of a plan: their parameters, what they are built of, and which of them work together."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

from loadlab.errors import UsageError
from loadlab.faults import FAULTS
from loadlab.model.case import Case
from loadlab.model.config import Config, Scalar
from loadlab.model.drivers import DRIVERS
from loadlab.model.plan import Plan
from loadlab.model.planned_fault import PlannedFault
from loadlab.model.strategy import ServerTraits
from loadlab.plan.problems import EMPTY, Problem, checked, one_of
from loadlab.servers import SERVERS, Server
from loadlab.strategies import STRATEGIES, Strategy
from loadlab.workers import WORKERS, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.plan import Several
    from loadlab.registry import Family

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Incompatible:
    """A strategy that cannot work in a server mode of the plan, and why; or a `fault` that cannot be applied there."""

    server: Config
    strategy: Config
    why: str
    fault: PlannedFault | None = None

    def __str__(self) -> str:
        what = f"{self.fault} with {self.strategy.name}" if self.fault else self.strategy.name
        return f"{what} in {self.server.name}: {self.why}"


def config_of(family: Family[Any], name: str, parameters: dict[str, Scalar], where: str) -> Config:
    """One member with the given parameters, the others at their defaults.

    Raises:
        UsageError: naming every problem.
    """
    problems: list[Problem] = []
    made = configs(family, {name: parameters}, where, problems)
    if problems:
        named = (replace(problem, where=_option(where, problem.where.rpartition(".")[2])) for problem in problems)
        raise UsageError("\n".join(map(str, named)))
    return made[0]


def _option(option: str, key: str) -> str:
    """An option with the parameter that is wrong, unless the option is named after it."""
    return option if option == f"--{key.replace('_', '-')}" else f"{option} {key}"


def configs(
    family: Family[Any], table: object, where: str, problems: list[Problem], file: type[Any] = Plan
) -> list[Config]:
    """Every combination of every member's parameters; what is wrong with them goes to `problems`."""
    made: list[Config] = []
    for name, parameters in _known(family, table, where, problems):
        if isinstance(parameters, dict):
            problems += (
                Problem(where=f"{where}.{name}.{key}", what="is empty", remedy=EMPTY)
                for key, value in parameters.items()
                if value == []
            )
            for combination in _combinations({key: value for key, value in parameters.items() if value != []}):
                member = checked(
                    family[name], combination, f"{where}.{name}", problems, refused=_refused(family[name]), file=file
                )
                if member is not None:
                    values = {field.name: getattr(member, field.name) for field in fields(member)}
                    made.append(Config(name=name, parameters=values))
    return made


def members(family: Family[T], table: object, where: str, problems: list[Problem], file: type[Any]) -> list[T]:
    """A member of each table, or of each in a list of tables; nothing is swept. What is wrong goes to `problems`."""
    made: list[T] = []
    for name, tables in _known(family, table, where, problems):
        for parameters in tables if isinstance(tables, list) else [tables]:
            member = checked(
                family[name], parameters, f"{where}.{name}", problems, refused=_refused(family[name]), file=file
            )
            if member is not None:
                made.append(member)
    return made


def _known(family: Family[Any], table: object, where: str, problems: list[Problem]) -> Iterable[tuple[str, object]]:
    """The members that a table names, with what it says of each."""
    for name, said in (table if isinstance(table, dict) else {}).items():
        if name in family:
            yield name, said
        else:
            problems.append(
                Problem(where=f"{where}.{name}", what=f"unknown {family.noun}", remedy=one_of(family, name))
            )


def _combinations(parameters: dict[str, Several]) -> Iterable[dict[str, Scalar]]:
    swept = [value if isinstance(value, list) else [value] for value in parameters.values()]
    return (dict(zip(parameters, values, strict=True)) for values in itertools.product(*swept))


def _refused(member: type[Any]) -> Mapping[str, str]:
    """What a member says of parameters that it does not have."""
    refused: Mapping[str, str] = getattr(member, "refused", {})
    return refused


def chosen_servers(plan: Plan) -> list[Config]:
    """The server modes of a plan, with every combination of their parameters; those with problems are left out."""
    return configs(SERVERS, plan.servers, "servers", [])


def chosen_strategies(plan: Plan) -> list[Config]:
    """The strategies of a plan, with every combination of their parameters; those with problems are left out."""
    return configs(STRATEGIES, plan.strategies, "strategies", [])


def build_server(config: Config) -> Server:
    return SERVERS[config.name](**config.parameters)


def build_worker(config: Config) -> Worker:
    return WORKERS[config.name](**config.parameters)


def build_strategy(config: Config) -> Strategy:
    return STRATEGIES[config.name](**config.parameters)


def faults_of(plan: Plan) -> list[Config]:
    """The faults that a checked plan applies to every trial."""
    return configs(FAULTS, plan.faults, "faults", [])


def server_traits(config: Config, driver: str) -> ServerTraits:
    """What a strategy is told of a server mode."""
    server = build_server(config)
    return ServerTraits(
        server=config.name,
        driver=driver,
        processes=server.processes(),
        hooks=server.hooks,
        asgi=server.asgi,
        greenlets=server.runs_greenlets(),
        single_process=server.single_process,
        in_event_loop=server.in_event_loop,
        closes_responses=server.closes_responses,
        runs_exit_hooks=server.runs_exit_hooks,
        recycle_option=server.recycle_option(),
    )


def driver_for(server: Config, strategy: Config) -> str | None:
    """The first of Django's drivers for PostgreSQL with which they work together; None where there is none."""
    for driver in DRIVERS:
        alone = build_server(server).incompatible(driver)
        if alone is None and build_strategy(strategy).incompatible(server_traits(server, driver)) is None:
            return driver
    return None


def incompatible_pairs(plan: Plan, driver: str) -> list[Incompatible]:
    """The server modes and strategies of a checked plan that cannot work together with `driver`."""
    return list(incompatible_between(chosen_servers(plan), chosen_strategies(plan), driver))


def incompatible_between(
    servers: Sequence[Config], strategies: Sequence[Config], driver: str
) -> Iterable[Incompatible]:
    for server, strategy in itertools.product(servers, strategies):
        why = build_strategy(strategy).incompatible(server_traits(server, driver))
        if why is not None:
            yield Incompatible(server=server, strategy=strategy, why=why)


def fit_nowhere(
    strategies: Sequence[Config], servers: Sequence[Config], left_out: Sequence[Incompatible]
) -> Iterable[Problem]:
    for strategy in strategies:
        reasons = [one.why for one in left_out if one.strategy == strategy]
        if len(reasons) == len(servers):
            yield Problem(
                where=f"strategies.{strategy.name}",
                what="fits no server mode of the plan",
                remedy="; ".join(dict.fromkeys(reasons)),
            )


def usable_connections(server: Config, strategy: Config, users: int) -> int:
    """The most connections that are open to some use: what the mode can use at once, or its strategy holds ready."""
    usable = build_server(server).usable_connections(users)
    return build_strategy(strategy).most_connections(usable, server_traits(server, ""))


def connections_wanted(case: Case) -> int:
    """The most connections to PostgreSQL that a case has a use for: its own, or those of the pooler before it."""
    usable = case.usable_connections or 0
    pooling = build_strategy(case.strategy).pooling()
    return min(pooling.pool_size, usable) if pooling else usable
