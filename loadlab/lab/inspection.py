"""A look into a Django project, in the project's own Python: what it is like, or why it does not load."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from subprocess import TimeoutExpired
from typing import TYPE_CHECKING, Final

import loadlab
from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.aliases import DEFAULT, place
from loadlab.lab.manage_py import named_by_manage_py
from loadlab.lab.tracebacks import own_words
from loadlab.lab.versions import target_packages
from loadlab.model.text import redacted
from loadlab.settings_override.configuration import NEEDS_DATABASE
from loadlab.system.short_programs import run_program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from subprocess import CompletedProcess

    from loadlab.lab.project import Project

OLDEST_PYTHON: Final = (3, 11)
OLDEST_DJANGO: Final = (4, 2)
LOOKING: Final = 10  # times as long as for a boot may be taken to look into a project: it compiles all modules
VERSIONS: Final = """
import json, sys
try:
    from django import VERSION
except Exception:
    VERSION = ()
print(json.dumps([sys.version_info[:2], VERSION[:3]]))
"""
NO_PROJECT: Final = "ROOT_URLCONF"  # what a module lacks that is imported well and is no project's settings
NO_DRIVER: Final = "Error loading psycopg2 or psycopg module"
_MISSING: Final = re.compile(r"^ModuleNotFoundError: No module named '([^']+)'", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """One entry of DATABASES; `parameters` are libpq's, with the password if the settings have one.

    `libpq` names the driver with the version of its libpq, `unknown_options` what it refuses of OPTIONS.
    `name`, `host` and `port` are those of a database that is not PostgreSQL. `mirror` is the alias that it is a copy
    of, as TEST["MIRROR"] says; `models` is how many models the routers let migrations make there.
    """

    engine: str
    vendor: str
    driver: str
    pool: bool
    atomic_requests: bool
    parameters: dict[str, str] = field(repr=False)
    libpq: str = ""
    unknown_options: tuple[str, ...] = ()
    name: str = ""
    host: str = ""
    port: str = ""
    mirror: str = ""
    models: int = 0

    @property
    def place(self) -> tuple[str, ...]:
        """Where it leads to: the same for two aliases of one database."""
        return place(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectInfo:
    """What the inspection of a project found, in the project's own Python.

    `load_errors` says of "wsgi" and "asgi" why that application does not load. `code_folders` hold the modules that
    were imported, but for those of Python and of installed packages.
    """

    python: str
    installed: dict[str, str]
    wsgi: str
    asgi: str
    apps: list[str]
    debug: bool
    ssl_redirect: bool
    aliases: dict[str, Alias]
    routes: list[str]
    load_errors: dict[str, str] = field(default_factory=dict)
    gc_threshold: str = ""
    code_folders: list[str] = field(default_factory=list)

    @property
    def default(self) -> Alias:
        return self.aliases[DEFAULT]

    @classmethod
    def from_json(cls, text: str) -> ProjectInfo:
        fields = json.loads(text)
        return cls(**fields | {"aliases": {alias: Alias(**entry) for alias, entry in fields["aliases"].items()}})


def inspect(draft: Project, scratch: Path, kinds: Sequence[str]) -> ProjectInfo:
    """Load the project once, in its own Python, and ask what it is like; then load its applications of these kinds."""
    _require_versions(draft)
    if (info := _look(draft, scratch, kinds, connecting="off")) is not None:
        return info
    info = _look(draft, scratch, kinds, connecting="on")
    if info is None:
        raise AssertionError("only what may not connect can lack a connection")
    return info


def _look(draft: Project, scratch: Path, kinds: Sequence[str], *, connecting: str) -> ProjectInfo | None:
    """What the look says; None where the project needs a connection to start, and `connecting` is off."""
    answer = scratch / "inspection.json"
    answer.touch(mode=0o600)  # the database's password will be in it, for as long as it takes to read
    override = replace(draft.override(None), instrumented=False)
    environment = {**os.environ, **draft.environment, **override.to_environment()}
    limit = LOOKING * draft.boot_seconds
    said = f"It was not done within {limit:g} s. Give it longer with boot_seconds in [project] of the plan."
    try:
        asked = [str(answer), connecting, ",".join(target_packages()), *kinds]
        done = run_python(draft, ["-m", "loadlab.settings_override.inspection", *asked], environment, limit)
        if done.returncode == NEEDS_DATABASE:
            answer.unlink()
            return None
        failed = done.returncode != 0
        said = done.stderr
    except TimeoutExpired:
        failed = True
    try:
        # One line for what was found, and a second one once the applications have been loaded.
        info, *errors = answer.read_text().splitlines()
    except ValueError:
        raise EnvironmentFaultError(_not_loaded(draft, said)) from None
    finally:
        answer.unlink()
    found = json.loads(errors[0]) if errors else dict.fromkeys(kinds, said) if failed else {}
    theirs = {kind: redacted(own_words(words, _folders_of_the_lab(draft))) for kind, words in found.items()}
    return replace(ProjectInfo.from_json(info), load_errors=theirs)


def _require_versions(draft: Project) -> None:
    """Make sure that Python and Django there are such as the lab can work with; a Django may also be missing."""
    try:
        done = run_python(draft, ["-c", VERSIONS], {**os.environ, **draft.environment})
        python, django = map(tuple, json.loads(done.stdout.strip().rpartition("\n")[2]))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{draft.python} is not a working interpreter: {error}. Name one with {draft.option('python')}."
        ) from error
    if python < OLDEST_PYTHON:
        raise UsageError(
            f"{draft.python} is Python {_dots(python)}; loadlab needs {_dots(OLDEST_PYTHON)} or newer there."
        )
    if django and django < OLDEST_DJANGO:
        raise UsageError(
            f"The project runs on Django {_dots(django)} in {draft.python}; loadlab needs Django {_dots(OLDEST_DJANGO)}"
            " or newer there. Measure a release of the project that runs on a newer Django, or name another Python with"
            f" {draft.option('python')}."
        )


def _dots(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def run_python(
    project: Project, arguments: Sequence[str], environment: Mapping[str, str], limit: float | None = None
) -> CompletedProcess[str]:
    argv = [project.python, *arguments]
    return run_program(argv, environment=environment, limit=limit, cwd=project.folder)


def _not_loaded(draft: Project, stderr: str) -> str:
    words = redacted(own_words(stderr, _folders_of_the_lab(draft)))
    return f"The project in {draft.folder} does not load with {draft.settings}:\n{words}\n{_remedy(draft, words)}"


def _folders_of_the_lab(draft: Project) -> tuple[str, ...]:
    library = draft.environment["PYTHONPATH"].partition(os.pathsep)[0]
    return f"{library}{os.sep}", f"{Path(loadlab.__file__).parent}{os.sep}"


def _remedy(draft: Project, words: str) -> str:
    missing = _MISSING.search(words)
    named = named_by_manage_py(draft.folder or Path())
    other = f" (manage.py there names {named})" if named not in {None, draft.settings} else ""
    if NO_DRIVER in words:
        return f"Install a driver for PostgreSQL there: {draft.python} -m pip install 'psycopg[binary]'."
    if missing and not f"{draft.settings}.".startswith(f"{missing[1]}."):
        return (
            f"Name the Python that has the project's packages, e.g. {draft.option('python')} .venv/bin/python, or a"
            f" folder that has {missing[1].partition('.')[0]} with --pythonpath, or install it for {draft.python}."
        )
    if missing or NO_PROJECT in words:
        settings, folder = draft.option("settings"), draft.option("project")
        return f"Check {settings}{other} and {folder} (the folder that manage.py is in)."
    return f"Fix that (an environment variable that they read has to be set here too), or name other settings{other}."
