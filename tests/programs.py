"""Programs beside a test, which use the lab's database from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from loadlab.lab.lab import Lab


def output_of(program: Path, given: Mapping[str, Any], lab: Lab, **environment: str) -> str:
    """What a program prints that must end well; it is given JSON, with the lab's database as `entry`."""
    done = subprocess.run(
        [sys.executable, str(program), json.dumps({**given, "entry": lab.database.django()})],
        env={**os.environ, **lab.database.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
