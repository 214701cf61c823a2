"""A pass of `loadlab behaviour`: counts, publishes what was counted, and holds it to a recording."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from loadlab.analysis.which_setting import which_setting
from loadlab.claims import CLAIMS, examine
from loadlab.cli._behaviour_record import as_json, read_recording
from loadlab.cli._files import write
from loadlab.cli._progress import display
from loadlab.cli._screen import Screen
from loadlab.errors import GateError, UsageError
from loadlab.lab.behaviour import behaviour, settings
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.preflight import missing_for, missing_for_worker, missing_program, require_installed
from loadlab.lab.versions import versions, worker_versions
from loadlab.lab.worker_behaviour import worker_behaviour, worker_settings
from loadlab.model.behaviour import Recording, Scale, merged, rows_of, worker_rows_of
from loadlab.model.behaviour_changes import changed_cells, differences
from loadlab.report.behaviour import COMMAND, as_markdown, for_terminal, label
from loadlab.report.numbers import plural
from loadlab.report.which_setting import which_setting_page
from loadlab.report.worker_behaviour import label as worker_label
from loadlab.system.ending import reader_may_go
from loadlab.system.programs import PGBOUNCER

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from loadlab.cli._progress import Display
    from loadlab.lab.fixture import PostgresFixture
    from loadlab.lab.preflight import Missing
    from loadlab.model.behaviour import Behaviour, ClaimReport, Setting
    from loadlab.model.worker_behaviour import WorkerBehaviour, WorkerSetting

EXPECTED_SECONDS: Final = 5.0
NARROWEST: Final = 120  # where output is no terminal
ANOTHER: Final = "Name another file."


def execute(arguments: argparse.Namespace) -> int:
    if arguments.recorded:
        _publish(read_recording(arguments.recorded), arguments)
        return 0
    wanted = _wanted(arguments)
    if arguments.list:
        print("\n".join(wanted.ids))
        return 0
    chosen = _chosen(wanted, arguments.repeats)
    before = read_recording(arguments.check) if arguments.check else None
    chosen = replace(chosen, recorded=read_recording(arguments.update)) if arguments.update else chosen
    counted = _counted(chosen, arguments)
    if before is not None:
        _gate(before, counted, arguments.check)
    return 0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Wanted:
    """The rows of servers and of workers, and the claims, that the command line selects."""

    rows: Sequence[Setting]
    workers: Sequence[WorkerSetting]
    claims: Sequence[str]

    @property
    def ids(self) -> list[str]:
        return [*(row.id for row in self.rows), *(row.id for row in self.workers), *map(_claim_id, self.claims)]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    rows: Sequence[Setting]
    workers: Sequence[WorkerSetting]
    left_out: Sequence[Missing]  # what each row or claim lacks that is left out
    claims: Sequence[str]
    repeats: int
    recorded: Recording | None = None  # to be updated


@dataclass(frozen=True, kw_only=True, slots=True)
class _Pass:
    """What has been counted so far."""

    versions: dict[str, str] = field(default_factory=dict)
    behaviours: list[Behaviour] = field(default_factory=list)
    workers: list[WorkerBehaviour] = field(default_factory=list)
    claims: list[ClaimReport] = field(default_factory=list)

    def recording(self, scale: Scale, *, complete: bool) -> Recording:
        return Recording(
            versions=self.versions,
            scale=scale,
            rows=rows_of(self.behaviours),
            workers=worker_rows_of(self.workers),
            claims=tuple(self.claims),
            complete=complete,
        )


def _wanted(arguments: argparse.Namespace) -> _Wanted:
    """What the command line selects.

    Raises:
        UsageError: it selects nothing.
    """
    if arguments.repeats < 1:
        raise UsageError(f"--repeats must be 1 or more, not {arguments.repeats}.")

    patterns = [re.sub(r"^case/", "claim/", pattern) for pattern in arguments.only]  # their earlier name

    def wanted(name: str) -> bool:
        return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    rows = [row for row in settings() if wanted(row.id)]
    workers = [row for row in worker_settings() if arguments.workers and wanted(row.id)]
    claims = [name for name in CLAIMS if arguments.claims and wanted(_claim_id(name))]
    found = _Wanted(rows=rows, workers=workers, claims=claims)
    if not found.ids:
        raise UsageError(f"Nothing matches {' '.join(arguments.only)}. {_how_to_list(arguments)}")
    return found


def _how_to_list(arguments: argparse.Namespace) -> str:
    kinds = [f"--{kind}" for kind in ("claims", "workers") if not getattr(arguments, kind)]
    more = f"; with {' and '.join(kinds)} also those of {' and '.join(kind[2:] for kind in kinds)}" if kinds else ""
    return f"`loadlab behaviour --list` lists the ids{more}."


def _chosen(wanted: _Wanted, repeats: int) -> _Chosen:
    """Those of them for which everything is installed.

    Raises:
        EnvironmentFaultError: there is none.
    """
    lacking = {row.id: missing_for(row.server, row.strategy, row.driver) for row in wanted.rows}
    lacking |= {row.id: missing_for_worker(row.worker, row.strategy) for row in wanted.workers}
    lacking |= {
        _claim_id(name): missing_program(PGBOUNCER, "claims") for name in wanted.claims if CLAIMS[name].needs_pgbouncer
    }
    chosen = _Chosen(
        rows=[row for row in wanted.rows if not lacking[row.id]],
        workers=[row for row in wanted.workers if not lacking[row.id]],
        left_out=[missing for each in lacking.values() for missing in each],
        claims=[name for name in wanted.claims if not lacking.get(_claim_id(name))],
        repeats=repeats,
    )
    if not chosen.rows and not chosen.workers and not chosen.claims:
        require_installed(chosen.left_out)
    return chosen


def _claim_id(name: str) -> str:
    return f"claim/{name}"


def _counted(chosen: _Chosen, arguments: argparse.Namespace) -> Recording:
    """Count, and publish all that was counted, even after an error."""
    scale, done = Scale(), _Pass()
    complete = False
    try:
        with display(Screen.of(arguments), EXPECTED_SECONDS) as listener:
            _count(chosen, scale, done, listener)
        complete = True
    finally:
        if done.behaviours or done.claims or done.workers:
            counted = done.recording(scale, complete=complete)
            _publish(counted if chosen.recorded is None else _updated(chosen.recorded, counted, arguments), arguments)
    return done.recording(scale, complete=True)


def _count(chosen: _Chosen, scale: Scale, done: _Pass, listener: Display) -> None:
    for missing, rows in Counter(chosen.left_out).items():
        what = f"{missing.needed_by}: {plural(rows, 'row')} left out"
        listener.notice(f"{what}, because {missing.what} is not installed ({missing.command})")
    with postgres_fixture(None, listener.preparing, scale) as ready:
        done.versions.update(versions(ready.judge) | (worker_versions() if chosen.workers else {}))
        _require_same_versions(chosen.recorded, done)
        steps = [
            *(_row_step(row, ready, done) for _ in range(chosen.repeats) for row in chosen.rows),
            *(_worker_step(row, ready, done) for _ in range(chosen.repeats) for row in chosen.workers),
            *(_claim_step(name, ready, done) for name in chosen.claims),
        ]
        for number, step in enumerate(steps):
            listener.step_begins(step.label, number, len(steps))
            step.take()
            listener.step_ended(f"{number + 1} of {len(steps)}  {step.id}", number + 1, len(steps))


def _require_same_versions(recorded: Recording | None, done: _Pass) -> None:
    """Make sure that an update is of the versions that the recording names.

    Raises:
        UsageError: naming those that are not.
    """
    if recorded is None:
        return
    # A package that the recording does not name is a new member's: no row of the recording can depend on it.
    known = {name: version for name, version in done.versions.items() if name in recorded.versions}
    if differ := differences(recorded.versions, known):
        raise UsageError(f"The recording has other versions: {', '.join(differ)}. Count everything again: {COMMAND}")


def _updated(recorded: Recording, counted: Recording, arguments: argparse.Namespace) -> Recording:
    updated = merged(recorded, counted, _all_ids())
    write(arguments.update, as_json(updated), ANOTHER)
    return updated


def _all_ids() -> list[str]:
    return [*(row.id for row in settings()), *(row.id for row in worker_settings())]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    id: str
    label: str
    take: Callable[[], None]


def _row_step(row: Setting, ready: PostgresFixture, done: _Pass) -> _Step:
    return _Step(id=row.id, label=label(row), take=partial(_count_row, row, ready, done))


def _worker_step(row: WorkerSetting, ready: PostgresFixture, done: _Pass) -> _Step:
    return _Step(id=row.id, label=worker_label(row), take=partial(_count_worker, row, ready, done))


def _claim_step(name: str, ready: PostgresFixture, done: _Pass) -> _Step:
    return _Step(id=_claim_id(name), label=_claim_id(name), take=partial(_try_claim, name, ready, done))


def _count_row(row: Setting, ready: PostgresFixture, done: _Pass) -> None:
    done.behaviours.append(behaviour(row, ready))


def _count_worker(row: WorkerSetting, ready: PostgresFixture, done: _Pass) -> None:
    done.workers.append(worker_behaviour(row, ready))


def _try_claim(name: str, ready: PostgresFixture, done: _Pass) -> None:
    done.claims.append(examine(name, ready))


def _publish(recording: Recording, arguments: argparse.Namespace) -> None:
    console = Screen.of(arguments).console(NARROWEST)
    with reader_may_go():
        for part in for_terminal(recording):
            console.print(part)
    if arguments.json:
        write(arguments.json, as_json(recording), ANOTHER)
    if arguments.markdown:
        write(arguments.markdown, as_markdown(recording), ANOTHER)
    if arguments.which_setting:
        write(arguments.which_setting, which_setting_page(recording, which_setting(recording)), ANOTHER)


def _gate(before: Recording, counted: Recording, source: Path) -> None:
    """Say what is not as it was.

    Raises:
        GateError: naming each cell.
    """
    found = list(changed_cells(before, counted, _all_ids()))
    if not found:
        print(f"Compared {plural(len(counted.rows) + len(counted.workers), 'row')} with {source}: no difference.")
        return
    lines = "\n".join(f"  {departure}" for departure in found)
    count = f"{plural(len(found), 'count')} {'differs' if len(found) == 1 else 'differ'}"
    raise GateError(
        f"{count} from {source}:\n{lines}\n{_versions(before, counted)} If the new behaviour is right, record it:"
        f" {COMMAND}"
    )


def _versions(before: Recording, counted: Recording) -> str:
    differ = differences(before.versions, counted.versions)
    return f"Different versions: {', '.join(differ)}." if differ else "All versions are the same."
