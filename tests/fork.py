"""A copy of the repository to which a reader has added every program of CONTRIBUTING, each as one file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
COPIED: Final = ("loadlab", "locustfiles", "plans", "dashboards")
# Where a reader would save each program, by the heading that it stands under.
PLACES: Final = {
    "Add a server mode": "loadlab/servers/twisted.py",
    "Add a strategy": "loadlab/strategies/checked_minute.py",
    "Add a scenario": "locustfiles/longer_query.py",
    "Add a probe": "loadlab/probes/database_size.py",
    "Add a report format": "loadlab/report/formats/spreadsheet.py",
    "Add a fault": "loadlab/faults/accept_stalls.py",
    "Add a dashboard": "dashboards/source/boards/waits.py",
    "Add a claim": "loadlab/claims/no_time_out.py",
    "Add a cause of leaks": "loadlab/leak_causes/waits_for_lock.py",
    "Add a traffic": "loadlab/fleet/traffic/ramp.py",
    "Add an event": "loadlab/fleet/events/out_of_memory.py",
}


def examples() -> dict[str, list[str]]:
    """The programs in CONTRIBUTING, by the headings that they stand under."""
    found: dict[str, list[str]] = {}
    for section in re.split(r"^## ", (ROOT / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE)[1:]:
        for code in re.findall(r"^```python\n(.*?)^```", section, re.DOTALL | re.MULTILINE):
            found.setdefault(section.partition("\n")[0], []).append(code)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Fork:
    """The copy; a program that runs in it finds the copy's loadlab."""

    folder: Path

    @classmethod
    def made(cls, folder: Path) -> Fork:
        for name in COPIED:
            shutil.copytree(ROOT / name, folder / name)  # with what it was compiled to
        for heading, (code,) in examples().items():
            place = folder / PLACES[heading]
            if place.exists():
                raise FileExistsError(f"{PLACES[heading]} is there already; the example should add a file")
            place.write_text(code)
        return cls(folder=folder)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.folder)}

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
