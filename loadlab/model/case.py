"""What one trial measures: a server mode, a strategy, a scenario and a load, all spelt out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Scalar = bool | int | float | str | None
# In place of a server mode: the target is served by others, as they have set it up.
ELSEWHERE: Final = "elsewhere"


def spell(value: Scalar) -> str:
    """A parameter's value as case ids and reports write it.

    >>> spell(None), spell(True), spell(60.0), spell(0.5)
    ('none', 'on', '60', '0.5')
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A member of a family with every parameter given, e.g. gthread with workers=2 and threads=4."""

    name: str
    parameters: dict[str, Scalar] = field(default_factory=dict)

    def __str__(self) -> str:
        pairs = [f"{key}={spell(value)}" for key, value in self.parameters.items()]
        # A parameter named after its member says both at once: "max_age=60", not "max_age,max_age=60".
        named = self.name in self.parameters
        return ",".join(pairs if named else [self.name, *pairs])


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenLoad:
    """Tasks that start on a schedule, `rate` a second, whether or not earlier ones have ended."""

    rate: float
    arrivals: Literal["poisson", "uniform"]

    def __str__(self) -> str:
        return f"rate={spell(self.rate)}/s,{self.arrivals}"


def load_words(users: int, open_load: OpenLoad | None) -> str:
    """How much load, as a report says it.

    >>> load_words(1, None), load_words(64, OpenLoad(rate=200.0, arrivals="poisson"))
    ('1 user', '200/s, poisson')
    """
    if open_load is None:
        return f"{users:,} user{'' if users == 1 else 's'}"
    return f"{spell(open_load.rate)}/s, {open_load.arrivals}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One server mode × one strategy × one scenario × load × client keep-alive.

    `users` send their next request when they have the answer to the last; under an `open_load` they are the most
    tasks that may be under way at once.

    `usable_connections` is the most connections that this mode can use at once under this load: what is open
    beyond it serves nobody. It is None where the target is served elsewhere, and nobody has said.
    `round_trip_ms` is how far away the database is put, 0 meaning as near as it is.
    `replica` marks the A/A arm: the same case again, to show the noise floor.
    """

    server: Config
    strategy: Config
    scenario: str
    users: int
    keep_alive: bool
    usable_connections: int | None
    round_trip_ms: float = 0.0
    replica: bool = False
    open_load: OpenLoad | None = None

    @property
    def id(self) -> str:
        load = f"{self.amount},keep_alive={spell(self.keep_alive)}"
        if self.round_trip_ms:
            load += f",round_trip_ms={spell(self.round_trip_ms)}"
        parts = [str(self.server), str(self.strategy), self.scenario_name, load]
        return "/".join([*parts, "replica"] if self.replica else parts)

    @property
    def amount(self) -> str:
        """How much load, as the id spells it."""
        return f"{self.open_load},outstanding={self.users}" if self.open_load else f"users={self.users}"

    @property
    def scenario_name(self) -> str:
        """Of a file of the user's own, its name: where it is would fill the line."""
        return self.scenario.rpartition("/")[2].removesuffix(".py")

    @property
    def elsewhere(self) -> bool:
        """Whether others serve the target: then the strategy is what they call their settings."""
        return self.server.name == ELSEWHERE

    @property
    def closes_each_request(self) -> bool:
        """Whether this is what others are compared with: Django's own CONN_MAX_AGE = 0."""
        return self.strategy.name == "max_age" and self.max_age == 0

    @property
    def max_age(self) -> float | None:
        """CONN_MAX_AGE in seconds; None means unlimited. Zero for strategies that do not set it."""
        value = self.strategy.parameters.get("max_age", 0)
        if value is None or isinstance(value, int | float):
            return value
        raise TypeError(f"max_age of {self.id} is {value!r}")
