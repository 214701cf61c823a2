"""A state folder of the tests' own, with what takes long to make: the labs of this user have made it before."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from loadlab.system.state_folder import STATE_VARIABLE, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

# What projects and the templates of reports were compiled to, and where projects find loadlab.
MADE_HERE: Final = ("bytecode", "templates", "library")
# PostgreSQL's programs, and the data folders that labs copy.
MADE_BY_LABS: Final = ("postgresql-*", "cluster-*")


@contextmanager
def separate_state() -> Iterator[Path]:
    """The folder, with no lab in it. It goes at the end, and what it shares with the usual one stays."""
    # Not pytest's own folder, which is closed to the ordinary user that root's PostgreSQL runs as.
    state = Path(tempfile.mkdtemp(prefix="loadlab-tests-", dir="/var/tmp"))
    state.chmod(0o755)
    try:
        for path in _shared(state_directory().resolve()):
            (state / path.name).symlink_to(path.resolve())
        yield state
    finally:
        shutil.rmtree(state, ignore_errors=True)


@contextmanager
def state_in_use() -> Iterator[Path]:
    """The same, and what this very process starts goes there."""
    with separate_state() as state, pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(state))
        yield state


def _shared(usual: Path) -> Iterator[Path]:
    for name in MADE_HERE:
        (usual / name).mkdir(exist_ok=True)
        yield usual / name
    for pattern in MADE_BY_LABS:
        yield from usual.glob(pattern)


def forget_compiled(state: Path, folder: Path) -> None:
    """Remove what the projects of a temporary folder were compiled to."""
    shutil.rmtree(state / "bytecode" / folder.resolve().relative_to("/"), ignore_errors=True)
