"""When a browser shows a run of thousands of trials: its state and progress, its charts, and its verdicts.

It needs Chromium and its driver (`apt-get install chromium chromium-driver`). All times are of the page's own clock,
from when it was asked for. Each page is the first that a new process of `loadlab live` shows.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table
from synthetic_run import CASES, write_run
from workbench import watching

REPOSITORY: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY / "tests"))

from browser import chromium  # noqa: E402  the tests' own

if TYPE_CHECKING:
    from collections.abc import Iterator

    from selenium.webdriver.chrome.webdriver import WebDriver
    from workbench import Watch

PAGES: Final = 3
TRIALS: Final = 10_000
PATIENCE_SECONDS: Final = 120.0
LOOK_SECONDS: Final = 0.01
GOAL: Final = "≤ 1 s"
# What to wait for, as an expression that is true once it is there.
SIGNS: Final = {
    "anything (first contentful paint)": "performance.getEntriesByName('first-contentful-paint').length > 0",
    "state and progress": "document.querySelector('[data-field=counts]').textContent !== ''",
    "a chart with points": "document.querySelector('.plot canvas') !== null",
    "the verdicts": "document.querySelector('[data-field=title]').textContent !== ''",
}


def measure(watch: Watch, blocks: int, against: Path | None) -> Table:
    found: dict[Path, list[dict[str, float]]] = {tree: [] for tree in (REPOSITORY, against) if tree}
    with tempfile.TemporaryDirectory() as scratch:
        trials = write_run(Path(scratch, "runs", "bench"), watch, blocks)
        for turn in watch.over(range(PAGES), lambda _: "loadlab live"):
            for tree in list(found)[:: 1 if turn % 2 else -1]:
                profile = Path(scratch, f"profile-{turn}-{tree.name}")
                found[tree].append(_page(Path(scratch, "runs"), profile, tree))
    return _table(trials, found)


def _page(runs: Path, profile: Path, tree: Path) -> dict[str, float]:
    browser = chromium(profile)
    if browser is None:
        raise SystemExit("chromium and chromedriver are not installed")
    try:
        for address in _served(runs, tree):
            return _seen(browser, f"{address}/runs/bench")
    finally:
        browser.quit()
    raise SystemExit("loadlab live did not say where it is")


def _served(runs: Path, tree: Path) -> Iterator[str]:
    own = tree / ".venv/bin/python"
    command = [str(own) if own.exists() else sys.executable, "-m", "loadlab", "live", str(runs)]
    with subprocess.Popen(command, cwd=tree, stdout=subprocess.PIPE, text=True) as process:
        try:
            if process.stdout and (line := process.stdout.readline()):
                yield line.split()[0]
        finally:
            process.terminate()


def _seen(browser: WebDriver, address: str) -> dict[str, float]:
    """Seconds from asking for the page until each sign is there."""
    browser.get(address)
    seen: dict[str, float] = {}
    until = time.monotonic() + PATIENCE_SECONDS
    while len(seen) < len(SIGNS) and time.monotonic() < until:
        for name, sign in SIGNS.items():
            if name not in seen and browser.execute_script(f"return {sign}"):
                seen[name] = browser.execute_script("return performance.now()") / 1000
        time.sleep(LOOK_SECONDS)
    return seen


def _table(trials: int, found: dict[Path, list[dict[str, float]]]) -> Table:
    made = Table(title=f"The live page of a run of {trials:,} trials", caption=f"Median (min to max) of {PAGES} pages.")
    for heading in ("shown", *map(str, found), "goal"):
        made.add_column(heading)
    for sign in SIGNS:
        cells = [_spread([page[sign] for page in pages if sign in page]) for pages in found.values()]
        made.add_row(sign, *cells, GOAL if sign == "state and progress" else "")
    return made


def _spread(seconds: list[float]) -> str:
    if not seconds:
        return f"not within {PATIENCE_SECONDS:g} s"
    return f"{median(seconds):.2f} s ({min(seconds):.2f}–{max(seconds):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another clone of loadlab, with its .venv")
    parser.add_argument("--trials", type=int, default=TRIALS, metavar="N", help="how many the run has (10,000)")
    arguments = parser.parse_args()
    with watching("first paint") as watch:
        table = measure(watch, max(1, arguments.trials // CASES), arguments.against)
    Console(width=None if sys.stdout.isatty() else 160).print(table)


if __name__ == "__main__":
    main()
