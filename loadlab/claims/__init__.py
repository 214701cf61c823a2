"""FAMILY of named cases: what somebody has published of Django's connections, tried again here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from loadlab.claims.base import NamedCase
from loadlab.model.behaviour import CaseReport
from loadlab.registry import Family

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

CASES = Family("loadlab.claims", NamedCase)

__all__ = ["CASES", "NamedCase", "examine"]


def examine(name: str, postgres: PostgresFixture) -> CaseReport:
    """Try one named case, and report its figures.

    Raises:
        EnvironmentFaultError: a server does not start.
    """
    member = CASES[name]
    module = inspect.getmodule(member)
    return CaseReport(
        name=name,
        summary=(inspect.getdoc(module) or "").splitlines()[0],
        source=member.source,
        figures=member().run(postgres),
    )
