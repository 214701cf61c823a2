"""The Django project under test, ours or the user's own: what it is like and how its processes are started."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import loadlab
from loadlab.errors import UsageError
from loadlab.lab.aliases import DEFAULT, POSTGRESQL, redirected, sharing
from loadlab.lab.inspection import ProjectInfo, inspect, run_python
from loadlab.lab.manage_py import named_in
from loadlab.model.paths import expanded
from loadlab.sample_app import ALIASES
from loadlab.servers import SERVERS
from loadlab.services.database import ENGINE
from loadlab.settings_override.configuration import SettingsOverride
from loadlab.system.processes import inherited
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence

    from loadlab.model.plan import Plan, ProjectOptions
    from loadlab.services.database import Database

OVERRIDDEN_SETTINGS: Final = "loadlab.settings_override.settings"
OWN_SITE: Final = "loadlab.sample_app.settings"
BOOT_SECONDS: Final = 60.0  # a large project needs ten, and more on a busy machine


@dataclass(frozen=True, kw_only=True, slots=True)
class Project:
    """How the processes of the project are started.

    `aliases` are those whose settings a strategy changes, `counted` those that lead to the database that is measured;
    `brings_database` says that its own settings lead there, so that no other database has to be put in their place.
    `redirected` names the database of the embedded server for each alias that gets one. `side` is the name of the
    other side, in a run that has one; empty on this side.
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
    side: str = ""

    @property
    def replaced(self) -> tuple[str, ...]:
        """The aliases in whose place the lab puts a database."""
        return () if self.brings_database else tuple(dict.fromkeys((*self.counted, *self.redirected)))

    @property
    def tuned(self) -> tuple[str, ...]:
        """The aliases whose connections live as a strategy says."""
        return tuple(dict.fromkeys((*self.aliases, *self.redirected)))

    def option(self, name: str) -> str:
        """The option of the command line with which a side gets its own folder, Python or settings.

        >>> Project().option("python"), Project(side="main").option("python")
        ('--python', '--against-python')
        """
        if not self.side:
            return f"--{name}"
        return "--against" if name == "project" else f"--against-{name}"

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
        return run_python(self, ["-m", "loadlab.settings_override", *command], environment)


def project_of(plan: Plan, scratch: Path, side: str = "") -> Project:
    """The project that a plan names, looked into, or loadlab's sample app; `side` is the name of the other side.

    Raises:
        UsageError: its folder, its Python or its Django will not do.
        EnvironmentFaultError: the project cannot be loaded; with the end of its output.
    """
    if plan.project is None:
        return Project(driver=plan.driver)
    draft = _draft(plan.project, side)
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


def _draft(options: ProjectOptions, side: str = "") -> Project:
    """As much as can be known before the project has been loaded once."""
    folder = _there(options.folder, "The project's folder", f"name it with {Project(side=side).option('project')} DIR")
    remedy = "correct pythonpath in [project] of the plan, or --pythonpath"
    modules = [str(_there(name, "The folder of modules", remedy)) for name in options.pythonpath]
    path = [str(library()), str(folder), *modules, *filter(None, [os.environ.get("PYTHONPATH")])]
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
        python=_interpreter(options.python) or sys.executable,
        folder=folder,
        environment=environment,
        driver="",
        boot_seconds=options.boot_seconds,
        side=side,
    )


def _interpreter(said: str) -> str:
    """A name without a folder stays one, which PATH has."""
    return str(expanded(said)) if said.startswith("~") else said


def library() -> Path:
    """A folder that holds loadlab and nothing else: what lies beside it here would hide modules of the project's.

    It is the same each time, and so is where its bytecode goes.
    """
    package = Path(loadlab.__file__).parent
    library = (state_directory() / "library").resolve() / sha256(os.fsencode(package)).hexdigest()[:16]
    library.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        (library / "loadlab").symlink_to(package)
    return library


def _there(name: str, what: str, remedy: str) -> Path:
    folder = expanded(name).resolve()
    if not folder.is_dir():
        raise UsageError(f"{what} {folder} does not exist; {remedy}.")
    return folder


def scripts_there(options: ProjectOptions) -> dict[str, str]:
    """The console scripts of Django projects that are installed for a project's Python, and the settings they name."""
    draft = _draft(options)
    try:
        done = run_python(
            draft, ["-m", "loadlab.settings_override.console_scripts"], {**os.environ, **draft.environment}
        )
        found = json.loads(done.stdout)
    except (OSError, ValueError):  # what is wrong with that Python is said elsewhere
        return {}
    named = {name: named_in(Path(path)) for name, path in found}
    return {name: settings for name, settings in sorted(named.items()) if settings is not None}
