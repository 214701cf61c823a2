"""What is not installed is named by each command that would need it, all at once and before anything starts."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_line import InProcess

PLAN: Final = "[servers.waitress]\n[servers.sync]\n[servers.cheroot]\n[strategies.max_age]\n"
BOTH: Final = (
    "loadlab: Not installed, and needed:\n  servers.waitress: waitress\n  servers.cheroot: cheroot\n"
    f"Install it (packages: {sys.executable} -m pip install waitress cheroot), or leave out what needs it.\n"
)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A Python without waitress and cheroot, and a folder for the lab's state."""
    found: Callable[[str], object] = importlib.metadata.distribution

    def distribution(name: str) -> object:
        if name in {"waitress", "cheroot"}:
            raise importlib.metadata.PackageNotFoundError(name)
        return found(name)

    monkeypatch.setattr(importlib.metadata, "distribution", distribution)
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path


def test_a_run_names_all_that_is_missing_and_leaves_no_folder(here: InProcess, bare: Path) -> None:
    (bare / "plan.toml").write_text(PLAN)
    done = here("run", bare / "plan.toml", "--out", bare / "run", "--quiet")
    assert (done.code, done.stdout) == (3, "")
    assert BOTH in done.stderr
    assert not (bare / "run").exists()


def test_a_plan_can_be_listed_without_what_it_needs(here: InProcess, bare: Path) -> None:
    (bare / "plan.toml").write_text(PLAN)
    assert here("plan", bare / "plan.toml").code == 0


def test_serve_names_what_its_mode_lacks(here: InProcess, bare: Path) -> None:
    done = here("serve", "--server", "waitress")
    assert (done.code, done.stdout) == (3, "")
    assert "  servers.waitress: waitress\n" in done.stderr
    assert "cheroot" not in done.stderr


def test_behaviour_lists_a_row_that_it_cannot_count_and_says_why(here: InProcess, bare: Path) -> None:
    only = ("--only", "waitress,*")
    assert here("behaviour", "--list", *only).stdout.splitlines()[0].startswith("waitress,threads=4/")
    done = here("behaviour", *only)
    assert (done.code, done.stdout) == (3, "")
    assert "  servers.waitress: waitress\n" in done.stderr
