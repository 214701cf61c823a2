"""Tests that want a real Prometheus, and a state folder that the ordinary user it runs as can reach."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from states import state_in_use

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    with state_in_use() as state:
        yield state
