"""Makes a database ready for the project: its tables and rows, as far as the lab was told to make them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.aliases import DEFAULT, migrated
from loadlab.model.text import redacted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.lab.project import Project
    from loadlab.model.plan import ProjectOptions
    from loadlab.services.database import Database

MIGRATE: Final = ("migrate", "--noinput", "--verbosity", "0")
SEED: Final = ("seed", "--migrate", "--verbosity", "0")  # in one process: each start of Django delays the run
UNAPPLIED: Final = "[ ]"
SHOWN: Final = 5  # unapplied migrations named in a message
LAST_LINES: Final = 10


def make_ready(project: Project, options: ProjectOptions | None, database: Database) -> None:
    """Migrate and fill what is the lab's to fill; what is not, is only looked at.

    Raises:
        EnvironmentFaultError: a command fails, or the project's own database lacks migrations.
    """
    if options is None:
        commands: Sequence[Sequence[str]] = (SEED,)
    elif database.embedded or options.migrate:
        commands = (*_migrations(project), *map(shlex.split, options.prepare))
    else:
        _require_migrated(project, database)
        commands = [shlex.split(command) for command in options.prepare]
    for command in commands:
        _manage(project, command, database)


def _migrations(project: Project) -> list[Sequence[str]]:
    """A `migrate` for each database; the one of the default alias is not named, for a command may not know how."""
    chosen = migrated(project.info.aliases, project.redirected) if project.info and project.redirected else [DEFAULT]
    return [MIGRATE if alias == DEFAULT else (*MIGRATE, "--database", alias) for alias in chosen]


def _manage(project: Project, command: Sequence[str], database: Database) -> str:
    done = project.manage(command, database)
    if done.returncode:
        words = redacted(why(done.stderr))
        raise EnvironmentFaultError(f"The management command {command[0]} of {project.settings} failed:\n{words}")
    return done.stdout


def why(said: str) -> str:
    """The end of what a command has said; of Django's system checks the beginning, where the errors are."""
    lines = said.strip().splitlines()
    starts = [number for number, line in enumerate(lines) if "SystemCheckError" in line]
    return "\n".join(lines[starts[-1] :][:LAST_LINES] if starts else lines[-LAST_LINES:])


def _require_migrated(project: Project, database: Database) -> None:
    shown = _manage(project, ("showmigrations", "--plan"), database)
    missing = [line.removeprefix(UNAPPLIED).strip() for line in shown.splitlines() if line.startswith(UNAPPLIED)]
    if missing:
        # manage.py would migrate the project's own database, and --dsn names another one.
        by_hand = "Run manage.py migrate, or have it run" if project.brings_database else "Have them applied to it"
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise EnvironmentFaultError(
            f"{len(missing)} migrations are not applied to the database {database.name}:"
            f" {', '.join(missing[:SHOWN])}{more}. {by_hand} with --migrate; --embedded"
            " measures on an empty database of loadlab's own instead."
        )
