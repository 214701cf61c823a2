"""The README's table: CONN_MAX_AGE over a day of a small site, a busy site and a fleet.

`python benchmarks/sites.py CALIBRATION` prints it. CALIBRATION is a run folder that measured gunicorn gthread, such as
the `calibration` of a validation. With `--write`, it also goes to benchmarks/recorded/sites.md and into the README.
"""

from __future__ import annotations

import argparse
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.analysis.fleet_answer import ComparedFleet, fleet_answer
from loadlab.fleet.application import application_of_run
from loadlab.fleet.fleet_file import read_fleet
from loadlab.fleet.moments import moments
from loadlab.report import numbers
from loadlab.report.fleet import words
from loadlab.report.markup import escape, grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from loadlab.fleet.fleet_file import Fleet
    from loadlab.model.fleet import Application
    from loadlab.model.fleet_outcome import FleetAnswer, FleetOutcome

REPOSITORY: Final = Path(__file__).resolve().parent.parent
FLEETS: Final = REPOSITORY / "benchmarks" / "fleets"
RECORD: Final = REPOSITORY / "benchmarks" / "recorded" / "sites.md"
README: Final = REPOSITORY / "README.md"
BEGIN, END = "<!-- sites -->", "<!-- end of sites -->"
SITES: Final = {"small_site": "Small site", "busy_site": "Busy site", "fleet": "Fleet"}
ROWS: Final[dict[str, Callable[[FleetOutcome], str]]] = {
    "opened per second": lambda one: numbers.figure(one.opens_per_second.middle),
    "open at most": lambda one: f"{numbers.count(one.needed)} of {numbers.count(one.free)}",
    "PostgreSQL's cores for connecting": lambda one: numbers.figure(
        one.database_cores.middle if one.database_cores else None
    ),
}


def answers(calibration: Path, repeats: int | None = None) -> Iterator[tuple[str, FleetAnswer]]:
    """One for each fleet, by its title."""
    for name, title in SITES.items():
        path = FLEETS / f"{name}.toml"
        fleet = read_fleet(f'run = "{calibration.resolve()}"\n{path.read_text()}', str(path))
        yield title, _answer(fleet, application_of_run(calibration, fleet.server.name), repeats)


def _answer(fleet: Fleet, application: Application, repeats: int | None) -> FleetAnswer:
    scene = fleet.scene()
    return fleet_answer(
        ComparedFleet(
            title=fleet.server.name,
            application=application,
            strategies=[(fleet.keeping(strategy, application), scene) for strategy in fleet.strategies],
            moments=moments(fleet.events, fleet.extent),
            repeats=repeats,
            seed=fleet.question.seed,
        )
    )


def table(found: Sequence[tuple[str, FleetAnswer]]) -> str:
    """Markdown: three rows for each, and the verdict of each below."""
    ages = [numbers.age(one.keeping.max_age) for one in found[0][1].outcomes]
    rows = list(chain.from_iterable(_rows(title, answer) for title, answer in found))
    head = ["a day of", "at `CONN_MAX_AGE`", *ages]
    return grid(head, ["---", "---", *["---:"] * len(ages)], rows)


def _rows(title: str, answer: FleetAnswer) -> Iterator[list[str]]:
    keeping, chosen = answer.outcomes[0].keeping, answer.verdict.chosen
    size = f"{numbers.plural(answer.hosts, 'host')} × {keeping.processes} × {keeping.threads}"
    first = f"**{title}**: {size} threads, {numbers.exact(answer.rate)} requests/s"
    for place, (name, cell) in enumerate(ROWS.items()):
        cells = [escape(cell(one)) for one in answer.outcomes]
        if answer.verdict.recommend is not None:
            cells[chosen] = f"**{cells[chosen]}**"
        yield [first if place == 0 else "", name, *cells]


def page(found: Sequence[tuple[str, FleetAnswer]]) -> str:
    """The table with its verdicts, as the record keeps it."""
    verdicts = [f"- {title}: {words.verdict(answer)}" for title, answer in found]
    notes = [f"- {title}: {words.bands(answer)}" for title, answer in found]
    return "\n\n".join(
        ("# CONN_MAX_AGE over a day of three sites", table(found), "\n".join(verdicts), "\n".join(notes))
    )


def with_table(readme: str, made: str) -> str:
    """The README with the table between its marks."""
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}\n{made}\n{END}{rest.partition(END)[2]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("calibration", type=Path, metavar="CALIBRATION")
    parser.add_argument("--write", action="store_true", help="into benchmarks/recorded/sites.md and the README")
    parser.add_argument("--repeats", type=int, metavar="N", help="simulations of each (default: as `loadlab fleet`)")
    arguments = parser.parse_args()
    found = []
    for title, answer in answers(arguments.calibration, arguments.repeats):
        print(f"{title}: {words.verdict(answer)}", file=sys.stderr)
        found.append((title, answer))
    print(page(found))
    if arguments.write:
        RECORD.write_text(f"{page(found)}\n")
        README.write_text(with_table(README.read_text(), table(found)))


if __name__ == "__main__":
    main()
