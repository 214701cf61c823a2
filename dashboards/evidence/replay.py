"""A real Prometheus over a recording."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dashboards.evidence.api import Api
from loadlab.errors import EnvironmentFaultError
from loadlab.services.prometheus import Task, prometheus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboards.evidence.recording import Recording
    from loadlab.system.processes import Register


@contextmanager
def replayed(recording: Recording, register: Register) -> Iterator[Api]:
    """The API of a Prometheus that holds what was recorded, at the times at which it was.

    Text cannot say that a target has gone, as a scrape does: its last values stay for the usual five minutes.

    Raises:
        EnvironmentFaultError: Prometheus or promtool is not installed, or does not take the recording.
    """
    promtool = shutil.which("promtool")
    if promtool is None:
        raise EnvironmentFaultError("There is no promtool here. It comes with Prometheus: apt install prometheus.")
    text, blocks = register.folder / "samples.om", register.folder / "blocks"
    text.write_bytes(recording.text())
    argv = [promtool, "tsdb", "create-blocks-from", "openmetrics", "--quiet", str(text), str(blocks)]
    made = subprocess.run(argv, capture_output=True, text=True, check=False)
    if made.returncode:
        raise EnvironmentFaultError(f"promtool does not take the recording: {made.stderr.strip()}")
    with prometheus(Task(), register, register.folder / "prometheus.log", kept=blocks) as running:
        yield Api(running.url)
