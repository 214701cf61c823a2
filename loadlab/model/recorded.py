"""All that a run folder holds, as it was read: what findings are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.model.caveats import Caveat
    from loadlab.model.holding import Holding
    from loadlab.model.opens import Opens
    from loadlab.model.samples import Restart, Trial
    from loadlab.model.schedule import Schedule
    from loadlab.model.session import LabSession


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordedRun:
    """A run, finished or not.

    `plan` is the text that it began with, and `plan_path` where its file is. `trials` and `restarts` can be trusted.
    `opens` says where the time of an open goes, and `holding` what keeping one costs; None where that was not measured.
    `damaged` says which files are not what was written, and `lost_sessions` which records of sessions are gone.
    """

    schedule: Schedule
    plan: str
    plan_path: str
    sessions: Sequence[LabSession]
    trials: Sequence[Trial]
    restarts: Sequence[Restart]
    opens: Opens | None = None
    holding: Holding | None = None
    damaged: Sequence[Caveat] = ()
    lost_sessions: Sequence[Caveat] = ()
