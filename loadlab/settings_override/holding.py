"""Opens connections as the project does, and holds them: does what it is told line by line, and answers in JSON.

"open N" opens and closes N connections one after the other, and answers with the CPU seconds of this process for each.
"hold N" opens N more and keeps them, each after one query, and answers with the pids of their backends, and with what
this process has grown by: bytes and open files, None where the system does not tell. It ends with its input.
"""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import django

PAUSE_SECONDS = 0.005  # the last backend ends meanwhile


class HeldConnections:
    """The connections that are held, and the project's wrapper that opens them."""

    def __init__(self) -> None:
        from django.db import connection  # noqa: PLC0415  once there are settings

        connection.settings_dict["OPTIONS"].pop("pool", None)  # which would open them in its own time
        self._wrapper = connection
        self._held: list[Any] = []

    def open(self, count: int) -> list[float]:
        taken = []
        for _ in range(count):
            time.sleep(PAUSE_SECONDS)
            begun = time.process_time()
            self._wrapper.connect()
            self._wrapper.close()
            taken.append(time.process_time() - begun)
        return taken

    def hold(self, count: int) -> dict[str, Any]:
        before = _size()
        pids = [self._hold_one() for _ in range(count)]
        return {"pids": pids, "grown": [_difference(*both) for both in zip(_size(), before, strict=True)]}

    def _hold_one(self) -> int:
        self._wrapper.connect()
        with self._wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchall()
        self._held.append(self._wrapper.connection)
        self._wrapper.connection = None
        return int(self._held[-1].info.backend_pid)


def _size() -> tuple[int | None, int | None]:
    """The proportional share of this process' memory in bytes, and how many files it has open."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()
        share = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return share * 1024, sum(1 for _ in Path("/proc/self/fd").iterdir())
    return None, None


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None else after - before


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "loadlab.settings_override.settings")
    django.setup()
    held = HeldConnections()
    for line in sys.stdin:
        command, count = line.split()
        answer = {"open": held.open, "hold": held.hold}[command](int(count))
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
