"""What a scrape costs after many generations of workers: loadlab's counters against prometheus-client's files."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.table import Table

if TYPE_CHECKING:
    from workbench import Watch

GENERATIONS: Final = 1000
CHECKPOINTS: Final = (1, 10, 100)  # and the last generation
SCRAPES: Final = 5
REPOSITORY: Final = Path(__file__).resolve().parent.parent

# A worker of each kind: it opens some connections for some requests, or counts as much in the client's own metrics, and
# ends. A parent forks them, as a server does; each generation is its own process with its own files.
OURS: Final = """
import os, sys
os.environ["LOADLAB_LEDGER_DIR"] = sys.argv[1]
from django.conf import settings
settings.configure()
from loadlab.instrumentation import current
from loadlab.model.metrics import CloseReason
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        ledger, request_times = current.ledger(), current.request_times()
        for number in range(10):
            row = ledger.connecting("default")
            row.opened()
            row.used()
            request_times.add("entries/<int:number>/", "GET", "2xx", 10_000_000)
            if number:
                row.closed(CloseReason.REQUEST_END)
        os._exit(0)
    os.waitpid(child, 0)
"""
THEIRS: Final = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
for _ in range(int(sys.argv[2])):
    child = os.fork()
    if not child:
        from prometheus_client import Counter, Gauge, Histogram
        from loadlab.model import metrics
        kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
        names = {metric.name: kinds[metric.kind] for metric in metrics.CATALOGUE}
        made = {name: kind(name, "x", ["alias"]) for name, kind in names.items()}
        for number in range(10):
            for metric in made.values():
                one = metric.labels("default")
                one.observe(0.01) if hasattr(one, "observe") else one.inc()
        os._exit(0)
    os.waitpid(child, 0)
"""
SCRAPE_OURS: Final = """
import sys, time
from pathlib import Path
from prometheus_client import CollectorRegistry, generate_latest
from loadlab.instrumentation.collector import ConnectionCollector
collectors = CollectorRegistry()
collectors.register(ConnectionCollector(Path(sys.argv[1])))
"""
SCRAPE_THEIRS: Final = """
import os, sys, time
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
collectors = CollectorRegistry()
MultiProcessCollector(collectors)
"""
TIMED: Final = """
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter()
    text = generate_latest(collectors)
    print(time.perf_counter() - begun)
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scraped:
    """After so many generations: the first scrape, and the median of those after it, in seconds; files on disk."""

    generations: int
    first_seconds: float
    seconds: float
    files: int


def run(watch: Watch, blocks: int | None) -> Table:
    checkpoints = [each for each in CHECKPOINTS if each < (blocks or GENERATIONS)] + [blocks or GENERATIONS]
    with tempfile.TemporaryDirectory() as ours, tempfile.TemporaryDirectory() as theirs:
        return table(
            measure("loadlab", OURS, SCRAPE_OURS, Path(ours), checkpoints, watch),
            measure("prometheus-client", THEIRS, SCRAPE_THEIRS, Path(theirs), checkpoints, watch),
        )


def measure(  # noqa: PLR0913, PLR0917  one experiment has that many sides
    name: str, worker: str, scrape: str, folder: Path, checkpoints: list[int], watch: Watch
) -> list[Scraped]:
    measured, lived = [], 0
    for generations in watch.over(checkpoints, lambda each: f"{name} after {each} generations"):
        _program(worker, folder, generations - lived)
        lived = generations
        first, *others = map(float, _program(scrape + TIMED, folder, SCRAPES + 1).split())
        files = sum(path.is_file() for path in folder.iterdir())
        measured.append(Scraped(generations=generations, first_seconds=first, seconds=median(others), files=files))
    return measured


def _program(code: str, folder: Path, number: int) -> str:
    argv = [sys.executable, "-c", code, str(folder), str(number)]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def table(ours: list[Scraped], theirs: list[Scraped]) -> Table:
    made = Table(
        title="One scrape after so many workers have lived and died, in milliseconds",
        caption=f"Median of {SCRAPES} scrapes; in brackets the first, which folds what new workers have left.\n"
        "prometheus-client: its plain multiprocess mode with the same metrics; files are never removed.",
    )
    for heading in ("generations", "loadlab", "files", "prometheus-client", "files", "ratio"):
        made.add_column(heading, justify="right")
    for mine, other in zip(ours, theirs, strict=True):
        made.add_row(
            str(mine.generations),
            _milliseconds(mine),
            str(mine.files),
            _milliseconds(other),
            str(other.files),
            f"{other.seconds / mine.seconds:.1f}×",
        )
    return made


def _milliseconds(scraped: Scraped) -> str:
    return f"{scraped.seconds * 1000:.2f} ({scraped.first_seconds * 1000:.2f})"
