"""Counting stays cheap: instructions of a real worker, which no other load on the machine changes."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("valgrind") is None, reason="wants valgrind"),
]

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "instructions.py"


def test_counting_adds_at_most_a_fiftieth_to_the_instructions_of_a_request() -> None:
    command = [sys.executable, str(BENCHMARK), "--only", "sync", "--boots", "2", "--ours", "--kept", "--goal", "1.02"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
