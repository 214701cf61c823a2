"""Applies the faults of a plan to a trial, each when it acts."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from loadlab.faults import FAULTS
from loadlab.plan.members import faults_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.faults import Fault, FaultContext
    from loadlab.faults.base import Acts
    from loadlab.model.plan import Plan


def acting(plan: Plan, acts: Acts) -> list[Fault]:
    """The faults of a plan that act then."""
    faults = [FAULTS[config.name](**config.parameters) for config in faults_of(plan)]
    return [fault for fault in faults if fault.acts == acts]


@contextmanager
def faulted(plan: Plan, acts: Acts, context: FaultContext | None) -> Iterator[None]:
    """Apply them, one after the other, until the context ends; nothing where the lab does not serve the target.

    Raises:
        EnvironmentFaultError: one of them cannot be applied here.
    """
    with ExitStack() as lasting:
        if context is not None:
            for fault in acting(plan, acts):
                lasting.enter_context(fault.applied(context))
        yield
