"""Decides whether a run can be resumed, and says what has changed since it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.model.session import changes
from loadlab.store.layout import PLAN

if TYPE_CHECKING:
    from loadlab.lab.journal import Journal
    from loadlab.model.config import Scalar
    from loadlab.model.plan import Plan
    from loadlab.model.session import Continuation, LabSession
    from loadlab.services.external_database import Reference
    from loadlab.store.folder import RunFolder

RESTORE: Final = "One run cannot hold trials of both. Restore this and run the command again, or start a new run"
MOST_TOLD: Final = 12  # facts in one notice


def require_same_kind(folder: RunFolder, plan: Plan, dsn: Reference | None) -> None:
    """Check, before anything starts, that a run is resumed with --dsn if it began with it, and only then.

    Raises:
        UsageError: it is not.
    """
    given = dsn is not None and dsn.text is not None
    for session in _earlier(folder):
        origin = session.environment.get("PostgreSQL", {}).get("origin")
        own = plan.project is not None and plan.project.database == "own"
        if given and (origin == "embedded" or (origin is None and plan.target is not None)):
            begun = "without reading PostgreSQL's statistics" if origin is None else "on an embedded PostgreSQL"
            raise UsageError(
                f"{folder.path} was measured {begun}, but --dsn names a database. Remove --dsn, or start a new run."
            )
        if not given and origin == "given" and (plan.target is not None or not own):
            command = session.continuation.command(folder.path)
            hint = f"Continue with: {command}" if session.continuation.options else "Name it again with --dsn"
            raise UsageError(f"{folder.path} was measured on a database that --dsn named. {hint}.")


def begin_session(
    folder: RunFolder, environment: dict[str, dict[str, Scalar]], continuation: Continuation, journal: Journal
) -> None:
    """Record the environment of the trials to come.

    Raises:
        UsageError: it differs so much from that of the earlier trials that one run cannot hold both.
    """
    for session in _earlier(folder):
        changed = changes(session.environment, environment)
        deciding = [str(change) for change in changed if change.decides]
        if deciding:
            raise UsageError(f"{folder.path} was measured with other values: {'; '.join(deciding)}. {RESTORE}.")
        if changed:
            told = [str(change) for change in changed[:MOST_TOLD]]
            more = [f"and {len(changed) - MOST_TOLD} more"] if len(changed) > MOST_TOLD else []
            when = "the run began" if session.number <= 1 else f"session {session.number}"
            journal.notice(f"changed since {when} (the report will say so): {'; '.join([*told, *more])}")
    if folder.trials()[0] and not folder.schedule().key:
        journal.notice(f"this run is not sealed (loadlab 0.1.0 began it), so loadlab cannot notice edits of its {PLAN}")
    folder.begin_session(environment, continuation)


def _earlier(folder: RunFolder) -> list[LabSession]:
    """The sessions whose trials are kept."""
    measured = {trial.session for trial in folder.trials()[0]}
    return [session for session in folder.sessions()[0] if session.number in measured]
