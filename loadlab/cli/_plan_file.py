"""Reads the plan that a command names, or the default one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.errors import UsageError
from loadlab.model.plan import DEFAULT_PLAN
from loadlab.planning import read_plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from loadlab.planning import Experiment


def read_experiment(path: Path | None, only: Sequence[str]) -> Experiment:
    """The experiment of a plan file.

    Raises:
        UsageError: the file cannot be read, or has faults.
    """
    if path is None:
        return read_plan(DEFAULT_PLAN, "the default plan", only)
    try:
        return read_plan(path.read_text(encoding="utf-8"), str(path), only)
    except OSError as error:
        raise UsageError(f"The plan {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The plan {path} is not UTF-8 text (byte {error.start}).") from error
