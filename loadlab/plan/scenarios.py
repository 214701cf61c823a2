"""The Locust file of a scenario, and what it says of itself; the file is read and not run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from loadlab.system.packaged import packaged

CONNECTIONS_PER_REQUEST: Final = re.compile(r"^CONNECTIONS_PER_REQUEST *= *([1-9]\d*)", re.MULTILINE)
ASYNC_VIEWS: Final = re.compile(r"^ASYNC_VIEWS *= *True\b", re.MULTILINE)
EXPECT_FAILURES: Final = re.compile(r"^EXPECT_FAILURES *= *True\b", re.MULTILINE)
SCENARIO_FOLDER: Final = packaged("locustfiles")


def locustfile(scenario: str) -> Path:
    """The file of a scenario: a path of the user's own, or a name in `locustfiles/`."""
    return Path(scenario).resolve() if scenario.endswith(".py") else SCENARIO_FOLDER / f"{scenario}.py"


def scenarios() -> list[str]:
    return sorted(path.stem for path in SCENARIO_FOLDER.glob("*.py"))


def connections_per_request(scenario: str) -> int:
    """How many aliases a request of the scenario uses, each with its own connection; its file is not run."""
    said = CONNECTIONS_PER_REQUEST.search(locustfile(scenario).read_text(errors="replace"))
    return int(said[1]) if said else 1


def expects_failures(scenario: str) -> bool:
    """Whether the scenario says that all its requests may fail; its file is not run."""
    return EXPECT_FAILURES.search(locustfile(scenario).read_text(errors="replace")) is not None


def has_async_views(scenario: str) -> bool:
    """Whether the scenario says that the views that it requests are asynchronous; its file is not run."""
    return ASYNC_VIEWS.search(locustfile(scenario).read_text(errors="replace")) is not None
