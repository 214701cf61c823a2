"""The Django project under test, ours or the user's own: what it is like and how its processes are started."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import loadlab
from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.aliases import DEFAULT, POSTGRESQL, place, redirected, sharing
from loadlab.lab.manage_py import named_by_manage_py, named_in
from loadlab.lab.tracebacks import own_words
from loadlab.lab.versions import target_packages
from loadlab.model.text import redacted
from loadlab.sample_app import ALIASES
from loadlab.servers import SERVERS
from loadlab.services.database import ENGINE
from loadlab.settings_override.configuration import NEEDS_DATABASE, SettingsOverride
from loadlab.system.processes import inherited, state_directory

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loadlab.model.plan import Plan, ProjectOptions
    from loadlab.services.database import Database

OVERRIDDEN_SETTINGS: Final = "loadlab.settings_override.settings"
OWN_SITE: Final = "loadlab.sample_app.settings"
OLDEST_PYTHON: Final = (3, 11)
OLDEST_DJANGO: Final = (4, 2)
BOOT_SECONDS: Final = 60.0  # a large project needs ten, and more on a busy machine
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

    `name`, `host` and `port` are those of a database that is not PostgreSQL. `mirror` is the alias that it is a copy
    of, as TEST["MIRROR"] says; `models` is how many models the routers let migrations make there.
    """

    engine: str
    vendor: str
    driver: str
    pool: bool
    atomic_requests: bool
    parameters: dict[str, str] = field(repr=False)
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

    `load_errors` says of "wsgi" and "asgi" why that application does not load.
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

    @property
    def default(self) -> Alias:
        return self.aliases[DEFAULT]

    @classmethod
    def from_json(cls, text: str) -> ProjectInfo:
        fields = json.loads(text)
        return cls(**fields | {"aliases": {alias: Alias(**entry) for alias, entry in fields["aliases"].items()}})


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """How the processes of the project are started.

    `aliases` are those whose settings a strategy changes, `counted` those that lead to the database that is measured;
    `brings_database` says that its own settings lead there, so that no other database has to be put in their place.
    `redirected` names the database of the embedded server for each alias that gets one.
    """

    settings: str = OWN_SITE
    wsgi: str = ""
    asgi: str = ""
    python: str = sys.executable
    folder: Path | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: {"DJANGO_SETTINGS_MODULE": OVERRIDDEN_SETTINGS})
    driver: str = "psycopg2"
    engine: str = ENGINE
    aliases: tuple[str, ...] = ALIASES
    counted: tuple[str, ...] = ALIASES
    redirected: Mapping[str, str] = field(default_factory=dict)
    brings_database: bool = False
    boot_seconds: float = BOOT_SECONDS
    info: ProjectInfo | None = None

    @property
    def replaced(self) -> tuple[str, ...]:
        """The aliases in whose place the lab puts a database."""
        return () if self.brings_database else tuple(dict.fromkeys((*self.counted, *self.redirected)))

    @property
    def tuned(self) -> tuple[str, ...]:
        """The aliases whose connections live as a strategy says."""
        return tuple(dict.fromkeys((*self.aliases, *self.redirected)))

    def given(self) -> Project:
        """The same on a database that the user names in place of the project's default one."""
        return replace(self, brings_database=False, redirected={})

    def override(self, database: Database | None) -> SettingsOverride:
        """The lab's settings over the project's own, before any strategy; with `database` in place of the project's."""
        databases: dict[str, dict[str, object]] = {}
        if database is not None:
            names = {alias: self.redirected.get(alias, database.name) for alias in self.replaced}
            databases = {
                alias: {**database.django(), "NAME": name, "ENGINE": self._engine(alias)}
                for alias, name in names.items()
            }
        return SettingsOverride(
            settings=self.settings,
            wsgi=self.wsgi,
            asgi=self.asgi,
            databases=databases,
            pinned=bool(databases) and self.info is not None,
            addable=self._kept() if self.redirected and databases else None,
            psycopg3=self.driver != "psycopg2",
        )

    def inherited(self) -> dict[str, str]:
        """What its processes inherit: the settings of a project of the user's may read any variable that is set."""
        return inherited() if self.folder is None else dict(os.environ)

    def _kept(self) -> list[str]:
        known = self.info.aliases if self.info else {}
        return sorted(known.keys() - self.redirected.keys())

    def _engine(self, alias: str) -> str:
        entry = self.info.aliases.get(alias) if self.info else None
        if entry is None:
            return self.engine
        return entry.engine if entry.vendor == POSTGRESQL else ENGINE

    def manage(self, command: Sequence[str], database: Database) -> subprocess.CompletedProcess[str]:
        """Run a management command of the project's, not counted."""
        override = replace(self.override(database), instrumented=False)
        environment = {**self.inherited(), **database.environment, **self.environment, **override.to_environment()}
        return _python(self, ["-m", "loadlab.settings_override", *command], environment)


def project_of(plan: Plan, scratch: Path) -> Project:
    """The project that a plan names, looked into, or the lab's own site.

    Raises:
        UsageError: its folder, its Python or its Django will not do.
        EnvironmentFaultError: the project cannot be loaded; with the end of its output.
    """
    if plan.project is None:
        return Project(driver=plan.driver)
    draft = _draft(plan.project)
    kinds = sorted({"asgi" if SERVERS[name].asgi else "wsgi" for name in plan.servers}) or ["asgi", "wsgi"]
    info = inspect(draft, scratch, kinds)
    default = info.default
    embedded = plan.project.database == "embedded"
    return replace(
        draft,
        wsgi=draft.wsgi or info.wsgi,
        asgi=draft.asgi or info.asgi,
        driver=default.driver or _driver_there(info),
        engine=default.engine if default.vendor == POSTGRESQL else ENGINE,
        aliases=tuple(alias for alias, entry in info.aliases.items() if entry.vendor == POSTGRESQL or alias == DEFAULT),
        counted=_counted(info, plan.project.keep_databases if embedded else ()),
        redirected=redirected(info.aliases, plan.project.keep_databases) if embedded else {},
        brings_database=not embedded,
        info=info,
    )


def _counted(info: ProjectInfo, kept: Sequence[str]) -> tuple[str, ...]:
    return tuple(alias for alias in sharing(info.aliases)[0] if alias not in kept or alias == DEFAULT)


def _driver_there(info: ProjectInfo) -> str:
    """What Django will take for PostgreSQL, in a project that has not used it yet."""
    return "psycopg" if "psycopg" in info.installed else "psycopg2"


def _draft(options: ProjectOptions) -> Project:
    """As much as can be known before the project has been loaded once."""
    folder = _there(options.folder, "The project's folder", "name it with --project DIR")
    remedy = "correct pythonpath in [project] of the plan, or --pythonpath"
    modules = [str(_there(name, "The folder of modules", remedy)) for name in options.pythonpath]
    path = [str(_library()), str(folder), *modules, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        "DJANGO_SETTINGS_MODULE": OVERRIDDEN_SETTINGS,
        "PYTHONPATH": os.pathsep.join(path),
        # Or Python would write into the project's tree. Kept, for compiling a large project takes many seconds: also
        # where the environment forbids bytecode, as many images do. That of installed packages is not read from there.
        "PYTHONPYCACHEPREFIX": str(state_directory() / "bytecode"),
        "PYTHONDONTWRITEBYTECODE": "",
    }
    return Project(
        settings=options.settings,
        wsgi=options.wsgi,
        asgi=options.asgi,
        python=options.python or sys.executable,
        folder=folder,
        environment=environment,
        driver="",
        boot_seconds=options.boot_seconds,
    )


def _library() -> Path:
    """A folder that holds loadlab and nothing else: what lies beside it here would hide modules of the project's.

    It is the same each time, and so is where its bytecode goes.
    """
    package = Path(loadlab.__file__).parent
    library = state_directory() / "library" / sha256(os.fsencode(package)).hexdigest()[:16]
    library.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (library / "loadlab").symlink_to(package)
    return library


def _there(name: str, what: str, remedy: str) -> Path:
    folder = Path(name).expanduser().resolve()
    if not folder.is_dir():
        raise UsageError(f"{what} {folder} does not exist; {remedy}.")
    return folder


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
        done = _python(draft, ["-m", "loadlab.settings_override.inspection", *asked], environment, limit)
        if done.returncode == NEEDS_DATABASE:
            answer.unlink()
            return None
        failed = done.returncode != 0
        said = done.stderr
    except subprocess.TimeoutExpired:
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
        done = _python(draft, ["-c", VERSIONS], {**os.environ, **draft.environment})
        python, django = map(tuple, json.loads(done.stdout.strip().rpartition("\n")[2]))
    except (OSError, ValueError) as error:
        raise UsageError(f"{draft.python} is not a working interpreter: {error}. Name one with --python.") from error
    if python < OLDEST_PYTHON:
        raise UsageError(
            f"{draft.python} is Python {_dots(python)}; loadlab needs {_dots(OLDEST_PYTHON)} or newer there."
        )
    if django and django < OLDEST_DJANGO:
        raise UsageError(
            f"The project runs on Django {_dots(django)} in {draft.python}; loadlab needs Django {_dots(OLDEST_DJANGO)}"
            " or newer there. Measure a release of the project that runs on a newer Django, or name another Python with"
            " --python."
        )


def scripts_there(options: ProjectOptions) -> dict[str, str]:
    """The console scripts of Django projects that are installed for a project's Python, and the settings they name."""
    draft = _draft(options)
    try:
        done = _python(draft, ["-m", "loadlab.settings_override.console_scripts"], {**os.environ, **draft.environment})
        found = json.loads(done.stdout)
    except (OSError, ValueError):  # what is wrong with that Python is said elsewhere
        return {}
    named = {name: named_in(Path(path)) for name, path in found}
    return {name: settings for name, settings in sorted(named.items()) if settings is not None}


def _dots(version: Sequence[int]) -> str:
    return ".".join(map(str, version))


def _python(
    project: Project, arguments: Sequence[str], environment: Mapping[str, str], limit: float | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project.python, *arguments],
        env=dict(environment),
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=limit,
    )


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
            "Name the Python that has the project's packages with --python, e.g. --python .venv/bin/python, or a folder"
            f" that has {missing[1].partition('.')[0]} with --pythonpath, or install it for {draft.python}."
        )
    if missing or NO_PROJECT in words:
        return f"Check --settings{other} and --project (the folder that manage.py is in)."
    return f"Mend that (an environment variable that they read has to be set here too), or name other settings{other}."
