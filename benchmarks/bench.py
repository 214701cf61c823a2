"""How fast loadlab is: a trial beside its load, counting in a site, reports and scrapes, distance, access logs."""

from __future__ import annotations

import argparse

import access_log
import distance
import instrumentation
import listing
import observation
import overhead
import proxy
import reports
import scrape
from rich.console import Console
from workbench import watching

BENCHMARKS = {
    "overhead": overhead.run,
    "instrumentation": instrumentation.run,
    "observation": observation.run,
    "reports": reports.run,
    "scrape": scrape.run,
    "listing": listing.run,
    "proxy": proxy.run,
    "distance": distance.run,
    "access_log": access_log.run,
}


def main() -> None:
    arguments = _arguments()
    console = Console()
    if not console.is_terminal:
        console.width = 120
    for name in arguments.only or BENCHMARKS:
        with watching(name) as watch:
            table = BENCHMARKS[name](watch, arguments.blocks)
        console.print(table, "")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--blocks", type=int, metavar="N", help="how often each arm is measured (default: its own)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
