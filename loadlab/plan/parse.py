"""Reads a plan's TOML text, and fills in what follows from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loadlab.errors import UsageError
from loadlab.model.plan import Plan
from loadlab.plan.problems import checked, refusal
from loadlab.system.files import DamagedFileError, plain_toml

if TYPE_CHECKING:
    from loadlab.plan.problems import Problem


def plan_data(text: str, source: str) -> dict[str, Any]:
    """The keys of a plan, with those that follow from others.

    Raises:
        UsageError: the text is not TOML.
    """
    return _inferred(toml_data(text, source))


def toml_data(text: str, source: str) -> dict[str, Any]:
    """The keys of a file.

    Raises:
        UsageError: the text is not TOML.
    """
    try:
        return plain_toml(text)
    except DamagedFileError as error:
        raise UsageError(f"{source} is not valid TOML: {error}. Fix it and run the command again.") from error


def _inferred(data: dict[str, Any]) -> dict[str, Any]:
    """A rate makes the load open, and an open load is judged by its p95."""
    load = data.get("load")
    if not isinstance(load, dict):
        return data
    if "rate" in load:
        load = {"model": "open", **load}
    judged = {"primary_metric": "p95"} if load.get("model") == "open" else {}
    return {**judged, **data, "load": load}


def read_measured_plan(text: str, source: str) -> Plan:
    """The plan of a run that has been measured: its scenarios need not be where they were.

    Raises:
        UsageError: naming every problem of the plan.
    """
    problems: list[Problem] = []
    plan: Plan | None = checked(Plan, plan_data(text, source), "", problems)
    if plan is None:
        raise refusal(source, problems)
    return plan
