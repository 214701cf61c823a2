"""Simulate many hosts over hours from what was measured in seconds, and say which CONN_MAX_AGE fits them.

FLEET is a TOML file; options replace its keys, or say all of it. The answer has open connections, opens, reuse and
refused requests of each strategy, and the largest fleet that fits PostgreSQL's limit.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from loadlab.cli._files import write
from loadlab.cli._fleet_file import EXAMPLE, add_fleet_arguments, read_fleet_of
from loadlab.cli._fleet_validation import add_validation_arguments
from loadlab.cli._screen import Screen, add_screen_arguments, width
from loadlab.errors import StoppedError
from loadlab.model.condition import Condition, varying

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from loadlab.analysis.fleet_answer import ComparedFleet
    from loadlab.fleet.fleet_file import Fleet
    from loadlab.model.fleet import Application, Keeping
    from loadlab.model.fleet_outcome import FleetAnswer

FILE: Final = "fleet.toml"
LONG_SECONDS: Final = 60.0
EXAMPLES: Final = (
    ("loadlab fleet --example > fleet.toml", "print a file to start from"),
    ("loadlab fleet fleet.toml", "answer for the fleet of the file"),
    ("loadlab fleet fleet.toml --hosts 40 --max-age 0 --max-age 600", "change the hosts, and compare two ages"),
    (
        "loadlab fleet --run runs/20261128-140000 --server gthread,workers=4 --rate 300 --max-age 60 --max-age none",
        "answer without a file",
    ),
    ("loadlab fleet --validate --trials 2 --seed 1", "predict two small fleets, then run them, and compare"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("fleet", nargs="?", type=Path, metavar="FLEET", help="a TOML file")
    parser.add_argument("--example", action="store_true", help="print a file to start from, and nothing else")
    parser.add_argument("--out", type=Path, metavar="DIR", help="the folder of the answer (default: fleets/DATE-TIME)")
    add_fleet_arguments(parser)
    add_validation_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the content of fleet.json instead of the verdict")
    add_screen_arguments(parser, progress=True)


def execute(arguments: argparse.Namespace) -> int:
    if arguments.example:
        print(EXAMPLE, end="")
        return 0
    if arguments.validate or arguments.record:
        from loadlab.cli import _fleet_validating

        return _fleet_validating.execute(arguments)
    from loadlab.fleet.measured import application_of

    fleet = read_fleet_of(arguments)
    asked = _asked(fleet, application_of(fleet), str(arguments.fleet or f"{fleet.server.name} fleet"))
    screen = Screen.of(arguments)
    try:
        answer = _answer(asked, screen)
    except StoppedError as error:
        error.add_note("Nothing was written. Fewer hours or repeats take less time.")
        raise
    path = arguments.out or Path("fleets") / datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    _publish(answer, fleet, path)
    _show(answer, path, screen, as_json=arguments.json)
    return 0


def _asked(fleet: Fleet, application: Application, title: str) -> ComparedFleet:
    from loadlab.analysis.fleet_answer import ComparedFleet
    from loadlab.fleet.moments import moments

    scene = fleet.scene()
    return ComparedFleet(
        title=title,
        application=application,
        strategies=[(fleet.keeping(strategy, application), scene) for strategy in fleet.strategies],
        moments=moments(fleet.events, fleet.extent),
        repeats=fleet.question.repeats,
        seed=fleet.question.seed,
        driver=fleet.question.driver,
    )


def _answer(asked: ComparedFleet, screen: Screen) -> FleetAnswer:
    from loadlab.analysis.fleet_answer import fleet_answer
    from loadlab.cli._progress import display

    names, total = _names(asked), len(asked.strategies)
    with display(screen, sum(_seconds(asked)) / total) as shown:
        for line in _slow(asked):
            shown.notice(line)
        done = count()

        def begins(keeping: Keeping) -> None:  # noqa: ARG001  they come in order
            number = next(done)
            if number:
                shown.step_ended(f"simulated {names[number - 1]}: {number} of {total}", number, total)
            shown.step_begins(f"simulating {names[number]}", number, total)

        return fleet_answer(asked, begins)


def _names(asked: ComparedFleet) -> list[str]:
    """Each strategy with the parameters in which it differs from its namesakes."""
    strategies = [keeping.strategy for keeping, _ in asked.strategies]
    among = varying(Condition(strategy=strategy) for strategy in strategies)
    return [one.spelt({key: one.parameters[key] for key in among.of("strategy", one)}) for one in strategies]


def _seconds(asked: ComparedFleet) -> Iterable[float]:
    """What each strategy is expected to take."""
    from loadlab.fleet.engine.simulate import engine_for
    from loadlab.fleet.repeating import how_often

    for keeping, scene in asked.strategies:
        seconds = engine_for(keeping, asked.application, scene).seconds
        yield seconds * how_often(seconds, asked.repeats)


def _slow(asked: ComparedFleet) -> Iterable[str]:
    """What takes more than a minute, and why."""
    from loadlab.fleet.engine.simulate import engine_for
    from loadlab.report.numbers import minutes

    alike: dict[str, list[tuple[str, float]]] = {}
    for name, (keeping, scene), seconds in zip(_names(asked), asked.strategies, _seconds(asked), strict=True):
        if seconds:
            because = engine_for(keeping, asked.application, scene).because
            alike.setdefault(because, []).append((name, seconds))
    for because, slow in alike.items():
        if (seconds := sum(each for _, each in slow)) > LONG_SECONDS:
            names = ", ".join(name for name, _ in slow)
            yield f"one request after the other, because {because}: {names}; about {minutes(seconds)}"


def _publish(answer: FleetAnswer, fleet: Fleet, path: Path) -> None:
    """All files of the answer.

    Raises:
        EnvironmentFaultError: one cannot be written.
    """
    from loadlab.report.fleet.document import as_json
    from loadlab.report.fleet.html import as_html
    from loadlab.report.fleet.markdown import as_markdown

    texts = {FILE: fleet.text, "fleet.html": as_html(answer), "fleet.md": as_markdown(answer)}
    for name, text in {**texts, "fleet.json": as_json(answer)}.items():
        write(path / name, text, "Name another folder with --out.")


def _show(answer: FleetAnswer, path: Path, screen: Screen, *, as_json: bool) -> None:
    from loadlab.report.fleet import document, terminal

    if as_json:
        print(document.as_json(answer), end="")
    else:
        print(terminal.as_text(answer, width=width(), colour=screen.colours(sys.stdout)))
    print(f"Report: {(path / 'fleet.html').resolve()}", file=sys.stderr if as_json else sys.stdout)
