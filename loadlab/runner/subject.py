"""The Django project under test, ours or the user's own: what it is like and how its processes are started."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import loadlab
from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.model.text import redacted
from loadlab.overlay.configuration import Overlay
from loadlab.processes import inherited
from loadlab.runner.manage_py import named_by_manage_py
from loadlab.runner.tracebacks import own_words
from loadlab.services.database import ENGINE
from loadlab.target import ALIASES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.model.plan import Plan, Project
    from loadlab.services.database import Database

OVERLAID: Final = "loadlab.overlay.settings"
OWN_SITE: Final = "loadlab.target.settings"
DEFAULT: Final = "default"
POSTGRESQL: Final = "postgresql"
OLDEST_PYTHON: Final = (3, 11)
NO_PROJECT: Final = "ROOT_URLCONF"  # what a module lacks that is imported well and is no project's settings
_MISSING: Final = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """One entry of DATABASES; `parameters` are libpq's, with the password if the settings have one."""

    engine: str
    vendor: str
    driver: str
    pool: bool
    atomic_requests: bool
    parameters: dict[str, str] = field(repr=False)

    @property
    def place(self) -> tuple[str | None, ...]:
        """Where it leads to: the same for two aliases of one database."""
        return tuple(self.parameters.get(key) for key in ("host", "port", "dbname", "service"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What the inspection of a project found, in the project's own Python."""

    python: str
    installed: dict[str, str]
    wsgi: str
    asgi: str
    apps: list[str]
    debug: bool
    ssl_redirect: bool
    aliases: dict[str, Alias]
    routes: list[str]

    @property
    def default(self) -> Alias:
        return self.aliases[DEFAULT]

    @classmethod
    def from_json(cls, text: str) -> Facts:
        fields = json.loads(text)
        return cls(**fields | {"aliases": {alias: Alias(**entry) for alias, entry in fields["aliases"].items()}})


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """How the processes of the project are started.

    `aliases` are those whose settings a strategy changes, `counted` those that lead to the database that is measured;
    `brings_database` says that its own settings lead there, so that no other database has to be put in their place.
    """

    settings: str = OWN_SITE
    wsgi: str = ""
    asgi: str = ""
    python: str = sys.executable
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"DJANGO_SETTINGS_MODULE": OVERLAID})
    driver: str = "psycopg2"
    engine: str = ENGINE
    aliases: tuple[str, ...] = ALIASES
    counted: tuple[str, ...] = ALIASES
    brings_database: bool = False
    facts: Facts | None = None

    def overlay(self, database: Database | None) -> Overlay:
        """The lab's settings over the project's own, before any strategy; with `database` in place of its own."""
        databases: dict[str, dict[str, object]] = {}
        if database is not None and not self.brings_database:
            databases = {alias: {**database.django(), "ENGINE": self.engine} for alias in self.counted}
        return Overlay(
            settings=self.settings,
            wsgi=self.wsgi,
            asgi=self.asgi,
            databases=databases,
            psycopg3=self.driver != "psycopg2",
        )

    def inherited(self) -> dict[str, str]:
        """What its processes inherit: the settings of a project of the user's may read any variable that is set."""
        return inherited() if self.folder is None else dict(os.environ)

    def manage(self, command: Sequence[str], database: Database) -> subprocess.CompletedProcess[str]:
        """Run a management command of the project's, not counted."""
        overlay = replace(self.overlay(database), instrumented=False)
        environment = {**self.inherited(), **database.environment, **self.environment, **overlay.to_environment()}
        return _python(self, ["-m", "loadlab.overlay", *command], environment)


def subject_of(plan: Plan, scratch: Path) -> Subject:
    """The project that a plan names, looked into, or the lab's own site.

    Raises:
        EnvironmentFaultError: the project cannot be loaded; with the end of its own words.
    """
    if plan.project is None:
        return Subject(driver=plan.driver)
    draft = _draft(plan.project, scratch)
    facts = inspect(draft, scratch)
    default = facts.default
    postgresql = default.vendor == POSTGRESQL
    return Subject(
        settings=draft.settings,
        wsgi=plan.project.wsgi or facts.wsgi,
        asgi=plan.project.asgi or facts.asgi,
        python=draft.python,
        folder=draft.folder,
        environment=draft.environment,
        driver=default.driver or _driver_there(facts),
        engine=default.engine if postgresql else ENGINE,
        aliases=tuple(
            alias for alias, entry in facts.aliases.items() if entry.vendor == POSTGRESQL or alias == DEFAULT
        ),
        counted=tuple(alias for alias, entry in facts.aliases.items() if entry.place == default.place),
        brings_database=plan.project.database == "own",
        facts=facts,
    )


def _driver_there(facts: Facts) -> str:
    """What Django will take for PostgreSQL, in a project that has not used it yet."""
    return "psycopg" if "psycopg" in facts.installed else "psycopg2"


def _draft(project: Project, scratch: Path) -> Subject:
    """As much as can be known before the project has been loaded once."""
    folder = Path(project.folder).resolve()
    if not folder.is_dir():
        raise UsageError(f"The project's folder {folder} is not there; name it with --project DIR.")
    # A folder that holds loadlab and nothing else: what else lies beside it here would hide modules of the project's.
    library = scratch / "library"
    library.mkdir(exist_ok=True)
    package = library / "loadlab"
    if not package.exists():
        package.symlink_to(Path(loadlab.__file__).parent)
    path = [str(library), str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "DJANGO_SETTINGS_MODULE": OVERLAID,
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONPYCACHEPREFIX": str(scratch / "bytecode"),  # or Python would write into the project's tree
    }
    return Subject(
        settings=project.settings,
        python=project.python or sys.executable,
        folder=folder,
        environment=environment,
        driver="",
    )


def inspect(draft: Subject, scratch: Path) -> Facts:
    """Load the project once, in its own Python, and ask what it is like."""
    _require_python(draft)
    answer = scratch / "inspection.json"
    answer.touch(mode=0o600)  # the database's password will be in it, for as long as it takes to read
    overlay = replace(draft.overlay(None), instrumented=False)
    environment = {**os.environ, **draft.environment, **overlay.to_environment()}
    try:
        done = _python(draft, ["-m", "loadlab.overlay.inspection", str(answer)], environment)
        if done.returncode:
            raise EnvironmentFaultError(_not_loaded(draft, done.stderr))
        return Facts.from_json(answer.read_text())
    finally:
        answer.unlink()


def _require_python(draft: Subject) -> None:
    try:
        done = _python(draft, ["-c", "import sys; print(*sys.version_info[:2])"], os.environ)
        version = tuple(map(int, done.stdout.split()))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{draft.python} is no Python that can be started: {error}. Name one with --python."
        ) from error
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        raise UsageError(
            f"{draft.python} is Python {'.'.join(map(str, version))}; loadlab needs {oldest} or newer there."
        )


def _python(
    subject: Subject, arguments: Sequence[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [subject.python, *arguments],
        env=dict(environment),
        cwd=subject.folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def _not_loaded(draft: Subject, stderr: str) -> str:
    words = redacted(own_words(stderr, _folders_of_the_lab(draft)))
    return f"The project in {draft.folder} does not load with {draft.settings}:\n{words}\n{_remedy(draft, words)}"


def _folders_of_the_lab(draft: Subject) -> tuple[str, ...]:
    library = draft.environment["PYTHONPATH"].partition(os.pathsep)[0]
    return f"{library}{os.sep}", f"{Path(loadlab.__file__).parent}{os.sep}"


def _remedy(draft: Subject, words: str) -> str:
    missing = _MISSING.search(words)
    named = named_by_manage_py(draft.folder or Path())
    other = f" (manage.py there names {named})" if named not in {None, draft.settings} else ""
    if missing and not f"{draft.settings}.".startswith(f"{missing[1]}."):
        return (
            "Name the Python that has the project's packages with --python, e.g. --python .venv/bin/python, or install"
            f" {missing[1].partition('.')[0]} for {draft.python}."
        )
    if missing or NO_PROJECT in words:
        return f"Check --settings{other} and --project (the folder that manage.py is in)."
    return f"Mend that (an environment variable that they read has to be set here too), or name other settings{other}."
