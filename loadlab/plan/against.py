"""What is wrong with the other side of a plan, beside its other keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from loadlab.model.condition import THIS_SIDE
from loadlab.plan.members import build_server, chosen_servers
from loadlab.plan.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.model.plan import Against, Plan

DIFFERENCES: Final = ("revision", "folder", "python", "settings", "driver")
OF_A_PROJECT: Final = ("revision", "folder", "settings")  # loadlab's sample app has one of each


def against_problems(plan: Plan, _data: Mapping[str, Any]) -> Iterator[Problem]:
    """All at once; whether a revision exists is looked up where its repository is."""
    other = plan.against
    if other is None or plan.target is not None:
        return
    yield from _alone(other)
    yield from (_beside_project if plan.project else _beside_sample_app)(plan, other)
    if plan.restarts:
        remedy = "remove it; [[faults]] with database_restart does so to both sides"
        yield Problem(where="restarts", what="restarts the database for one side only", remedy=remedy)


def _alone(other: Against) -> Iterator[Problem]:
    if not any(getattr(other, name) for name in DIFFERENCES):
        remedy = f"set one of {', '.join(DIFFERENCES)}"
        yield Problem(where="against", what="is the same as this side", remedy=remedy)
    if other.revision and other.folder:
        remedy = "remove one of them; a revision is checked out of the repository of [project]"
        yield Problem(where="against.folder", what="names the code, and so does against.revision", remedy=remedy)
    if other.called == THIS_SIDE:
        yield Problem(where="against.name", what=f"{THIS_SIDE!r} is this side", remedy="choose another name")


def _beside_sample_app(plan: Plan, other: Against) -> Iterator[Problem]:
    for name in OF_A_PROJECT:
        if getattr(other, name):
            remedy = "name your project with --project DIR, or set python or driver for loadlab's sample app"
            yield Problem(where=f"against.{name}", what="needs a project of your own", remedy=remedy)
    if other.driver and other.driver == plan.driver and not other.python:
        remedy = "set the other one of psycopg2 and psycopg"
        yield Problem(where="against.driver", what=f"{other.driver!r} is the driver of this side", remedy=remedy)
    for server in chosen_servers(plan) if other.driver else ():
        if (problem := build_server(server).incompatible(other.driver)) is not None:
            parameter, what, remedy = problem
            yield Problem(where=f"servers.{server.name}.{parameter}", what=f"{what} (against.driver)", remedy=remedy)


def _beside_project(_plan: Plan, other: Against) -> Iterator[Problem]:
    if other.driver:
        remedy = "remove it, and set python to a virtualenv that has the other driver"
        yield Problem(where="against.driver", what="is for loadlab's sample app", remedy=remedy)
