"""What a report says of findings: their codes and figures in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.report.content import story
from loadlab.report.labels import Labels
from loadlab.report.prose import objections, verdicts

if TYPE_CHECKING:
    from loadlab.model.findings import Findings, Standing, Verdict


def answer(found: Findings) -> tuple[str, ...]:
    """The sentences of the whole run."""
    return story.answer(found)


def headline(found: Findings, verdict: Verdict | None = None) -> str:
    """The one sentence of a verdict, by default of the first."""
    return verdicts.headline(verdict or found.verdicts[0], Labels.of(found))


def why(found: Findings, verdict: Verdict | None = None) -> tuple[str, ...]:
    """The reasons for a verdict, by default for the first."""
    return verdicts.why(verdict or found.verdicts[0], Labels.of(found))


def standings(found: Findings) -> dict[str, Standing]:
    """Where each strategy of the first verdict stands, by its name."""
    names = Labels.of(found)
    return {names.arm(one.case): one for one in found.verdicts[0].ranking}


def objection(standing: Standing) -> str:
    """What speaks against a strategy."""
    return objections.clause(standing.objection)
