"""Writes the texts that a user starts from: a plan and a Locust file for their own project."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from loadlab.lab.suitability import missing_from
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loadlab.lab.project import Project
    from loadlab.model.plan import ProjectOptions

LOCUSTFILE: Final = "locustfile.py"
PLAN: Final = "loadlab.toml"
# Words in a path that say: a visitor would not ask for this over and over, or it would log them out.
NOT_FOR_LOAD: Final = (
    *("admin", "logout", "log-out", "log_out", "logoff", "signout", "sign-out", "sign_out", "login", "password"),
    *("delete", "clear", "debug", "metrics", "jsi18n", "export"),
)
SHOWN_ROUTES: Final = 30
NAMED: Final = ("settings", "folder", "wsgi", "asgi", "python", "pythonpath")

_PLAN: Final = """\
# What to measure over your own project: `loadlab plan {plan}` lists the cases, `loadlab run {plan}` measures them.

seed = 2013                # fixes the order of the trials
blocks = 12                # how often each case is measured; `loadlab plan` says what so many detect
warmup_seconds = 2.0       # not measured: caches fill, templates are compiled
window_seconds = 3.0       # measured; a p99 takes 299 requests in it
users = [8]                # each sends its next request when it has the response to the last
keep_alive = [false]       # a new client connection per request, as behind many proxies; true hides the leak
scenarios = [{locustfile}]
control = {control}           # its baseline is measured twice: the noise floor

[project]
{project}
# database = "embedded"    # an empty database for the run, made by your migrations, in place of your own
{keep}# prepare = ["loaddata demo.json"]   # management commands that fill it

# How you serve, and what you would like to compare it with.
{servers}

[strategies.max_age]
max_age = {ages}           # CONN_MAX_AGE in seconds, "none" for unlimited
conn_health_checks = false
"""

_LOCUST: Final = '''\
"""What visitors of the site ask for: edit this until it looks like your traffic."""

from locust import FastHttpUser, task


class Visitor(FastHttpUser):
{tasks}'''

_TASK: Final = """\
    @task
    def page_{number}(self):
        self.client.get({route})
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Modes:
    """Server modes in the plan: those that it measures, others that can be, and the commands that install the rest.

    `refused` are the modes that cannot be measured with their defaults, each with the remedy.
    """

    first: list[str]
    more: list[str]
    missing: dict[str, str]
    refused: dict[str, str]


def modes_there(project: Project) -> Modes:
    lacking = {name: _installing(project, name) for name in SERVERS}
    there = [name for name, command in lacking.items() if not command]
    # A plan with all of them takes long, so the others are comments.
    first = [name for name in there if SERVERS[name].suggested] or there[:1]
    problems = {name: SERVERS[name]().incompatible(project.driver) for name in there}
    refused = {name: f"{found[0]} {found[1]}: {found[2]}" for name, found in problems.items() if found}
    return Modes(
        first=first,
        more=[name for name in there if name not in first and name not in refused],
        refused=refused,
        missing={name: command for name, command in lacking.items() if command},
    )


def _installing(project: Project, name: str) -> str:
    """What installs all that a server mode lacks; empty where it lacks nothing."""
    packages = missing_from(project, SERVERS[name]())
    commands = [program.install for program in SERVERS[name].programs if program.lacks()]
    commands += [f"{project.python} -m pip install {' '.join(packages)}"] if packages else []
    return "; ".join(commands)


def pooled(project: Project) -> bool:
    """Whether an alias whose age a plan would change has a pool."""
    aliases = project.info.aliases if project.info else {}
    return any(aliases[alias].pool for alias in project.tuned if alias in aliases)


def spoken_ages(project: Project) -> str:
    return "0" if pooled(project) else "0, 60 and unlimited"


def plan_text(project: Project, options: ProjectOptions, modes: Modes, locustfile: str) -> str:
    """A commented plan over the project."""
    named = {name: getattr(options, name) for name in NAMED}
    aliases = project.info.aliases if project.info else {}
    others = sorted(alias for alias in aliases if alias not in project.counted)
    keep = f"# keep_databases = {json.dumps(others)}   # of the other databases, those that stay as they are\n"
    return _PLAN.format(
        plan=PLAN,
        locustfile=json.dumps(locustfile),
        control=json.dumps(modes.first[0]),
        project="\n".join(f"{name} = {json.dumps(value)}" for name, value in named.items() if value),
        keep=keep if others else "",
        servers="\n".join(_tables(modes)),
        # Django refuses a pool together with any other age.
        ages="[0]" if pooled(project) else '[0, 60, "none"]',
    )


def _tables(modes: Modes) -> Iterator[str]:
    yield from (f"[servers.{name}]" for name in modes.first)
    if modes.more:
        yield "# These can be measured too, for more time: remove the #."
        yield from (f"# [servers.{name}]" for name in modes.more)
    yield from (f"# [servers.{name}]   # {why}" for name, why in modes.refused.items())
    for name, command in modes.missing.items():
        yield f"# [servers.{name}]   # once it is installed: {command}"


def locustfile_text(routes: Sequence[str]) -> str:
    """A task for each route; those that no load should go to are comments."""
    chosen = taken_routes(routes)
    others = [route for route in sorted(routes, key=_not_for_load) if route not in chosen]
    tasks = "\n".join(_TASK.format(number=number, route=json.dumps(route)) for number, route in enumerate(chosen, 1))
    text = _LOCUST.format(tasks=tasks)
    if others:
        listed = "\n".join(f"#   {route}" for route in others[:SHOWN_ROUTES])
        more = f"\n#   and {len(others) - SHOWN_ROUTES} more" if len(others) > SHOWN_ROUTES else ""
        text += f"\n\n# Also there, and left out:\n{listed}{more}\n"
    return text


def taken_routes(routes: Sequence[str]) -> list[str]:
    """Those that the Locust file asks for: what a visitor might, and not too many."""
    return ([route for route in routes if not _not_for_load(route)] or ["/"])[:SHOWN_ROUTES]


def _not_for_load(route: str) -> bool:
    return any(word in route.lower() for word in NOT_FOR_LOAD)
