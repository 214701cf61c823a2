"""What in a run folder, beside its trials, is not what loadlab has written there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.model.caveats import Caveat, CaveatKind
from loadlab.store.layout import ENVIRONMENT, PLAN, PROGRESS, SESSIONS, records, session_record
from loadlab.store.plan_changes import changed_keys
from loadlab.store.records import brief
from loadlab.system.files import DamagedFileError, plain_toml, what_else

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.samples import Trial
    from loadlab.store.reader import RunReader

LOST_SESSION: Final = "What its trials were measured on is not known."


def damaged(name: str, fault: str, remedy: str, kind: CaveatKind = CaveatKind.DAMAGED) -> Caveat:
    return Caveat(kind=kind, subject=name, figures={"fault": fault, "remedy": remedy})


def damage(run: RunReader, trials: Sequence[Trial]) -> list[Caveat]:
    """A caveat for each file beside the records of `trials` that is not what was written."""
    sessions, found = run.sessions()
    again = f"{run.continuation().command(run.path)} writes it again."
    if fault := plan_fault(run):
        remedy = f"Remove it: {again}" if os.path.lexists(run.path / PLAN) else again
        found.append(damaged(PLAN, fault, remedy, CaveatKind.DAMAGED_PLAN))
    if fault := environment_fault(run, trials):
        known = bool(sessions and sessions[-1].number)
        found.append(damaged(ENVIRONMENT, fault, again if known else "It is lost."))
    if other := what_else(run.path / PROGRESS):
        found.append(damaged(PROGRESS, other, again))
    return found


def lost_sessions(run: RunReader, trials: Sequence[Trial]) -> list[Caveat]:
    """A caveat for each session that measured some of `trials`, and whose record is gone."""
    lost = sorted({trial.session for trial in trials} - records(run.path, SESSIONS).keys() - {0})
    figures = {"remedy": LOST_SESSION}
    return [Caveat(kind=CaveatKind.SESSION_LOST, subject=session_record(number), figures=figures) for number in lost]


def plan_fault(run: RunReader) -> str:
    """Why the plan's file cannot be what the run began with; empty if it can, or if nothing tells."""
    try:
        changes = _plan_changes(run)
    except (OSError, DamagedFileError, UnicodeDecodeError) as error:
        return brief(error)
    return f"changed since: {changes}" if changes else ""


def require_same_plan(run: RunReader) -> None:
    """Refuse to go on with an edited plan.

    Raises:
        UsageError: the plan's file is a plan, but another one than the run began with.
    """
    try:
        changes = _plan_changes(run)
    except (OSError, DamagedFileError, UnicodeDecodeError):
        return  # it is written anew
    if changes:
        plan = run.path / PLAN
        raise UsageError(
            f"{plan} is not the plan that this run began with: changed since: {changes}. Trials of two plans cannot be"
            f" in one run. Measure the new plan in another folder: loadlab run {plan} --out ANOTHER_FOLDER. Or remove"
            f" the file: {run.continuation().command(run.path)} writes it again."
        )


def _plan_changes(run: RunReader) -> str:
    """What differs between the plan's file and the sealed plan.

    Raises:
        OSError: the file cannot be read.
        DamagedFileError: it is empty, or not TOML.
        UnicodeDecodeError: it is not UTF-8.
    """
    sealed_plan, text = run.schedule().plan, run.plan_file()
    if not sealed_plan or text == sealed_plan:
        return ""
    if not text.strip():
        raise DamagedFileError("it is empty")
    return changed_keys(plain_toml(sealed_plan), plain_toml(text))


def environment_fault(run: RunReader, trials: Sequence[Trial]) -> str:
    """Why the environment's file cannot be what was written; empty if it can."""
    sessions, _ = run.sessions()
    last = sessions[-1] if sessions else None
    try:
        environment = run.environment_file()
    except FileNotFoundError:
        return "it is missing" if trials or last else ""
    except (OSError, DamagedFileError) as error:
        return brief(error)
    if last is None or environment == last.environment:
        return ""
    return f"it does not say what {session_record(last.number)} says"
