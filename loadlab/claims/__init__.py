"""FAMILY of claims: what was published about Django's connections, tried again here."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from loadlab.claims.base import Claim
from loadlab.model.behaviour import ClaimReport
from loadlab.registry import Family

if TYPE_CHECKING:
    from loadlab.lab.fixture import PostgresFixture

CLAIMS = Family("loadlab.claims", Claim)

__all__ = ["CLAIMS", "Claim", "examine"]


def examine(name: str, postgres: PostgresFixture) -> ClaimReport:
    """Try one claim, and report its figures.

    Raises:
        EnvironmentFaultError: a server does not start.
    """
    member = CLAIMS[name]
    module = inspect.getmodule(member)
    return ClaimReport(
        name=name,
        summary=(inspect.getdoc(module) or "").splitlines()[0],
        source=member.source,
        figures=member().run(postgres),
    )
