"""How long an access log of 10 million lines takes to read as the traffic of a fleet, and in how much memory.

Each row is a process that reads a log of one day, and the same with a tenth of the lines: memory must not grow.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from workbench import SEED, watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench import Watch

LINES: Final = 10_000_000
DAY: Final = 86_400
REPOSITORY: Final = Path(__file__).resolve().parent.parent
GOAL: Final = "10,000,000 lines in ≤ 60 s, memory that does not grow"
REQUESTS: Final = 9973  # different ones; a prime, so that no second is like another
# The peak is Linux's own of this program: ru_maxrss has that of the parent too, from before exec.
READ: Final = """
import json, sys, time
began = time.perf_counter()
from loadlab.fleet.traffic.access_log import AccessLog
rates = AccessLog(**json.loads(sys.argv[1])).rates(None)
(peak,) = [int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(json.dumps([time.perf_counter() - began, peak * 1024, rates.expected[-1]]))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A log to read: its name, and the parameters beside it."""

    file: str
    parameters: dict[str, object]

    @property
    def label(self) -> str:
        return f"{self.file}{', only some paths' if self.parameters else ''}"


ARMS: Final = (
    Arm(file="combined.log", parameters={}),
    Arm(file="combined.log", parameters={"only": ["/api/*", "/products/*"], "without": ["/api/health*"]}),
    Arm(file="combined.log.gz", parameters={}),
    Arm(file="json.log", parameters={}),
)


def run(watch: Watch, blocks: int | None) -> Table:  # noqa: ARG001  one reading each
    return measure(watch, LINES)


def measure(watch: Watch, lines: int) -> Table:
    made = Table(title=f"Reading an access log of {lines:,} lines", caption=f"Goal: {GOAL}.")
    for heading in ("log", "MB", "seconds", "lines/s", "peak MB", "peak MB, a tenth"):
        made.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as scratch:
        whole, tenth = Path(scratch, "whole"), Path(scratch, "tenth")
        write_logs(whole, lines)
        write_logs(tenth, lines // 10)
        for arm in watch.over(ARMS, lambda arm: arm.label):
            seconds, peak, requests = read(whole, arm)
            if not arm.parameters and requests != lines:
                raise SystemExit(f"{arm.file}: {requests:,} of {lines:,} lines were counted")
            size = (whole / arm.file).stat().st_size
            figures = (size / 1e6, seconds, lines / seconds, peak / 1e6, read(tenth, arm)[1] / 1e6)
            made.add_row(arm.label, *(f"{figure:,.0f}" for figure in figures))
    return made


def read(folder: Path, arm: Arm) -> tuple[float, float, float]:
    """Seconds with the start of loadlab's modules, peak resident bytes, and the requests that were counted."""
    given = json.dumps({"files": [str(folder / arm.file)], **arm.parameters})
    done = subprocess.run(
        [sys.executable, "-c", READ, given], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    seconds, peak, requests = json.loads(done.stdout)
    return seconds, peak, requests


def write_logs(folder: Path, lines: int) -> None:
    """The same requests in each format, at random over a day."""
    folder.mkdir()
    _write(folder / "combined.log", lines, "%d/%b/%Y:%H:%M:%S", _combined)
    _write(folder / "json.log", lines, "%Y-%m-%dT%H:%M:%S", _json)
    with (
        (folder / "combined.log").open("rb") as log,
        gzip.open(folder / "combined.log.gz", "wb", compresslevel=1) as gz,
    ):
        shutil.copyfileobj(log, gz, 1 << 20)


def _write(path: Path, lines: int, form: str, line: Callable[[int], tuple[str, str]]) -> None:
    parts = [line(number) for number in range(REQUESTS)]
    with path.open("w") as file:
        turn = 0
        for second, requests in enumerate(_per_second(lines)):
            when = time.strftime(form, time.gmtime(1_764_201_600 + second))
            chosen = (parts[(turn + each) % REQUESTS] for each in range(requests))
            file.write("".join([f"{before}{when}{after}" for before, after in chosen]))
            turn += requests


def _per_second(lines: int) -> Iterator[int]:
    """How many come in each second of a day; in the first and the last one at least one."""
    chance = random.Random(SEED)
    counts = [1] + [0] * (DAY - 2) + [1]
    for second in chance.choices(range(DAY), k=lines - 2):
        counts[second] += 1
    return iter(counts)


def _request(number: int) -> tuple[str, str]:
    paths = (
        "/",
        "/api/orders/?page={}",
        "/static/css/app.{}.css",
        "/products/{}/",
        "/search?q=shoes+{}",
        "/api/health",
    )
    agents = (
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Version/17.5 Safari/604.1",
        "curl/8.5.0",
    )
    return f"GET {paths[number % len(paths)].format(number)} HTTP/1.1", agents[number % len(agents)]


def _combined(number: int) -> tuple[str, str]:
    request, agent = _request(number)
    rest = f' +0000] "{request}" 200 {number * 7} "https://shop.example.com/" "{agent}"\n'
    return f"10.{number % 256}.{number % 99}.7 - - [", rest


def _json(number: int) -> tuple[str, str]:
    request, agent = _request(number)
    others = {"remote_addr": f"10.{number % 256}.0.7", "request": request, "status": 200, "bytes": number * 7}
    rest = json.dumps({**others, "request_time": number / 1e5, "agent": agent})
    return '{"time": "', f'.{number % 1000:03d}Z", {rest[1:]}\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES, metavar="N", help=f"lines of the log (default: {LINES:,})")
    with watching("access log") as watch:
        table = measure(watch, parser.parse_args().lines)
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table)


if __name__ == "__main__":
    main()
