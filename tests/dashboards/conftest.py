"""A real Prometheus over the recorded run."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from states import state_in_use

from dashboards.evidence.recording import Recording
from dashboards.evidence.replay import replayed
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dashboards.evidence.answers import Span
    from dashboards.evidence.api import Api


@pytest.fixture(scope="module")
def own_state() -> Iterator[Path]:
    """A state folder of the tests' own, which the ordinary user can reach that root's Prometheus runs as."""
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")
    with state_in_use() as state:
        yield state


@pytest.fixture(scope="module")
def span() -> Span:
    return Recording().span()


@pytest.fixture(scope="module")
def api(own_state: Path) -> Iterator[Api]:
    with Register.opened() as register, replayed(Recording(), register) as opened:
        yield opened
