"""The circumstances of a measurement: everything that is chosen before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from loadlab.model.config import Config, spell

Factor = Literal["server", "strategy", "scenario", "load", "keep_alive", "round_trip_ms"]
FACTORS: Final[tuple[Factor, ...]] = get_args(Factor)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLoad:
    """Tasks that start on a schedule, `rate` a second, whether or not earlier ones have ended."""

    rate: float
    arrivals: Literal["poisson", "uniform"]

    def __str__(self) -> str:
        return f"rate={spell(self.rate)}/s,{self.arrivals}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Server mode, strategy, scenario, load, client keep-alive and added latency; None where a factor is left out.

    `users` send their next request when they have the answer to the last. Under an `open_load` they are the most
    tasks that may be under way at once. `round_trip_ms` is added to each round trip to the database.

    Two measurements are comparable where their conditions are equal `without` the factor in question:

    >>> closing, keeping = (
    ...     Condition(
    ...         server=Config(name="sync"),
    ...         strategy=Config(name="max_age", parameters={"max_age": age}),
    ...         scenario="read_one",
    ...         users=8,
    ...         keep_alive=False,
    ...         round_trip_ms=0.0,
    ...     )
    ...     for age in (0, 60)
    ... )
    >>> closing == keeping, closing.without("strategy") == keeping.without("strategy")
    (False, True)
    >>> varying([closing, keeping]).factors, keeping.label(varying([closing, keeping]))
    (frozenset({'strategy'}), 'sync/max_age=60')
    """

    server: Config | None = None
    strategy: Config | None = None
    scenario: str | None = None
    users: int | None = None
    keep_alive: bool | None = None
    round_trip_ms: float | None = None
    open_load: OpenLoad | None = None

    def without(self, *factors: Factor) -> Condition:
        """The same without these factors."""
        return Condition(
            server=None if "server" in factors else self.server,
            strategy=None if "strategy" in factors else self.strategy,
            scenario=None if "scenario" in factors else self.scenario,
            users=None if "load" in factors else self.users,
            keep_alive=None if "keep_alive" in factors else self.keep_alive,
            round_trip_ms=None if "round_trip_ms" in factors else self.round_trip_ms,
            open_load=None if "load" in factors else self.open_load,
        )

    def factor(self, name: Factor) -> Hashable:
        """The value of one factor; None where it is left out."""
        if name == "load":
            return None if self.users is None else (self.users, self.open_load)
        value: Hashable = getattr(self, name)
        return value

    @property
    def scenario_name(self) -> str:
        """The last part of the scenario's path: a user's own file has a long one."""
        return (self.scenario or "").rpartition("/")[2].removesuffix(".py")

    @property
    def amount(self) -> str:
        """How much load, as ids spell it."""
        return f"{self.open_load},outstanding={self.users}" if self.open_load else f"users={self.users}"

    def spelt(self, factor: Factor) -> str:
        """One factor as ids spell it; empty where it is left out."""
        if self.factor(factor) is None:
            return ""
        if factor == "scenario":
            return self.scenario_name
        if factor == "load":
            return self.amount
        value = getattr(self, factor)
        return str(value) if isinstance(value, Config) else f"{factor}={spell(value)}"

    def label(self, among: Variation) -> str:
        """Server mode and strategy, and what else varies among some conditions, as ids spell it.

        The parameters of a server mode or strategy are named where they vary.
        """
        configs = [among.spelt(role, config) for role, config in self.configs().items()]
        others: list[Factor] = [factor for factor in FACTORS[2:] if factor in among.factors]
        load = ",".join(filter(None, map(self.spelt, others)))
        return "/".join(filter(None, [*configs, load]))

    def configs(self) -> dict[Role, Config]:
        """Server mode and strategy, those that are not left out."""
        found: dict[Role, Config | None] = {"server": self.server, "strategy": self.strategy}
        return {role: config for role, config in found.items() if config is not None}


Role = Literal["server", "strategy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Variation:
    """What differs among some conditions: `factors`, and per role and member the `parameters` with several values."""

    factors: frozenset[Factor] = frozenset()
    parameters: Mapping[tuple[Role, str], frozenset[str]] = field(default_factory=dict)

    def of(self, role: Role, config: Config) -> list[str]:
        """The parameters that tell a server mode or strategy from its namesakes."""
        telling = self.parameters.get((role, config.name), frozenset())
        return [name for name in config.parameters if name in telling]

    def spelt(self, role: Role, config: Config) -> str:
        """Its name and its telling parameters, as ids spell them; the parameter that it is named after is always said.

        >>> pool = Config(name="pool", parameters={"min_size": 1, "max_size": 4})
        >>> aged = Config(name="max_age", parameters={"max_age": 60, "conn_health_checks": False})
        >>> Variation().spelt("strategy", pool), Variation().spelt("strategy", aged)
        ('pool', 'max_age=60')
        """
        said = {config.name, *self.of(role, config)}
        return config.spelt({name: value for name, value in config.parameters.items() if name in said})


def varying(conditions: Iterable[Condition]) -> Variation:
    """Which factors differ among these, and which parameters of the same server mode or strategy.

    A parameter differs where its spelling does, and where only some of its namesakes have it.
    """
    seen = list(conditions)
    values = {factor: {one.factor(factor) for one in seen} for factor in FACTORS}
    namesakes: dict[tuple[Role, str], set[Config]] = defaultdict(set)
    for one in seen:
        for role, config in one.configs().items():
            namesakes[role, config.name].add(config)
    return Variation(
        factors=frozenset(factor for factor in FACTORS if len(values[factor]) > 1),
        parameters={key: _telling(configs) for key, configs in namesakes.items()},
    )


def _telling(configs: Iterable[Config]) -> frozenset[str]:
    spelt = [{name: spell(value) for name, value in config.parameters.items()} for config in configs]
    return frozenset(name for one in spelt for name in one if len({other.get(name) for other in spelt}) > 1)
