"""Turns a plan's text into cases: read, default, cross-check; all faults are reported together."""

from __future__ import annotations

import fnmatch
import itertools
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import UsageError
from loadlab.model.case import ELSEWHERE, Case
from loadlab.model.config import Config, Scalar
from loadlab.model.labels import short_names
from loadlab.model.plan import Plan
from loadlab.model.spelling import did_you_mean
from loadlab.model.strategy import ServerTraits
from loadlab.plan.problems import EMPTY, Fault, checked
from loadlab.servers import SERVERS, Server
from loadlab.strategies import STRATEGIES, Strategy
from loadlab.system.fetching import split_address
from loadlab.system.files import DamagedFileError, plain_toml
from loadlab.system.packaged import packaged
from loadlab.system.ports import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from loadlab.model.plan import Deployment, Several
    from loadlab.registry import Family

CONNECTIONS_PER_REQUEST: Final = re.compile(r"^CONNECTIONS_PER_REQUEST *= *([1-9]\d*)", re.MULTILINE)
EXPECT_FAILURES: Final = re.compile(r"^EXPECT_FAILURES *= *True\b", re.MULTILINE)
SCENARIO_FOLDER: Final = packaged("locustfiles")
OVERHEAD_SECONDS: Final = 0.8  # boot, settling and end of a trial, as `make bench` measures it; for estimates only
NAME: Final = re.compile(r"[^/*?\[\]\s][^/*?\[\]\n]{0,59}")  # of settings that others have deployed
OWN_LOCUSTFILE: Final = "give a Locust file of your own with --locustfile; loadlab init writes one to start from"
NOUNS: Final = {SERVERS: "server mode", STRATEGIES: "strategy"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Incompatible:
    """A strategy that cannot work in a server mode of the plan, and why."""

    server: Config
    strategy: Config
    why: str

    def __str__(self) -> str:
        return f"{self.strategy.name} in {self.server.name}: {self.why}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A plan that holds together, with its text, its cases, and what of the cross product cannot be."""

    plan: Plan
    text: str
    cases: list[Case]
    left_out: list[Incompatible]

    @property
    def trials(self) -> int:
        return self.plan.blocks * len(self.cases)

    @property
    def trial_seconds(self) -> float:
        return trial_seconds(self.plan)

    @property
    def expected_seconds(self) -> float:
        return self.trials * self.trial_seconds


def trial_seconds(plan: Plan) -> float:
    """What one trial is expected to take."""
    return plan.warmup_seconds + plan.window_seconds + OVERHEAD_SECONDS


def read_plan(text: str, source: str, only: Sequence[str] = ()) -> Experiment:
    """The experiment that a plan's TOML text describes, narrowed to the cases that match a glob of `only`.

    Raises:
        UsageError: naming every fault of the plan.
    """
    data = _inferred(_toml(text, source))
    faults: list[Fault] = []
    plan = checked(Plan, data, "", faults)
    faults += _across(plan, data, {fault.where.partition(".")[0] for fault in faults})
    servers = _choices(SERVERS, data.get("servers"), "servers", faults)
    strategies = _choices(STRATEGIES, data.get("strategies"), "strategies", faults)
    if faults or plan is None:
        raise _refusal(source, faults)
    # A project's own driver is not known before the project has been looked into.
    driver = plan.driver if plan.project is None else ""
    left_out = list(_incompatible_pairs(servers, strategies, driver))
    faults += _fit_nowhere(strategies, servers, left_out)
    if faults:
        raise _refusal(source, faults)
    incompatible = {(one.server, one.strategy) for one in left_out}
    cases = [case for case in _expand(plan, servers, strategies) if (case.server, case.strategy) not in incompatible]
    _refuse_doubles(cases, source)
    cases = _select(cases, only)
    return Experiment(plan=plan, text=text, cases=cases, left_out=left_out)


def read_measured_plan(text: str, source: str) -> Plan:
    """The plan of a run that has been measured: its scenarios need not be where they were.

    Raises:
        UsageError: naming every fault of the plan.
    """
    faults: list[Fault] = []
    plan: Plan | None = checked(Plan, _inferred(_toml(text, source)), "", faults)
    if plan is None:
        raise _refusal(source, faults)
    return plan


def _toml(text: str, source: str) -> dict[str, Any]:
    try:
        return plain_toml(text)
    except DamagedFileError as error:
        raise UsageError(f"{source} is not TOML as a plan has it: {error}.") from error


def _inferred(data: dict[str, Any]) -> dict[str, Any]:
    """A plan with what follows from what it says: a rate makes the load open, and an open load is judged by its p95."""
    load = data.get("load")
    if not isinstance(load, dict):
        return data
    if "rate" in load:
        load = {"model": "open", **load}
    judged = {"primary_metric": "p95"} if load.get("model") == "open" else {}
    return {**judged, **data, "load": load}


def _across(plan: Plan | None, data: dict[str, Any], wrong: set[str]) -> Iterable[Fault]:
    """Faults between the keys of a plan; where some are `wrong` in themselves, between the others."""
    if plan is None:
        healthy = {key: value for key, value in data.items() if key not in wrong}
        plan = checked(Plan, healthy, "", [])
    if plan is None:
        return
    found = [*_cross_check(plan), *_check_load(plan, says_users="users" in data)]
    if "target" not in wrong:
        found += _check_target(plan, data)
    yield from (fault for fault in found if fault.where.partition(".")[0] not in wrong)


def _refusal(source: str, faults: Sequence[Fault]) -> UsageError:
    return UsageError("\n".join([f"{source} has {len(faults)} fault(s):", *(f"  {fault}" for fault in faults)]))


def schedule(cases: Sequence[Case], blocks: int, seed: int) -> list[tuple[int, int]]:
    """(block, index of case) for each trial: every block is one pass over all cases.

    The first of each two blocks has a seeded random order, the second has it backwards. So over both every case has the
    same mean position, and a steady drift of the machine favours none at any seed.
    """
    shuffle = random.Random(seed).shuffle
    order = list(range(len(cases)))
    steps: list[tuple[int, int]] = []
    for block in range(blocks):
        if block % 2:
            order.reverse()
        else:
            shuffle(order)
        steps += [(block, index) for index in order]
    return steps


def build_server(choice: Config) -> Server:
    return SERVERS[choice.name](**choice.parameters)


def build_strategy(choice: Config) -> Strategy:
    return STRATEGIES[choice.name](**choice.parameters)


def server_traits(choice: Config, driver: str) -> ServerTraits:
    """What a strategy is told of a server mode."""
    server = build_server(choice)
    return ServerTraits(
        server=choice.name,
        program=server.program,
        driver=driver,
        processes=server.processes(),
        asgi=server.asgi,
        greenlets=server.greenlets,
    )


def incompatible_pairs(plan: Plan, driver: str) -> list[Incompatible]:
    """The server modes and strategies of a checked plan that cannot work together with `driver`."""
    servers = _choices(SERVERS, plan.servers, "servers", [])
    return list(_incompatible_pairs(servers, _choices(STRATEGIES, plan.strategies, "strategies", []), driver))


def _incompatible_pairs(servers: Sequence[Config], strategies: Sequence[Config], driver: str) -> Iterable[Incompatible]:
    for server, strategy in itertools.product(servers, strategies):
        why = build_strategy(strategy).incompatible(server_traits(server, driver))
        if why is not None:
            yield Incompatible(server=server, strategy=strategy, why=why)


def _fit_nowhere(
    strategies: Sequence[Config], servers: Sequence[Config], left_out: Sequence[Incompatible]
) -> Iterable[Fault]:
    for strategy in strategies:
        reasons = [one.why for one in left_out if one.strategy == strategy]
        if len(reasons) == len(servers):
            yield Fault(
                where=f"strategies.{strategy.name}",
                what="fits none of the plan's servers",
                remedy="; ".join(dict.fromkeys(reasons)),
            )


def locustfile(scenario: str) -> Path:
    """The file of a scenario: a path of the user's own, or a name in `locustfiles/`."""
    return Path(scenario).resolve() if scenario.endswith(".py") else SCENARIO_FOLDER / f"{scenario}.py"


def config_of(family: Family[Any], name: str, parameters: dict[str, Scalar], where: str) -> Config:
    """One member with the given parameters, the others at their defaults.

    Raises:
        UsageError: naming every fault.
    """
    faults: list[Fault] = []
    choices = _choices(family, {name: parameters}, where, faults)
    if faults:
        named = (replace(fault, where=f"{where} {fault.where.rpartition('.')[2]}") for fault in faults)
        raise UsageError("\n".join(map(str, named)))
    return choices[0]


def _choices(family: Family[Any], table: object, where: str, faults: list[Fault]) -> list[Config]:
    """Every combination of every member's parameters; what is wrong with them goes to `faults`."""
    choices: list[Config] = []
    for name, parameters in (table if isinstance(table, dict) else {}).items():
        if name not in family:
            faults.append(Fault(where=f"{where}.{name}", what=f"unknown {NOUNS[family]}", remedy=_one_of(family, name)))
        elif isinstance(parameters, dict):
            faults += (
                Fault(where=f"{where}.{name}.{key}", what="is empty", remedy=EMPTY)
                for key, value in parameters.items()
                if value == []
            )
            for combination in _combinations({key: value for key, value in parameters.items() if value != []}):
                member = checked(family[name], combination, f"{where}.{name}", faults, _refused(family[name]))
                if member is not None:
                    values = {field.name: getattr(member, field.name) for field in fields(member)}
                    choices.append(Config(name=name, parameters=values))
    return choices


def _combinations(parameters: dict[str, Several]) -> Iterable[dict[str, Scalar]]:
    swept = [value if isinstance(value, list) else [value] for value in parameters.values()]
    return (dict(zip(parameters, values, strict=True)) for values in itertools.product(*swept))


def _refused(member: type[Any]) -> Mapping[str, str]:
    """What a member says of parameters that it does not have."""
    refused: Mapping[str, str] = getattr(member, "refused", {})
    return refused


def _cross_check(plan: Plan) -> list[Fault]:
    faults = [
        Fault(
            where="scenarios", what=f"there is no {scenario!r}", remedy=f"{_one_of(scenarios(), scenario)}, or a path"
        )
        for scenario in plan.scenarios
        if not locustfile(scenario).is_file()
    ]
    if plan.project is not None:
        if plan.restarts:
            remedy = "leave it out; loadlab restarts no database of yours, and counts this on its own site"
            faults.append(Fault(where="restarts", what="is for loadlab's own site", remedy=remedy))
        faults += [
            Fault(where="scenarios", what=f"{scenario!r} asks for pages of loadlab's own site", remedy=OWN_LOCUSTFILE)
            for scenario in plan.scenarios
            if not scenario.endswith(".py")
        ]
    if plan.servers and plan.control is not None and plan.control not in plan.servers:
        remedy = f"one of the plan's servers: {', '.join(plan.servers)}; or leave it out"
        faults.append(Fault(where="control", what=f"{plan.control!r} is not measured in this plan", remedy=remedy))
    if plan.driver == "psycopg" and plan.servers.get("gevent", {}).get("cooperative") is False:
        remedy = 'use driver = "psycopg2"'
        faults.append(Fault(where="servers.gevent.cooperative", what="psycopg 3 always cooperates", remedy=remedy))
    return faults


def _check_target(plan: Plan, data: Mapping[str, Any]) -> Iterable[Fault]:
    """What only a target of loadlab's own serving has, and what one that is served elsewhere needs."""
    if plan.target is None:
        missing = [name for name in ("servers", "strategies") if name not in data]
        yield from (Fault(where=name, what="is missing", remedy="add it") for name in missing)
        return
    for name in ("servers", "strategies", "project", "round_trip_ms", "restarts", "database", "limits"):
        if name in data:
            yield Fault(where=name, what="is for a target that loadlab serves", remedy="remove it, or the target")
    yield from _check_deployment(plan.target)
    if "scenarios" not in data:
        remedy = f"{OWN_LOCUSTFILE}; or name one of loadlab's, if it is loadlab's site that is served there"
        yield Fault(where="scenarios", what="is missing", remedy=remedy)


def _is_here(target: Deployment | None) -> bool:
    """Whether only this host reaches the target: loadlab's own listens on loopback."""
    return target is None or is_loopback(split_address(target.url).hostname or "")


def _check_deployment(target: Deployment) -> Iterable[Fault]:
    """Addresses and references; none is repeated, for it may hold what should be secret."""
    for where, url in (("url", target.url), ("metrics", target.metrics_url)):
        parts = split_address(url)
        if not parts.hostname:
            yield Fault(where=f"target.{where}", what="is no address", remedy="such as https://staging.example")
        elif parts.username or parts.password:
            remedy = "the run folder would keep it; let the Locust file take it from the environment"
            yield Fault(where=f"target.{where}", what="holds a user or a password", remedy=remedy)
    if target.token and not re.fullmatch(r"env:\w+", target.token):
        remedy = 'say "env:NAME"; the run folder would keep the token itself'
        yield Fault(where="target.token", what="names no environment variable", remedy=remedy)
    if target.name in STRATEGIES or not NAME.fullmatch(target.name):
        remedy = "at most 60 characters without / * ? [ ], and no strategy of loadlab's: e.g. age 60"
        yield Fault(where="target.name", what=f"{target.name!r} cannot be one", remedy=remedy)


def _check_load(plan: Plan, *, says_users: bool) -> Iterable[Fault]:
    """What an open load needs and a closed one has no use for, and the other way round."""
    load = plan.load
    if load.model == "open":
        if load.rate is None:
            yield Fault(where="load.rate", what="is missing", remedy="say how many tasks a second are to start")
        if says_users:
            remedy = "remove it; load.outstanding bounds what is under way in an open one"
            yield Fault(where="users", what="is for a closed load", remedy=remedy)
        if plan.primary_metric == "throughput":
            remedy = 'say primary_metric = "p95", or "p50"'
            yield Fault(where="primary_metric", what="throughput is what an open load sets", remedy=remedy)
    elif load.rate is not None:
        yield Fault(where="load.rate", what="is for an open load", remedy='say model = "open", or remove it')
    where, fewest = ("load.outstanding", load.outstanding) if load.model == "open" else ("users", min(plan.users))
    if plan.load.expect_workers and plan.load_workers > 1:
        remedy = "start as many workers on each host as it has cores for, and say how many that is in all"
        yield Fault(where="load_workers", what="is for load processes of this host alone", remedy=remedy)
    if plan.load.expect_workers and not is_loopback(plan.load.master_bind_host) and _is_here(plan.target):
        remedy = "name a target that they can reach, or leave it out and start the workers here"
        yield Fault(where="load.master_bind_host", what="is for workers who cannot reach the target", remedy=remedy)
    if fewest < plan.load_processes:
        setting = "load.expect_workers" if plan.load.expect_workers else "load_workers"
        remedy = f"each process needs one: lower {setting} to {fewest} or less, or raise {where}"
        yield Fault(where=where, what=f"{fewest} cannot be split over {plan.load_processes} processes", remedy=remedy)


def scenarios() -> list[str]:
    return sorted(path.stem for path in SCENARIO_FOLDER.glob("*.py"))


def connections_per_request(scenario: str) -> int:
    """How many aliases a request of the scenario uses, each with a connection of its own; its file is not run."""
    said = CONNECTIONS_PER_REQUEST.search(locustfile(scenario).read_text(errors="replace"))
    return int(said[1]) if said else 1


def expects_failures(scenario: str) -> bool:
    """Whether the scenario says that all its requests may fail; its file is not run."""
    return EXPECT_FAILURES.search(locustfile(scenario).read_text(errors="replace")) is not None


def _one_of(known: Iterable[str], said: str) -> str:
    names = list(known)
    return " ".join(part for part in (did_you_mean(said, names), f"one of {', '.join(names)}") if part)


def _expand(plan: Plan, servers: Iterable[Config], strategies: Sequence[Config]) -> Iterable[Case]:
    if plan.target is not None:
        servers, strategies = [Config(name=ELSEWHERE)], [Config(name=plan.target.name)]
    loads = list(itertools.product(strategies, plan.scenarios, plan.loads(), plan.keep_alive, plan.round_trip_ms))
    controlled = False
    for server in servers:
        for strategy, scenario, (users, open_load), keep_alive, round_trip_ms in loads:
            case = Case(
                server=server,
                strategy=strategy,
                scenario=scenario,
                users=users,
                keep_alive=keep_alive,
                usable_connections=_usable(plan, server, strategy, scenario, users),
                round_trip_ms=round_trip_ms,
                open_load=open_load,
            )
            yield case
            if server.name == plan.controlled and not controlled and case.closes_each_request:
                controlled = True
                yield replace(case, replica=True)


def _usable(plan: Plan, server: Config, strategy: Config, scenario: str, users: int) -> int | None:
    if plan.target is not None:
        return plan.target.usable_connections
    return connections_per_request(scenario) * usable_connections(server, strategy, users)


def usable_connections(server: Config, strategy: Config, users: int) -> int:
    """The most connections that are open to some use: what the mode can use at once, or its strategy holds ready."""
    usable = build_server(server).usable_connections(users)
    return build_strategy(strategy).most_connections(usable, server_traits(server, ""))


def connections_wanted(case: Case) -> int:
    """The most connections to PostgreSQL that a case has a use for: its own, or those of the pooler before it."""
    usable = case.usable_connections or 0
    pooling = build_strategy(case.strategy).pooling()
    return min(pooling.pool_size, usable) if pooling else usable


def _refuse_doubles(cases: list[Case], source: str) -> None:
    doubled = [case_id for case_id, count in Counter(case.id for case in cases).items() if count > 1]
    if doubled:
        raise UsageError(f"{source} names a case twice: {', '.join(doubled)}. Remove the repeated value.")


def _matches(case_id: str, name: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(said, pattern) for said in (case_id, name))


def _select(cases: list[Case], only: Sequence[str]) -> list[Case]:
    """The cases whose id or short name matches a glob; "*" also matches the slashes of an id.

    Raises:
        UsageError: nothing matches.
    """
    if not only:
        return cases
    names = short_names(cases)
    chosen = [case for case in cases if any(_matches(case.id, names[case], pattern) for pattern in only)]
    if not chosen:
        listed = "\n".join(f"  {names[case]}" for case in cases)
        raise UsageError(f"No case matches {' '.join(only)}. The plan has:\n{listed}")
    return chosen
