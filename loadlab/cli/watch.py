"""Watch a running project: its rates, reuse and leaks, and the effect of other CONN_MAX_AGE values.

It sends no load. It reads the metrics of loadlab's instrumentation until you press Ctrl-C, then prints what it found.
"""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from loadlab.cli._database import observed_database
from loadlab.cli._gates import add_gate_arguments, require_gates, strict, write_gates
from loadlab.cli._screen import Screen, add_screen_arguments
from loadlab.errors import EnvironmentFaultError, IncompleteError, StoppedError, UsageError
from loadlab.listing.options import NO_PAUSE
from loadlab.system.ending import reader_may_go

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from loadlab.model.gates import Gate
    from loadlab.model.reading import Reading
    from loadlab.probes import ProbeContext

EVERY_SECONDS: Final = 5.0
FEWEST_READINGS: Final = 2


EXAMPLES: Final = (
    ("loadlab watch --metrics http://127.0.0.1:8000/metrics", "watch until Ctrl-C"),
    (
        "loadlab watch --metrics http://127.0.0.1:8000/metrics --dsn env:DATABASE_URL --seconds 300",
        "also read PostgreSQL's counts, for five minutes",
    ),
    (
        "loadlab watch --metrics http://127.0.0.1:8000/metrics --seconds 300 --gate 'leaks == 0'",
        "exit with 10 if connections leak",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", required=True, metavar="URL", help="the address of the project's metrics")
    parser.add_argument("--token", metavar="env:NAME", help="the environment variable with the token of the metrics")
    parser.add_argument(
        "--dsn", metavar="REF", help="also read PostgreSQL's counts: env:NAME or service=NAME; nothing is written"
    )
    parser.add_argument(
        "--threads", type=int, metavar="N", help="workers × threads that serve, to estimate other CONN_MAX_AGE values"
    )
    parser.add_argument(
        "--every",
        type=float,
        default=EVERY_SECONDS,
        metavar="SECONDS",
        help=f"seconds between two readings (default: {EVERY_SECONDS:g})",
    )
    parser.add_argument(
        "--seconds", type=float, metavar="SECONDS", help="stop after this many seconds (default: when you press Ctrl-C)"
    )
    parser.add_argument("--allow-remote", action="store_true", help="allow --metrics and --dsn to name other hosts")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_gate_arguments(parser, "leaks == 0")
    add_screen_arguments(parser, progress=True)


def execute(arguments: argparse.Namespace) -> int:
    from loadlab.report.content.gates import lines
    from loadlab.report.watch import as_json, as_text, why_invalid
    from loadlab.scrape import require_address, token_of
    from loadlab.system.redrawing import is_pause
    from loadlab.watch.gates import gates_of_watch, require_watched
    from loadlab.watch.observation import observe

    gates = _gates(arguments)
    require_watched(gates)
    require_address("--metrics", arguments.metrics, allow_remote=arguments.allow_remote)
    if not is_pause(arguments.every):
        raise UsageError(NO_PAUSE)
    if arguments.seconds is not None and not arguments.seconds >= 0:
        raise UsageError("--seconds must be 0 or more.")
    if arguments.threads is not None and arguments.threads < 1:
        raise UsageError("--threads must be 1 or more.")
    begun = datetime.now(UTC).isoformat()
    with ExitStack() as resources:
        watch = _Watch(arguments.metrics, token_of(arguments.token), _judge(arguments, resources), Screen.of(arguments))
        watch.begin()
        with suppress(StoppedError):  # the usual end
            watch.run(arguments.every, arguments.seconds)
    if len(watch.readings) < FEWEST_READINGS:
        raise IncompleteError("One reading is not enough. Watch longer, or read more often with --every.")
    observation = observe(watch.readings, gaps=watch.gaps, threads=arguments.threads)
    required = lines(strict(gates_of_watch(observation, gates), arguments), {})
    with reader_may_go():
        print(as_json(observation, required) if arguments.json else as_text(observation, required))
    if observation.invalid:
        raise EnvironmentFaultError(f"The observation is not valid: {why_invalid(observation)}. Watch again.")
    write_gates(required, arguments, started=begun, measured=arguments.metrics)
    require_gates(required)
    return 0


def _gates(arguments: argparse.Namespace) -> Sequence[Gate]:
    """Those of the command line; the part before the colon matches aliases."""
    if not arguments.gate:
        return ()
    from loadlab.plan.gates import read_gates

    return read_gates(arguments.gate)


class _Watch:
    """Readings at regular times; the first must succeed, later ones may fail."""

    def __init__(self, url: str, token: str | None, judge: ProbeContext | None, screen: Screen) -> None:
        self._url, self._token, self._judge = url, token, judge
        self._screen = screen
        self.readings: list[Reading] = []
        self.gaps = 0

    def begin(self) -> None:
        self.readings.append(self._read())

    def run(self, every_seconds: float, seconds: float | None) -> None:
        begun = time.monotonic()
        with self._screen.status("watching; Ctrl-C ends it and shows what was seen") as update:
            while seconds is None or time.monotonic() - begun < seconds:
                time.sleep(every_seconds)
                try:
                    self.readings.append(self._read())
                except EnvironmentFaultError:
                    self.gaps += 1
                update(self._line())

    def _read(self) -> Reading:
        from loadlab.probes.activity import Activity
        from loadlab.probes.sessions import Sessions
        from loadlab.scrape import scrape

        seen = scrape(self._url, self._token)
        if self._judge is None:
            return seen
        judged = Sessions().read(self._judge) | Activity().read(self._judge)
        return replace(seen, at=time.monotonic(), judged=judged)

    def _line(self) -> str:
        from loadlab.report import numbers

        latest = self.readings[-1]
        seen = {alias: latest.counts(alias) for alias in latest.hosts}
        counts = (
            f"{alias}: {numbers.count(one.open)} open{f' ({numbers.count(one.leaked)} leaked)' if one.leaked else ''},"
            f" {numbers.count(one.opened)} opened"
            for alias, one in seen.items()
        )
        return f"{numbers.plural(len(self.readings), 'reading')} · {' · '.join(counts)} · Ctrl-C ends"


def _judge(arguments: argparse.Namespace, resources: ExitStack) -> ProbeContext | None:
    """PostgreSQL's own view of the database."""
    if arguments.dsn is None:
        return None
    from loadlab.probes import ProbeContext

    seen = resources.enter_context(observed_database(arguments.dsn, allow_remote=arguments.allow_remote))
    return ProbeContext(cursor=seen.cursor, database=seen.name, ledgers=seen.folder, trees={})
