"""Turns a plan's text into cases: parse, check, expand. All problems are reported together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlab.faults import FAULTS
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.plan.check import cross_problems
from loadlab.plan.expand import expand, refuse_doubles, select
from loadlab.plan.faults import faults_that_fit_nowhere, unfit_faults
from loadlab.plan.gates import gates_of, gates_that_fit_nowhere
from loadlab.plan.members import Incompatible, configs, fit_nowhere, incompatible_between
from loadlab.plan.parse import plan_data
from loadlab.plan.problems import Problem, checked, refusal
from loadlab.plan.schedule import trial_seconds
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    """A consistent plan, with its text, its cases, and the combinations that cannot work."""

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


def read_plan(text: str, source: str, only: Sequence[str] = ()) -> Experiment:
    """The experiment that a plan's TOML text describes, narrowed to the cases that match a glob of `only`.

    Raises:
        UsageError: naming every problem of the plan.
    """
    plan, servers, strategies = _checked(plan_data(text, source), source)
    # A project's own driver is not known before the project has been inspected.
    driver = plan.driver if plan.project is None else ""
    left_out = list(incompatible_between(servers, strategies, driver))
    if plan.against is not None and plan.against.driver:
        known = {(one.server, one.strategy) for one in left_out}
        others = incompatible_between(servers, strategies, plan.against.driver)
        left_out += [one for one in others if (one.server, one.strategy) not in known]
    if misfits := list(fit_nowhere(strategies, servers, left_out)):
        raise refusal(source, misfits)
    left_out += unfit_faults(plan, servers, strategies, left_out)
    cases = list(expand(plan, servers, strategies, left_out))
    refuse_doubles(cases, source)
    chosen = select(cases, only)
    if unmatched := list(gates_that_fit_nowhere(gates_of(plan), cases, chosen)):
        raise refusal(source, unmatched)
    return Experiment(plan=plan, text=text, cases=chosen, left_out=left_out)


def _checked(data: dict[str, Any], source: str) -> tuple[Plan, list[Config], list[Config]]:
    """The plan, its server modes and its strategies; every problem is collected before the first is raised."""
    problems: list[Problem] = []
    plan: Plan | None = checked(Plan, data, "", problems)
    problems += cross_problems(plan, data, {problem.where.partition(".")[0] for problem in problems})
    before = len(problems)
    servers = configs(SERVERS, data.get("servers"), "servers", problems)
    strategies = configs(STRATEGIES, data.get("strategies"), "strategies", problems)
    if plan is not None and len(problems) == before:
        problems += faults_that_fit_nowhere(plan, servers, strategies)
    configs(FAULTS, data.get("faults"), "faults", problems)
    if problems or plan is None:
        raise refusal(source, problems)
    return plan, servers, strategies
