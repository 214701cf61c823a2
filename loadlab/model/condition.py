"""The circumstances of a measurement: everything that is chosen before it begins."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal

from loadlab.model.config import Config, spell
from loadlab.model.planned_fault import PlannedFault
from loadlab.model.text import plural

Factor = Literal[
    "server", "strategy", "scenario", "load", "keep_alive", "round_trip_ms", "idle_percent", "fault", "side"
]
Role = Literal["server", "strategy"]
THIS_SIDE: Final = "this"  # the project as a plan names it, beside another side of the same run


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLoad:
    """Tasks that start on a schedule, `rate` a second, whether or not earlier ones have ended."""

    rate: float
    arrivals: Literal["poisson", "uniform"]

    def __str__(self) -> str:
        return f"rate={spell(self.rate)}/s,{self.arrivals}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FactorInfo:
    """All that the lab has to know of a factor beside its field in `Condition`, `Case` and `Plan`.

    `title` is what a comparison of runs calls it. `plan_key` lists its values in a plan, and `fields` of a condition
    hold them (default of both: its name). `words` say its value in a list, `phrase` within a sentence. `unsaid` is its
    usual value, which ids and reports leave out.
    """

    title: str
    plan_key: str = ""
    words: Callable[..., str] = str
    phrase: Callable[..., str] | None = None
    fields: tuple[str, ...] = ()
    unsaid: Hashable = None


def load_words(users: int, open_load: OpenLoad | None) -> str:
    """How much load, as a report says it.

    >>> load_words(1, None), load_words(64, OpenLoad(rate=200.0, arrivals="poisson"))
    ('1 user', '200/s, poisson')
    """
    if open_load is None:
        return plural(users, "user")
    return f"{spell(open_load.rate)}/s, {open_load.arrivals}"


# In the order of ids. A plain factor is one more row here, and a field of `Condition`, `Case` and `Plan`.
FACTORS: Final[Mapping[Factor, FactorInfo]] = {
    "server": FactorInfo(title="server mode"),
    "strategy": FactorInfo(title="strategy"),
    "scenario": FactorInfo(title="scenario", plan_key="scenarios"),
    "load": FactorInfo(title="load", fields=("users", "open_load"), words=load_words),
    "keep_alive": FactorInfo(title="client keep-alive", words=lambda on: f"keep-alive {spell(on)}"),
    "round_trip_ms": FactorInfo(
        title="round_trip_ms",
        words=lambda ms: f"round trip +{spell(ms)} ms",
        phrase=lambda ms: f"a round trip of +{spell(ms)} ms",
        unsaid=0.0,
    ),
    "idle_percent": FactorInfo(
        title="idle_percent",
        words=lambda percent: f"{percent} % held idle",
        phrase=lambda percent: f"{percent} % of max_connections held by idle connections",
        unsaid=0,
    ),
    "fault": FactorInfo(title="fault", plan_key="faults", words=lambda fault: fault.words),
    "side": FactorInfo(
        title="side",
        plan_key="against",
        words=lambda side: f"side {side}",
        phrase=lambda side: f"the side {side}",
        unsaid=THIS_SIDE,
    ),
}
CIRCUMSTANCES: Final[tuple[Factor, ...]] = tuple(name for name in FACTORS if name not in ("server", "strategy"))
# Reports say first how clients behave.
IN_WORDS: Final = tuple(sorted(CIRCUMSTANCES, key=lambda name: name != "keep_alive"))


def fields_of(name: Factor) -> tuple[str, ...]:
    """The fields of a condition that hold a factor."""
    return FACTORS[name].fields or (name,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """Server mode, strategy, scenario, load, client keep-alive and added latency; None where a factor is left out.

    `users` send their next request when they have the response to the last. Under an `open_load` they are the most
    tasks that may be under way at once. `round_trip_ms` is added to each round trip to the database. Idle connections
    of others hold `idle_percent` of PostgreSQL's max_connections. A `fault` comes at an instant of the window; None in
    a control too. `side` names the project where a run has two of it.

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
    idle_percent: int | None = None
    open_load: OpenLoad | None = None
    fault: PlannedFault | None = None
    side: str | None = None

    def without(self, *factors: Factor) -> Condition:
        """The same without these factors."""
        left_out = {field for name in factors for field in fields_of(name)}
        kept: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS if name not in left_out}
        return Condition(**kept)

    def values(self, name: Factor) -> tuple[Any, ...]:
        """The values of a factor's fields; none where it is left out."""
        found = tuple(getattr(self, field) for field in fields_of(name))
        return () if found[0] is None else found

    def factor(self, name: Factor) -> Hashable:
        """The value of one factor; None where it is left out."""
        found = self.values(name)
        return found if len(found) > 1 else next(iter(found), None)

    def changes(self, name: Factor) -> bool:
        """Whether a factor has another value than the one that is left unsaid."""
        return self.factor(name) not in (None, FACTORS[name].unsaid)

    def words(self, name: Factor) -> str:
        """One factor as reports say it, in a list; empty where it is left out."""
        found = self.values(name)
        return FACTORS[name].words(*found) if found else ""

    def phrase(self, name: Factor) -> str:
        """The same within a sentence."""
        found = self.values(name)
        say = FACTORS[name].phrase or FACTORS[name].words
        return say(*found) if found else ""

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
        return str(value) if isinstance(value, Config | PlannedFault) else f"{factor}={spell(value)}"

    def label(self, among: Variation) -> str:
        """Server mode and strategy, and what else varies among some conditions, as ids spell it.

        The parameters of a server mode or strategy are named where they vary.
        """
        configs = [among.spelt(role, config) for role, config in self.configs().items()]
        others = [factor for factor in CIRCUMSTANCES if factor in among.factors]
        load = ",".join(filter(None, map(self.spelt, others)))
        return "/".join(filter(None, [*configs, load]))

    def configs(self) -> dict[Role, Config]:
        """Server mode and strategy, those that are not left out."""
        found: dict[Role, Config | None] = {"server": self.server, "strategy": self.strategy}
        return {role: config for role, config in found.items() if config is not None}


_FIELDS: Final = tuple(one.name for one in fields(Condition))


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
