"""What a listing of many open connections costs, as JSON and as a table, beside a scrape of the same ledgers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workbench import Watch

PROCESSES: Final = 8
OPEN: Final = (100, 1_000, 10_000)
READINGS: Final = 15
REPOSITORY: Final = Path(__file__).resolve().parent.parent

# Each process opens its share, for requests of some routes, and holds them until its input ends.
HOLDER: Final = """
import sys
from pathlib import Path
from loadlab.instrumentation.ledger import Ledger
folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
ledger = Ledger(folder)
name = ledger.name("greenlet")
units = [ledger.unit(0, f"shop/<int:pk>/part-{number}/") for number in range(40)]
for number in range(first, last):
    row = ledger.connecting("default")
    row.opened()
    unit = units[number % len(units)]
    row.held(1000 + number, (number, name), unit)
    row.used(unit=unit)
    row.unused()
    if number % 3:
        row.left()
print("open", flush=True)
sys.stdin.read()
"""
READER: Final = """
import sys, time
from pathlib import Path
from django.conf import settings
folder = Path(sys.argv[1])
settings.configure(
    LOADLAB={"LEDGER_DIR": str(folder)},
    DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "CONN_MAX_AGE": 60}},
)
from prometheus_client import CollectorRegistry, generate_latest
from loadlab.instrumentation.collector import ConnectionCollector
from loadlab.instrumentation.listing import listing
from loadlab.listing.documents import as_json, from_json
from loadlab.listing.table import as_text
collectors = CollectorRegistry()
collectors.register(ConnectionCollector(folder))
text = as_json(listing())
assert len(from_json(text).connections) == int(sys.argv[3]), "not all are listed"
ways = {
    "scrape": lambda: generate_latest(collectors),
    "page": lambda: as_json(listing()),
    "read": lambda: from_json(text),
    "table": lambda: as_text(listing()),
}
for make in ways.values():
    make()
for _ in range(int(sys.argv[2])):  # in turn; times of CPU, which a busy machine changes little
    for name, make in ways.items():
        begun = time.process_time()
        make()
        print(name, time.process_time() - begun)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """With so many open, the seconds of each way to read them, by its name."""

    count: int
    seconds: dict[str, list[float]]

    def median(self, way: str) -> float:
        return median(self.seconds[way])


def run(watch: Watch, blocks: int | None) -> Table:
    return table([measure(count, blocks or READINGS) for count in watch.over(OPEN, lambda each: f"{each} open")])


def measure(count: int, readings: int) -> Listed:
    with tempfile.TemporaryDirectory() as name, _open(Path(name), count):
        argv = [sys.executable, "-c", READER, name, str(readings), str(count)]
        said = subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    seconds: dict[str, list[float]] = {}
    for line in said.splitlines():
        way, taken = line.split()
        seconds.setdefault(way, []).append(float(taken))
    return Listed(count=count, seconds=seconds)


@contextmanager
def _open(folder: Path, count: int) -> Iterator[None]:
    """So many connections, shared by all processes."""
    bounds = [count * number // PROCESSES for number in range(PROCESSES + 1)]
    with ExitStack() as stack:
        holders: list[Any] = []
        for first, last in pairwise(bounds):
            argv = [sys.executable, "-c", HOLDER, str(folder), str(first), str(last)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            holders.append(stack.enter_context(subprocess.Popen(argv, cwd=REPOSITORY, **pipes)))
        for holder in holders:
            holder.stdout.readline()
        yield
        for holder in holders:
            holder.stdin.close()


def table(measured: list[Listed]) -> Table:
    made = Table(
        title=f"One listing of the connections of {PROCESSES} processes, in milliseconds",
        caption="CPU time, median, in brackets the most. page: the ledgers read, and JSON made. read: what `loadlab\n"
        "connections` does with it. table: the ledgers read, the verdict and the table. ratio: page to scrape.",
    )
    for heading in ("open", "scrape", "page", "read", "table", "ratio"):
        made.add_column(heading, justify="right")
    for one in measured:
        made.add_row(
            f"{one.count:,}",
            *(_milliseconds(one.seconds[way]) for way in ("scrape", "page", "read", "table")),
            f"{one.median('page') / one.median('scrape'):.1f}×",
        )
    return made


def _milliseconds(seconds: list[float]) -> str:
    return f"{median(seconds) * 1000:.1f} ({max(seconds) * 1000:.1f})"
