"""Run folders that were really measured, for tests of what is made of them: recorded once, and sealed anew for each."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.model.session import Continuation
from loadlab.store.folder import RunFolder
from loadlab.store.reader import RunReader

if TYPE_CHECKING:
    from loadlab.model.config import Scalar

RECORDED: Final = Path(__file__).resolve().parents[1] / "recorded"
SCHEMA_1: Final = RECORDED / "schema-1"


def sealed_run(
    path: Path, continuation: Continuation | None = None, environment: dict[str, dict[str, Scalar]] | None = None
) -> RunFolder:
    """The eight recorded trials in a run of today, measured in one session."""
    recorded = RunReader(SCHEMA_1)
    how = continuation or Continuation()
    schedule = replace(recorded.schedule(), id=path.name, continuation=how)
    folder = RunFolder.begin(path, recorded.plan(), schedule)
    folder.begin_session(environment or recorded.environment(), how)
    for trial in recorded.trials()[0]:
        folder.add_trial(trial)
    (path / "progress.jsonl").write_bytes((SCHEMA_1 / "progress.jsonl").read_bytes())
    return folder
