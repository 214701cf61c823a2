"""Records a run for the dashboards, and makes the tables of dashboards/queries.md and pictures from it."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dashboards.evidence.api import Api
from dashboards.evidence.committed import DASHBOARDS
from dashboards.evidence.preview import page
from dashboards.evidence.production import observed
from dashboards.evidence.recording import Recording, lines, samples_of
from dashboards.evidence.replay import replayed
from dashboards.evidence.tables import DOCUMENT, panels, placed, tolerances
from dashboards.evidence.trials import recorded
from loadlab.cli._scraping import reopened
from loadlab.store.folder import RunFolder
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from dashboards.evidence.answers import Span


def record(path: Path) -> None:
    """`path` is the folder of `loadlab run tests/dashboards/recording.toml --prometheus`."""
    run = RunFolder.at(path)
    ended = max(trial.stat().st_mtime for trial in (path / "trials").glob("*.json"))
    with reopened(path) as prometheus:
        of_trials = samples_of(Api(prometheus.url), '{job="loadlab"}', ended + 60)
    of_site = [line for series in observed() for line in lines(series)]
    Recording().write([*of_trials, *of_site], recorded(run))


def record_site() -> None:
    """Only the site in production, anew; its samples get the times of those that they replace."""
    recording = Recording()
    of_trials = [line for line in recording.text().decode().splitlines() if 'job="loadlab"' in line]
    seen, end = observed(), recording.span().end
    later = max(at for series in seen for at, _ in series.points) - end
    moved = [replace(series, points=[(at - later, value) for at, value in series.points]) for series in seen]
    recording.write([*of_trials, *(line for series in moved for line in lines(series))], recording.trials())


def tables(api: Api, span: Span) -> None:
    text = placed(DOCUMENT.read_text("utf-8"), "panels", panels(api, span))
    DOCUMENT.write_text(placed(text, "tolerances", tolerances(api, Recording().trials(), span)), encoding="utf-8")


def preview(api: Api, span: Span, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in DASHBOARDS:
        (folder / f"{name}.html").write_text(page(name, api, span), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m dashboards.evidence", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("record").add_argument("run", type=Path)
    commands.add_parser("record-site")
    commands.add_parser("tables")
    commands.add_parser("preview").add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "record":
        record(arguments.run)
        return
    if arguments.command == "record-site":
        record_site()
        return
    recording = Recording()
    with Register.opened() as register, replayed(recording, register) as api:
        if arguments.command == "tables":
            tables(api, recording.span())
        else:
            preview(api, recording.span(), arguments.folder)


if __name__ == "__main__":
    main()
