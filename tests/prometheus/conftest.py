"""Tests that want a real Prometheus, and a state folder that the ordinary user it runs as can reach."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip("there is no prometheus on this machine")
    return found


@pytest.fixture(scope="session")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("there is no promtool on this machine")
    return found


@pytest.fixture(scope="module")
def own_state() -> Iterator[Path]:
    """What this very process starts goes there, while the module's tests last."""
    state = Path(tempfile.mkdtemp(prefix="loadlab-tests-", dir="/var/tmp"))
    state.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(state))
        yield state
    shutil.rmtree(state)
