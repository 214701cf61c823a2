"""Random small fleets from a seed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeVar

import numpy as np

from loadlab.errors import UsageError
from loadlab.fleet.keeping import keeping
from loadlab.model.fleet_validation import Configuration, PlannedEvent
from loadlab.plan.members import build_server, config_of, driver_for
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from loadlab.model.config import Config, Scalar
    from loadlab.model.fleet import Balance
    from loadlab.model.plan import Several

    T = TypeVar("T")

AGES: Final = (0, 0.5, 1, 2, 4, 8, None)
STRATEGY_KINDS: Final = ("max_age", "max_age", "max_age", "pool", "pgbouncer")
LIMITS: Final = {"workers": 3, "threads": 4}  # from 1 up to so many
RATES: Final = (1.0, 200.0)
SECONDS: Final = (30.0, 120.0)
AMPLE: Final = 300  # where connections leak, up to a hundred are open
RESERVED: Final = 3  # superuser_reserved_connections, as PostgreSQL has it
LEAKING_LIMITS: Final = (20, 60)  # where PostgreSQL is to refuse some of the connections that leak
# CPU seconds of site, PostgreSQL, balancer and load together: of a request, and of opening its connection. The load of
# a configuration takes at most half of two cores, or a quarter where new servers boot beside it, so that the machine
# does not decide how fast it is answered: the model knows no CPU.
REQUEST_CPU: Final = 0.004
OPENING_CPU: Final = 0.007
MOST_CPU: Final = 0.5 * 2
MOST_CPU_WHILE_BOOTING: Final = 0.25 * 2


def configurations(first_seed: int, count: int, servers: Sequence[str]) -> list[Configuration]:
    """One configuration for each of `count` seeds from `first_seed` on; the same for the same seed and `servers`.

    Of as many seeds in a row as there are `servers`, each server mode has one, or two at the ends.
    """
    return [_configuration(number, first_seed + number, sorted(servers)) for number in range(count)]


def cpu_cores(configuration: Configuration) -> float:
    """How many cores its load is expected to keep busy."""
    return configuration.rate * _cpu(configuration.server, configuration.strategy)


def _configuration(number: int, seed: int, servers: Sequence[str]) -> Configuration:
    chance = np.random.default_rng([seed, 0])
    server = _server(chance, _turn(seed, servers))
    strategy = _strategy(chance, server)
    hosts = int(chance.integers(2, 5))
    rate = _log_uniform(chance, RATES)
    seconds = round(_log_uniform(chance, SECONDS), 1)
    max_connections = _max_connections(chance, hosts, server)
    balance: Balance = "random" if _happens(chance, 1 / 2) else "round_robin"
    events = _events(chance, seconds)
    boots = any(event.kind != "database_restart" for event in events)
    most = (MOST_CPU_WHILE_BOOTING if boots else MOST_CPU) / _cpu(server, strategy)
    return Configuration(
        number=number,
        seed=seed,
        hosts=hosts,
        server=server,
        strategy=strategy,
        rate=round(min(rate, most), 2),
        seconds=seconds,
        max_connections=max_connections,
        balance=balance,
        events=events,
    )


def _turn(seed: int, servers: Sequence[str]) -> str:
    """The server mode of a seed: each once in a block of seeds, in an order that is drawn for the block."""
    block, place = divmod(seed, len(servers))
    return servers[int(np.random.default_rng([block, 1]).permutation(len(servers))[place])]


def _server(chance: np.random.Generator, name: str) -> Config:
    """One that the model has: with its counted parameters, and as many workers and threads as are drawn."""
    known = SERVERS[name].__dataclass_fields__
    while True:
        parameters = {key: _one_of(chance, value) for key, value in SERVERS[name].counted.items()}
        drawn: Mapping[str, Scalar] = {key: int(chance.integers(1, most + 1)) for key, most in LIMITS.items()}
        parameters |= {key: value for key, value in drawn.items() if key in known}
        server = config_of(SERVERS, name, parameters, "servers")
        if _fits(server, _aged(0, checks=False)):
            return server


def _one_of(chance: np.random.Generator, value: Several) -> Scalar:
    return value[int(chance.integers(len(value)))] if isinstance(value, list) else value


def _strategy(chance: np.random.Generator, server: Config) -> Config:
    """One that fits the server mode; CONN_MAX_AGE fits all."""
    while True:
        kind = _chosen(chance, STRATEGY_KINDS)
        drawn = DRAW[kind](chance, server)
        if kind == "max_age" or _fits(server, drawn):
            return drawn


def _draw_age(chance: np.random.Generator, server: Config) -> Config:  # noqa: ARG001  each is asked alike
    return _aged(_chosen(chance, AGES), checks=_happens(chance, 1 / 4))


def _aged(age: float | None, *, checks: bool) -> Config:
    return config_of(STRATEGIES, "max_age", {"max_age": age, "conn_health_checks": checks}, "strategies")


def _draw_pool(chance: np.random.Generator, server: Config) -> Config:  # noqa: ARG001
    largest = int(chance.integers(1, 6))
    sizes: dict[str, Scalar] = {
        "min_size": int(chance.integers(1, largest + 1)),
        "max_size": largest,
        "conn_health_checks": _happens(chance, 1 / 4),
    }
    return config_of(STRATEGIES, "pool", sizes, "strategies")


def _draw_pooler(chance: np.random.Generator, server: Config) -> Config:
    """In session mode, a kept client connection keeps one of the pool: ages only where each thread can have one."""
    mode, size, age = _chosen(chance, ("transaction", "session")), int(chance.integers(2, 9)), _chosen(chance, AGES)
    if mode == "session" and not 0 < _threads(server) <= size:
        age = 0
    parameters: dict[str, Scalar] = {"pool_mode": mode, "pool_size": size, "max_age": age}
    return config_of(STRATEGIES, "pgbouncer", parameters, "strategies")


DRAW: Final[Mapping[str, Callable[[np.random.Generator, Config], Config]]] = {
    "max_age": _draw_age,
    "pool": _draw_pool,
    "pgbouncer": _draw_pooler,
}


def _threads(server: Config) -> int:
    """How many threads of a host serve again, and so keep a connection; 0 where a thread ends with its request."""
    return build_server(server).lasting_connections(1, keep_alive=False)


def _fits(server: Config, strategy: Config) -> bool:
    """Whether they work together with one of the drivers, and the model has them."""
    driver = driver_for(server, strategy)
    if driver is None:
        return False
    try:
        keeping(server, strategy, driver=driver)
    except UsageError:
        return False
    return True


def _cpu(server: Config, strategy: Config) -> float:
    """CPU seconds of a request, with those of an opening where each request opens its own connection."""
    opens = strategy.parameters.get("max_age", None) == 0 or (strategy.name != "pool" and not _threads(server))
    return REQUEST_CPU + (OPENING_CPU if opens else 0.0)


def _max_connections(chance: np.random.Generator, hosts: int, server: Config) -> int:
    """Ample in seven of eight; else less than the threads of all hosts, or than what leaks: PostgreSQL refuses some."""
    tight, share = _happens(chance, 1 / 8), chance.uniform(0.4, 0.9)
    leaking = int(chance.integers(LEAKING_LIMITS[0], LEAKING_LIMITS[1] + 1))
    if not tight:
        return AMPLE
    threads = hosts * _threads(server)
    return RESERVED + max(2, int(share * threads)) if threads else leaking


def _events(chance: np.random.Generator, seconds: float) -> tuple[PlannedEvent, ...]:
    """A deployment in a third of them and a restart in a quarter, in the middle; of both, the restart comes first."""
    deploys, restarts = _happens(chance, 1 / 3), _happens(chance, 1 / 4)
    kinds: tuple[Literal["rolling_deployment", "blue_green"], ...] = ("rolling_deployment", "blue_green")
    at = chance.uniform(0.4, 0.55), chance.uniform(0.15, 0.3) if deploys else chance.uniform(0.25, 0.7)
    planned = []
    if restarts:
        planned.append(PlannedEvent(kind="database_restart", at=round(at[1] * seconds, 1)))
    if deploys:
        planned.append(PlannedEvent(kind=_chosen(chance, kinds), at=round(at[0] * seconds, 1)))
    return tuple(planned)


def _happens(chance: np.random.Generator, share: float) -> bool:
    return bool(chance.random() < share)


def _log_uniform(chance: np.random.Generator, bounds: tuple[float, float]) -> float:
    low, high = np.log(bounds)
    return float(np.exp(chance.uniform(low, high)))


def _chosen(chance: np.random.Generator, values: Sequence[T]) -> T:
    return values[int(chance.integers(len(values)))]
