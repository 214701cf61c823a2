"""What one trial measures: a condition, every factor of it spelt out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from loadlab.model.condition import CIRCUMSTANCES, THIS_SIDE, Condition, OpenLoad
from loadlab.model.config import Config
from loadlab.model.planned_fault import PlannedFault

# In place of a server mode, in schedules and reports: others serve the target, as they have set it up.
EXTERNAL: Final = "elsewhere"


@dataclass(frozen=True, kw_only=True, slots=True)
class Case(Condition):
    """A condition with every factor given.

    `usable_connections` is the most connections that this mode can use at once under this load: what is open beyond
    that serves no request. It is None for an external target whose plan does not say. `replica` marks the A/A arm: the
    same condition again, to show the noise floor. A case with a `fault` answers what that does; it is never compared
    with others for its speed. Its control is the same case without. `side` is "this", or the name of what the project
    is measured against.
    """

    server: Config
    strategy: Config
    scenario: str
    users: int
    keep_alive: bool
    usable_connections: int | None
    round_trip_ms: float = 0.0
    idle_percent: int = 0
    replica: bool = False
    open_load: OpenLoad | None = None
    fault: PlannedFault | None = None
    side: str = THIS_SIDE

    @property
    def id(self) -> str:
        """Every factor and every parameter, but for what is usual, such as an added latency of 0."""
        load = ",".join(self.spelt(name) for name in CIRCUMSTANCES[1:] if self.changes(name))
        parts = [str(self.server), str(self.strategy), self.scenario_name, load]
        return "/".join([*parts, "replica"] if self.replica else parts)

    @property
    def condition(self) -> Condition:
        """The same circumstances as those of its replica."""
        return self.without()

    @property
    def group(self) -> Condition:
        """The condition of one verdict: its cases differ in their strategy alone."""
        return self.without("strategy")

    @property
    def external(self) -> bool:
        """Whether others serve the target: then the strategy is their name for their settings."""
        return self.server.name == EXTERNAL

    @property
    def control(self) -> Case:
        """The same case without its fault; itself if it has none."""
        return self if self.fault is None else replace(self, fault=None)

    @property
    def is_this_side(self) -> bool:
        """Whether it measures the project itself, and not what that is held against."""
        return self.side == THIS_SIDE

    @property
    def competes(self) -> bool:
        """Whether its speed is a question: neither a replica nor a case with a fault is asked for that."""
        return self.fault is None and not self.replica

    @property
    def is_baseline(self) -> bool:
        """Whether others are compared with it: Django's own CONN_MAX_AGE = 0, measured for itself."""
        return self.closes_each_request and self.competes

    @property
    def is_candidate(self) -> bool:
        """Whether it is judged against closing after each request."""
        return not self.closes_each_request and self.competes

    @property
    def keeps_by_age(self) -> bool:
        """Whether CONN_MAX_AGE lets connections outlive their request here."""
        return self.is_candidate and self.strategy.name == "max_age"

    @property
    def closes_each_request(self) -> bool:
        """Whether its strategy is Django's own CONN_MAX_AGE = 0."""
        return self.strategy.name == "max_age" and self.max_age == 0

    @property
    def checks_health(self) -> bool:
        """Whether a parameter of its strategy says that connections are checked before use."""
        return self.strategy.parameters.get("conn_health_checks") is True

    @property
    def max_age(self) -> float | None:
        """CONN_MAX_AGE in seconds; None means unlimited. Zero for strategies that do not set it."""
        value = self.strategy.parameters.get("max_age", 0)
        if value is None or isinstance(value, int | float):
            return value
        raise TypeError(f"max_age of {self.id} is {value!r}")
