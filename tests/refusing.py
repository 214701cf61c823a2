"""Runs commands whose standard streams refuse what is written. Each is a fork of one process that has loaded all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from command_line import REPOSITORY, Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENDINGS: Final = """
import json, os, resource, signal, sys
{run}
def as_usual(number):
    pass
def disk_full(number):
    to = os.open(os.devnull, os.O_WRONLY)
    os.dup2(to, number)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, resource.RLIM_INFINITY))
def to_full_disk(number):
    os.dup2(os.open("/dev/full", os.O_WRONLY), number)
def to_nobody(number):
    reader, writer = os.pipe()
    os.close(reader)
    os.dup2(writer, number)
def closed(number):
    os.close(number)
    setattr(sys, ("stdin", "stdout", "stderr")[number], None)
def into(name, number):
    os.dup2(os.open(name, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), number)
for row, (way, number, argv) in enumerate(json.loads(sys.argv[1])):
    if not os.fork():
        into(f"{{row}}.stdout", 1)
        into(f"{{row}}.stderr", 2)
        globals()[way](number)
        sys.exit(run(argv))
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


def endings(
    run: str, rows: Sequence[tuple[str, int, Sequence[str]]], folder: Path, **environment: str
) -> list[Outcome]:
    """How each row ends: the way in which a stream refuses, the stream's number, and the arguments.

    `run` is the source of a function that takes them and returns an exit code.
    """
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    path = os.pathsep.join([str(folder), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-c", ENDINGS.format(run=run), json.dumps(rows)],
        cwd=folder,
        env={**buffered, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    codes = [int(code) for code in done.stdout.split()]
    said = [[(folder / f"{row}.{name}").read_text() for name in ("stdout", "stderr")] for row in range(len(rows))]
    return [Outcome(code=code, stdout=out, stderr=err) for code, (out, err) in zip(codes, said, strict=True)]
