"""What may not change between two sessions of a run, and what is told if it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.errors import UsageError
from loadlab.model.session import changes
from loadlab.store.layout import PLAN

if TYPE_CHECKING:
    from loadlab.lab.journal import Journal
    from loadlab.model.config import Scalar
    from loadlab.model.plan import Plan
    from loadlab.model.session import Continuation, Session
    from loadlab.services.external_database import Reference
    from loadlab.store.folder import RunFolder

NEW_RUN: Final = "Trials on both cannot be in one run. Resume it as it was begun, or begin another with --out"
MOST_TOLD: Final = 12  # facts in one notice


def require_same_kind(folder: RunFolder, plan: Plan, dsn: Reference | None) -> None:
    """Before anything starts: a run that was begun with --dsn goes on with it, and one begun without, without.

    Raises:
        UsageError: so.
    """
    given = dsn is not None and dsn.text is not None
    for session in _earlier(folder):
        origin = session.environment.get("PostgreSQL", {}).get("origin")
        own = plan.project is not None and plan.project.database == "own"
        if given and (origin == "embedded" or (origin is None and plan.target is not None)):
            begun = "without asking PostgreSQL" if origin is None else "on an embedded PostgreSQL"
            raise UsageError(f"{folder.path} was measured {begun}, and --dsn names another database. {NEW_RUN}.")
        if not given and origin == "given" and (plan.target is not None or not own):
            command = session.continuation.command(folder.path)
            hint = f"Go on with: {command}" if session.continuation.options else "Name it again with --dsn"
            raise UsageError(f"{folder.path} was measured on a database that --dsn named. {hint}.")


def begin_session(
    folder: RunFolder, environment: dict[str, dict[str, Scalar]], continuation: Continuation, journal: Journal
) -> None:
    """Note what the trials to come are measured on, if they may be in one run with those that are there.

    Raises:
        UsageError: they may not.
    """
    for session in _earlier(folder):
        changed = changes(session.environment, environment)
        deciding = [str(change) for change in changed if change.decides]
        if deciding:
            raise UsageError(f"{folder.path} was measured on something else: {'; '.join(deciding)}. {NEW_RUN}.")
        if changed:
            told = [str(change) for change in changed[:MOST_TOLD]]
            more = [f"and {len(changed) - MOST_TOLD} more"] if len(changed) > MOST_TOLD else []
            began = "as it was begun" if session.number <= 1 else f"as session {session.number} was"
            journal.notice(f"this session is not {began}, and the report will say so: {'; '.join([*told, *more])}")
    if folder.trials()[0] and not folder.schedule().key:
        journal.notice(f"this run is not sealed (loadlab 0.1.0 began it): an edited {PLAN} would not be noticed")
    folder.begin_session(environment, continuation)


def _earlier(folder: RunFolder) -> list[Session]:
    """The sessions whose trials are kept; without any, there is nothing that could be mixed."""
    measured = {trial.session for trial in folder.trials()[0]}
    return [session for session in folder.sessions()[0] if session.number in measured]
