"""What tests of programs share: a signal in the middle of their start."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

import pytest


@pytest.fixture
def interrupted_births(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Send this process SIGINT whenever a program has just been born; the pids of those that were."""
    born: list[int] = []

    class Disturbed(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            born.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Disturbed)
    return born
