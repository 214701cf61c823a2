"""Finds problems between the keys of a plan: each key can be right in itself and wrong beside another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from loadlab.model.plan import Deployment, Plan
from loadlab.plan.against import against_problems
from loadlab.plan.faults import fault_problems
from loadlab.plan.gates import gate_problems
from loadlab.plan.members import build_server, chosen_servers
from loadlab.plan.problems import Problem, checked, one_of
from loadlab.plan.scenarios import has_async_views, locustfile, scenarios
from loadlab.strategies import STRATEGIES
from loadlab.system.addresses import split_address
from loadlab.system.ports import is_loopback

TARGET_NAME: Final = re.compile(r"[^/*?\[\]\s][^/*?\[\]\n]{0,59}")
OWN_LOCUSTFILE: Final = "name your own Locust file with --locustfile; `loadlab init` writes one to start from"
ONLY_SERVED_HERE: Final = (
    "servers",
    "strategies",
    "project",
    "round_trip_ms",
    "idle_percent",
    "restarts",
    "holding",
    "database",
    "limits",
    "faults",
    "against",
)

Check = Callable[[Plan, Mapping[str, Any]], Iterable[Problem]]


def cross_problems(plan: Plan | None, data: dict[str, Any], faulty: set[str]) -> Iterable[Problem]:
    """Problems between the keys of a plan; keys that are `faulty` are left out of the check."""
    if plan is None:
        plan = checked(Plan, {key: value for key, value in data.items() if key not in faulty}, "", [])
    if plan is None:
        return
    found = [problem for check in CHECKS for problem in check(plan, data)]
    if "target" not in faulty:
        found += _target_problems(plan, data)
    yield from (problem for problem in found if problem.where.partition(".")[0] not in faulty)


def _scenario_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    for scenario in plan.scenarios:
        if not locustfile(scenario).is_file():
            remedy = f"{one_of(scenarios(), scenario)}, or the path of a Locust file"
            yield Problem(where="scenarios", what=f"there is no {scenario!r}", remedy=remedy)


def _project_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    if plan.project is None:
        return
    if plan.restarts:
        remedy = "remove it; loadlab never restarts your database, and counts this on its own site"
        yield Problem(where="restarts", what="works with loadlab's sample app only", remedy=remedy)
    for scenario in plan.scenarios:
        if not scenario.endswith(".py"):
            what = f"{scenario!r} requests pages of loadlab's sample app"
            yield Problem(where="scenarios", what=what, remedy=OWN_LOCUSTFILE)


def _control_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    if plan.servers and plan.control is not None and plan.control not in plan.servers:
        remedy = f"use one of the plan's servers: {', '.join(plan.servers)}; or remove it"
        yield Problem(where="control", what=f"{plan.control!r} is not one of the plan's servers", remedy=remedy)


def _driver_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    """Parameters of server modes that cannot be so with the plan's driver."""
    for server in chosen_servers(plan):
        if (problem := build_server(server).incompatible(plan.driver)) is not None:
            parameter, what, remedy = problem
            yield Problem(where=f"servers.{server.name}.{parameter}", what=what, remedy=remedy)


def _quiet_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    """Pauses that are too short to show what a server does in them."""
    pause = plan.quiet_spells.pause_seconds
    ends = dict.fromkeys((server.name, build_server(server).idle_end_seconds()) for server in chosen_servers(plan))
    for name, seconds in ends if plan.quiet_spells.count else ():
        if seconds is not None and seconds >= pause:
            what = f"{name} ends threads that were idle for {seconds:g} s, and a pause has only {pause:g} s"
            remedy = f"set more than {seconds:g}, or lower that time in [servers.{name}]"
            yield Problem(where="quiet_spells.pause_seconds", what=what, remedy=remedy)


def _async_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    """Asynchronous views where asgiref finds the event loop of another request, and refuses."""
    asynchronous = [one for one in plan.scenarios if locustfile(one).is_file() and has_async_views(one)]
    for server in chosen_servers(plan):
        if asynchronous and not build_server(server).async_views():
            what = f"cannot run the async views of {' and '.join(asynchronous)} beside each other: they fail"
            remedy = "use asgi, or gthread, or leave the scenario out"
            yield Problem(where=f"servers.{server.name}", what=what, remedy=remedy)


def _key_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    """A strategy that logs in with a key, where PostgreSQL asks for no password."""
    for name in plan.strategies:
        if name in STRATEGIES and STRATEGIES[name].service and plan.database.auth == "trust":
            remedy = f'set auth = "scram", or remove the strategy {name}'
            yield Problem(
                where="database.auth", what=f'"trust" asks for no password, and {name} logs in', remedy=remedy
            )


def _limit_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    most, kept = plan.limits.max_connections, plan.limits.reserved
    if most is not None and kept >= most:
        what = f"{kept} leave no connection of {most} to the project"
        yield Problem(where="limits.reserved", what=what, remedy="lower it, or raise limits.max_connections")


def _load_problems(plan: Plan, data: Mapping[str, Any]) -> Iterable[Problem]:
    load = plan.load
    if load.model == "closed":
        if load.rate is not None:
            yield Problem(where="load.rate", what="needs an open load", remedy='set model = "open", or remove it')
        return
    if load.rate is None:
        yield Problem(where="load.rate", what="is missing", remedy="set how many tasks start per second")
    if "users" in data:
        remedy = "remove it; load.outstanding limits the concurrent tasks of an open load"
        yield Problem(where="users", what="needs a closed load", remedy=remedy)
    if plan.primary_metric == "throughput":
        remedy = 'set primary_metric = "p95" or "p50"'
        yield Problem(where="primary_metric", what="an open load sets the throughput itself", remedy=remedy)


def _worker_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    load = plan.load
    if load.expect_workers and plan.load_workers > 1:
        remedy = "remove it; start one worker per core on each host, and set load.expect_workers to the total"
        yield Problem(where="load_workers", what="counts load processes on this host only", remedy=remedy)
    if load.expect_workers and not is_loopback(load.master_bind_host) and _is_here(plan.target):
        remedy = "set a [target] that they can reach, or remove this key and start the workers on this host"
        what = "workers on other hosts cannot reach a target that loadlab serves on loopback"
        yield Problem(where="load.master_bind_host", what=what, remedy=remedy)


def _share_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterable[Problem]:
    """Each load process needs at least one user."""
    load = plan.load
    where, unit, fewest = ("users", "users", min(plan.users))
    if load.model == "open":
        where, unit, fewest = ("load.outstanding", "tasks", load.outstanding)
    if fewest < plan.load_processes:
        setting = "load.expect_workers" if load.expect_workers else "load_workers"
        what = f"{fewest} {unit} cannot be split over {plan.load_processes} load processes"
        yield Problem(where=where, what=what, remedy=f"lower {setting} to {fewest} or less, or raise {where}")


CHECKS: Final[tuple[Check, ...]] = (
    _scenario_problems,
    _project_problems,
    _control_problems,
    _driver_problems,
    _quiet_problems,
    _async_problems,
    _key_problems,
    _limit_problems,
    _load_problems,
    _worker_problems,
    _share_problems,
    fault_problems,
    against_problems,
    gate_problems,
)


def _target_problems(plan: Plan, data: Mapping[str, Any]) -> Iterable[Problem]:
    """What an external target needs, and what only a target that loadlab serves can have."""
    if plan.target is None:
        missing = [name for name in ("servers", "strategies") if name not in data]
        yield from (Problem(where=name, what="is missing", remedy="add it") for name in missing)
        return
    for name in ONLY_SERVED_HERE:
        if name in data:
            yield Problem(where=name, what="needs a target that loadlab serves", remedy="remove it, or remove [target]")
    yield from _address_problems(plan.target)
    yield from _setting_problems(plan.target)
    if "scenarios" not in data:
        remedy = f"{OWN_LOCUSTFILE}. If the target is loadlab's sample app, name one of loadlab's scenarios"
        yield Problem(where="scenarios", what="is missing", remedy=remedy)


def _is_here(target: Deployment | None) -> bool:
    """Whether only this host reaches the target: loadlab's own servers listen on loopback."""
    return target is None or is_loopback(split_address(target.url).hostname or "")


def _address_problems(target: Deployment) -> Iterable[Problem]:
    """The messages do not repeat the address: it may hold a secret."""
    for where, url in (("url", target.url), *([("metrics", target.metrics)] if target.metrics else [])):
        parts = split_address(url)
        if not parts.hostname:
            what = "is not an http:// or https:// address"
            yield Problem(where=f"target.{where}", what=what, remedy="such as https://staging.example")
        elif parts.username or parts.password:
            remedy = "remove it, because the run folder would keep it; let the Locust file read it from the environment"
            yield Problem(where=f"target.{where}", what="holds a user name or a password", remedy=remedy)


def _setting_problems(target: Deployment) -> Iterable[Problem]:
    if target.token and not re.fullmatch(r"env:\w+", target.token):
        remedy = 'set "env:NAME", because the run folder would keep the token itself'
        yield Problem(where="target.token", what="does not name an environment variable", remedy=remedy)
    if target.name in STRATEGIES or not TARGET_NAME.fullmatch(target.name):
        remedy = 'use at most 60 characters, without / * ? [ ], such as "age 60"; not the name of a loadlab strategy'
        yield Problem(where="target.name", what=f"{target.name!r} is not a valid name", remedy=remedy)
