"""The texts that a user starts from: a plan and a Locust file for a project of their own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.plan import Project

LOCUSTFILE: Final = "locustfile.py"
PLAN: Final = "loadlab.toml"
# Words in a path that say: a visitor would not ask for this over and over, or it would log them out.
NOT_FOR_LOAD: Final = ("admin", "logout", "login", "password", "delete", "debug", "metrics", "jsi18n", "export")
SHOWN_ROUTES: Final = 30

# Server modes to begin with; a plan with all of them takes long, so the others stand there as comments.
FIRST: Final = ("sync", "gthread")

_PLAN: Final = """\
# What to measure over your own project: `loadlab plan {plan}` lists the cases, `loadlab run {plan}` measures them.

seed = 2013                # fixes the order of the trials
blocks = 12                # how often each case is measured; `loadlab plan` says what so many detect
warmup_seconds = 2.0       # not measured: caches fill, templates are compiled
window_seconds = 3.0       # measured; a p99 takes 299 requests in it
users = [8]                # each sends its next request when it has the answer to the last
keep_alive = [false]       # a new client connection per request, as behind many proxies; true hides the leak
scenarios = [{locustfile}]
control = {control}           # its baseline is measured twice: the noise floor

[project]
{project}
# database = "embedded"    # an empty database for the run, made by your migrations, in place of your own
# prepare = ["loaddata demo.json"]   # management commands that fill it

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


def plan_text(project: Project, servers: Sequence[str], locustfile: str, *, pooled: bool) -> str:
    """A commented plan; `servers` are the modes that can be run there."""
    named = {name: getattr(project, name) for name in ("settings", "folder", "wsgi", "asgi", "python")}
    first = [name for name in servers if name in FIRST] or list(servers[:1])
    return _PLAN.format(
        plan=PLAN,
        locustfile=json.dumps(locustfile),
        control=json.dumps(first[0]),
        project="\n".join(f"{name} = {json.dumps(value)}" for name, value in named.items() if value),
        servers="\n".join(f"[servers.{name}]" if name in first else f"# [servers.{name}]" for name in servers),
        # Django refuses a pool together with any other age.
        ages="[0]" if pooled else '[0, 60, "none"]',
    )


def locustfile_text(routes: Sequence[str]) -> str:
    """A task for each route; those that no load should go to stand there as comments."""
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
