"""The page docs/reference/what-happens-when.md, from a run of plans/faults.toml.

`python benchmarks/what_happens_when.py RUN_FOLDER` writes benchmarks/recorded/faults.json and the page; without a
folder, the page alone, from that record.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.analysis.findings import findings_of
from loadlab.model.recorded import RecordedRun
from loadlab.model.samples import Series
from loadlab.plan.experiment import read_plan
from loadlab.report.what_happens_when import RECORDED, what_happens_when_page
from loadlab.store.reader import RunReader
from loadlab.store.records import SCHEDULE_RECORDS, SESSION_RECORDS, TRIAL_RECORDS

if TYPE_CHECKING:
    from loadlab.model.samples import Trial
    from loadlab.model.session import LabSession

REPOSITORY: Final = Path(__file__).resolve().parent.parent
PLAN: Final = REPOSITORY / "plans" / "faults.toml"
RECORD: Final = REPOSITORY / RECORDED
PAGE: Final = REPOSITORY / "docs" / "reference" / "what-happens-when.md"
PARTS: Final = ("versions", "PostgreSQL", "machine")
MACHINE: Final = ("cores", "memory_gib", "load_average_before_run")


def record_of(recorded: RecordedRun) -> str:
    """All that the page needs of a run, as JSON: trials are without the columns that their extracts stand for."""
    schedule = replace(recorded.schedule, key="", plan="")
    sessions = [SESSION_RECORDS.written(_brief(one)).decode() for one in recorded.sessions]
    trials = [TRIAL_RECORDS.written(_without_samples(one)).decode() for one in recorded.trials]
    parts = {
        "plan": json.dumps(recorded.plan),
        "schedule": SCHEDULE_RECORDS.written(schedule).decode(),
        "sessions": _lines(sessions),
        "trials": _lines(trials),
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n"


def _lines(values: list[str]) -> str:
    """A list with a value on each line."""
    return "[\n" + ",\n".join(values) + "\n]"


def _brief(session: LabSession) -> LabSession:
    environment = {part: dict(session.environment.get(part, {})) for part in PARTS}
    environment["machine"] = {name: environment["machine"][name] for name in MACHINE if name in environment["machine"]}
    return replace(session, environment=environment)


def _without_samples(trial: Trial) -> Trial:
    return replace(trial, series=Series(at=[], values={}), uses=None, run="")


def recorded_in(text: str) -> RecordedRun:
    """The run that a record is of."""
    written: dict[str, Any] = json.loads(text)
    return RecordedRun(
        schedule=SCHEDULE_RECORDS.read(written["schedule"]),
        plan=written["plan"],
        plan_path="plans/faults.toml",
        sessions=[SESSION_RECORDS.read(one) for one in written["sessions"]],
        trials=[TRIAL_RECORDS.read(one) for one in written["trials"]],
        restarts=(),
    )


def page_of(text: str) -> str:
    """The page that a record makes."""
    recorded = recorded_in(text)
    measured = {case.fault.name for case in recorded.schedule.cases if case.fault}
    return what_happens_when_page(findings_of(recorded), [name for name in planned() if name not in measured])


def planned() -> list[str]:
    """The faults of the plan as it is now."""
    cases = read_plan(PLAN.read_text(), str(PLAN)).cases
    return list(dict.fromkeys(case.fault.name for case in cases if case.fault))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="RUN_FOLDER")
    folder = parser.parse_args().folder
    if folder is not None:
        RECORD.write_text(record_of(RunReader.at(folder).recorded()))
    PAGE.write_text(page_of(RECORD.read_text()))


if __name__ == "__main__":
    main()
