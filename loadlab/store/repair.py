"""Sets damaged files of a run folder aside, and writes those again whose content is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from loadlab.errors import EnvironmentFaultError
from loadlab.store.damage import environment_fault, plan_fault
from loadlab.store.layout import ENVIRONMENT, LOGS, PLAN, PROGRESS, SCHEDULE, session_record
from loadlab.system.files import DamagedFileError, is_no_folder, set_aside, what_else

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.store.folder import RunFolder


def repair(run: RunFolder) -> list[str]:
    """Make a run fit to go on; returns what was done, a sentence for each file.

    Raises:
        EnvironmentFaultError: a file cannot be renamed or written.
    """
    try:
        done = [_put_aside(run, room) for room in run.rooms if is_no_folder(room)]
        run.make_rooms()
        done += [_put_aside(run, run.path / name) for name in dict.fromkeys(_unfit(run))]
    except OSError as error:
        raise EnvironmentFaultError(f"{run.path} cannot be repaired: {error}.") from error
    return done + _written_anew(run)


def _written_anew(run: RunFolder) -> list[str]:
    done = []
    plan, sessions = run.schedule().plan, run.sessions()[0]
    if plan and plan_fault(run):
        run.write_text(PLAN, plan)
        done.append(f"{PLAN} is written again from {SCHEDULE}.")
    if sessions and sessions[-1].number and environment_fault(run, ()):
        run.write_environment(sessions[-1].environment)
        done.append(f"{ENVIRONMENT} is written again from {session_record(sessions[-1].number)}.")
    return done


def _unfit(run: RunFolder) -> Iterator[str]:
    """The files that would block new ones, or be taken for records."""
    for found in (run.trials()[1], run.sessions()[1], run.restarts()[1], run.opens()[1], run.holding()[1]):
        yield from (str(caveat.subject) for caveat in found)
    yield from (f"{LOGS}/{path.name}" for path in sorted(run.logs.iterdir()) if what_else(path))
    yield from (name for name in (PLAN, ENVIRONMENT) if what_else(run.path / name))
    if run.schedule().plan and os.path.lexists(run.path / PLAN) and plan_fault(run):
        yield PLAN
    try:
        run.progress()
    except DamagedFileError:
        yield PROGRESS


def _put_aside(run: RunFolder, path: Path) -> str:
    return f"{path.relative_to(run.path)} is damaged; it is kept as {set_aside(path).name}."
