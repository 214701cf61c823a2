"""A state folder of the tests' own, which the ordinary user can reach that root's Prometheus runs as."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from loadlab.processes import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def own_state() -> Iterator[Path]:
    for program in ("prometheus", "promtool"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program} on this machine")
    state = Path(tempfile.mkdtemp(prefix="loadlab-tests-", dir="/var/tmp"))
    state.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(STATE_VARIABLE, str(state))
        yield state
    shutil.rmtree(state)
