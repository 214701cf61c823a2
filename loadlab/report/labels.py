"""How reports name cases: a server mode and a strategy, in as few words as tell them apart."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Final, Literal

from loadlab.model.condition import CIRCUMSTANCES, FACTORS, IN_WORDS, varying
from loadlab.model.config import Config, spell
from loadlab.model.labels import condition_label, strategy_names
from loadlab.report import numbers
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from loadlab.model.case import Case
    from loadlab.model.condition import Condition, Factor, Variation
    from loadlab.model.findings import Findings

Tone = Literal["zero", "finite", "unlimited", "other"]
# What a name may leave out where it makes no difference: first all of it, then the added latency alone.
WIDER: Final[tuple[tuple[Factor, ...], ...]] = (
    CIRCUMSTANCES,
    ("round_trip_ms",),
)


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
class Labels:
    """Names for the cases of one run: what all cases have in common is left out of them.

    `among` is what varies, `groups` are all conditions that have a verdict, and `unusual` are the factors that some
    case changes although most runs leave them alone, such as an added latency. `strategies` are the short names of a
    run that has more than CONN_MAX_AGE. `metric` is the primary one.
    """

    among: Variation
    groups: tuple[Condition, ...]
    unusual: frozenset[Factor]
    strategies: Mapping[Config, str]
    metric: str = "throughput"

    @classmethod
    def of(cls, findings: Findings) -> Labels:
        return cls.of_cases([arm.case for arm in findings.arms], findings.run.primary_metric)

    @classmethod
    def of_cases(cls, cases: Sequence[Case], metric: str = "throughput") -> Labels:
        others = any(case.strategy.name != "max_age" for case in cases)
        return cls(
            among=varying(cases),
            groups=tuple(dict.fromkeys(case.group for case in cases if case.fault is None)),
            unusual=frozenset(name for name in IN_WORDS if any(case.changes(name) for case in cases)),
            strategies=strategy_names(case.strategy for case in cases) if others else {},
            metric=metric,
        )

    @property
    def has_others(self) -> bool:
        """Whether the run has strategies besides CONN_MAX_AGE."""
        return bool(self.strategies)

    @property
    def zero(self) -> str:
        """What the baseline is called within a sentence."""
        return numbers.max_age_setting(0) if self.has_others else numbers.age_heading(0)

    def mode(self, condition: Condition) -> Mode:
        """Of a condition without a server mode, its load alone."""
        server = condition.server or Config(name="")
        telling = self.among.of("server", server)
        parameters = {f"{name}={spell(value)}": name in telling for name, value in server.parameters.items()}
        facts = parameters | self._load(condition)
        told = [fact for fact, tells in facts.items() if tells]
        shared = [fact for fact, tells in facts.items() if not tells]
        return Mode(server=server.name, title=title(server.name), detail=", ".join(told), shared=", ".join(shared))

    def case(self, case: Case) -> str:
        replica = ", measured again" if case.replica else ""
        return f"{self.mode(case)}, {self.strategy(case.strategy)}{replica}"

    def strategy(self, config: Config) -> str:
        """As a column is headed: by its age alone where the run has nothing but CONN_MAX_AGE."""
        if not self.strategies:
            return strategy(config)
        if config.name != "max_age":
            return self.strategies.get(config, str(config))
        return plain_setting(config)

    def arm(self, case: Case) -> str:
        """A case within a sentence about its group: its age alone, e.g. "60 s with health checks", or its strategy."""
        return self.within_group(case.strategy)

    def within_group(self, config: Config) -> str:
        """The same by its strategy."""
        return self.strategy(config) if self.has_others else plain_age(config)

    def condition(self, condition: Condition) -> str:
        """In words, what tells it from the others of the run, e.g. "gevent with keep-alive on"."""
        return condition_label(condition, self.among)

    def conditions(self, chosen: Collection[Condition]) -> str:
        """Several, those of a whole server mode, or with any added latency, in one; empty for none."""
        names = dict.fromkeys(self._widest(one, chosen) for one in chosen)
        return numbers.listed(list(names)) if names else ""

    def _widest(self, condition: Condition, chosen: Collection[Condition]) -> str:
        """The shortest true name: without the factors that make no difference to whether a group is chosen."""
        for factors in WIDER:
            wide = condition.without(*factors)
            if all(one in chosen for one in self.groups if one.without(*factors) == wide):
                return self.condition(wide)
        return self.condition(condition)

    def _load(self, of: Condition) -> dict[str, bool]:
        """Each factor in words, and whether it tells cases apart."""
        said = [name for name in IN_WORDS if of.values(name) and (FACTORS[name].unsaid is None or name in self.unusual)]
        return {of.words(name): name in self.among.factors or FACTORS[name].unsaid is not None for name in said}


def title(server: str) -> str:
    """What people call a server mode; its own name where it is none of ours.

    >>> title("sync"), title("our staging")
    ('gunicorn sync', 'our staging')
    """
    return (SERVERS[server].title if server in SERVERS else "") or server


def tone(config: Config) -> Tone:
    """Which of the fixed colours a strategy wears in every table and chart."""
    if config.name != "max_age":
        return "other"
    max_age = config.parameters.get("max_age", 0)
    if max_age is None:
        return "unlimited"
    return "finite" if max_age else "zero"


def strategy(config: Config) -> str:
    """A strategy as a column is headed: its age alone where it is nothing but CONN_MAX_AGE."""
    max_age = config.parameters.get("max_age", 0)
    if config.name != "max_age" or isinstance(max_age, str):
        return str(config)
    checks = ", health checks" if config.parameters.get("conn_health_checks") else ""
    return numbers.age_heading(max_age) + checks


def plain_age(config: Config) -> str:
    """CONN_MAX_AGE within a sentence, e.g. "60 s with health checks"."""
    max_age = config.parameters.get("max_age", 0)
    if isinstance(max_age, str):
        return str(config)
    age = numbers.age(max_age) if max_age != 0 else numbers.age_heading(0)
    return age + (" with health checks" if config.parameters.get("conn_health_checks") else "")


def plain_setting(config: Config) -> str:
    """CONN_MAX_AGE as settings spell it, beside strategies that are more than that."""
    max_age = config.parameters.get("max_age", 0)
    if isinstance(max_age, str):
        return str(config)
    checks = " with health checks" if config.parameters.get("conn_health_checks") else ""
    return numbers.max_age_setting(max_age) + checks


def short(strategy: Config) -> str:
    """A strategy with those of its parameters that are not as they would be by themselves."""
    kind = STRATEGIES[strategy.name]
    defaults = {field.name: field.default for field in fields(kind) if field.default is not MISSING}
    said = [
        f"{key}={spell(value)}"
        for key, value in strategy.parameters.items()
        if key == strategy.name or defaults.get(key, MISSING) != value
    ]
    return ", ".join(said if strategy.name in strategy.parameters else [strategy.name, *said])
