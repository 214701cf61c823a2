"""The other side of a run: another revision, folder, Python or settings of the project, measured in the same blocks."""

from __future__ import annotations

import importlib.metadata
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.aliases import where
from loadlab.lab.checkout import checked_out, named, state_of
from loadlab.lab.contents import python_files
from loadlab.lab.inspection import inspect
from loadlab.lab.preflight import install_command
from loadlab.lab.project import BOOT_SECONDS, Project, library, project_of
from loadlab.lab.suitability import package_faults, require_suitable
from loadlab.model.drivers import DRIVERS
from loadlab.model.paths import expanded
from loadlab.servers import SERVERS
from loadlab.services.embedded import TARGET
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from loadlab.errors import LabError
    from loadlab.lab.checkout import Checkout
    from loadlab.lab.inspection import ProjectInfo
    from loadlab.model.config import Scalar
    from loadlab.model.plan import Against, Plan, ProjectOptions
    from loadlab.services.external_database import Reference

THIS_COMMIT: Final = "commit of this side"
SHOWN_OF_COMMIT: Final = 12
SUFFIX: Final = "_against"  # of the other side's databases, where each side has its own


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """A project that is served for the cases of one side.

    `database` is the name of that side's own database; empty where both share one. `facts` are what a report discloses
    of it, and `remarks` are said before the run.
    """

    project: Project
    database: str = ""
    facts: Mapping[str, Scalar] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sides:
    """This side, and the others by their names."""

    this: Project
    others: Mapping[str, Side] = field(default_factory=dict)


def suitable_sides(plan: Plan, scratch: Path, dsn: Reference | None) -> Sides:
    """All sides of a plan, each looked into; every problem of either is told.

    Raises:
        UsageError: the plan cannot be run over a side, or the sides cannot be compared.
        EnvironmentFaultError: a side's project does not load.
    """
    found: dict[str, Project] = {}
    sides: dict[str, Side] = {}
    problems: list[LabError] = []
    try:
        found["this"] = _suitable(plan, scratch, dsn)
    except (UsageError, EnvironmentFaultError) as error:  # and no stop
        problems.append(error)
    if plan.against is not None:
        try:
            with told_of(plan.against.called):
                sides[plan.against.called] = _other(plan, plan.against, scratch, dsn)
        except (UsageError, EnvironmentFaultError) as error:
            problems.append(error)
    if len(problems) > 1:
        raise UsageError("\n".join(map(str, problems)))
    if problems:
        raise problems[0]
    for side in sides.values():
        _require_one_place(found["this"], side.project)
    return Sides(this=found["this"], others=sides)


@contextmanager
def told_of(other: str) -> Iterator[None]:
    """Names the side in an error; a stop is of neither side."""
    try:
        yield
    except (UsageError, EnvironmentFaultError) as error:
        error.args = (f"Against {other}: {error}", *error.args[1:])
        raise


def _loaded(plan: Plan, other: Against, scratch: Path, dsn: Reference | None) -> Project:
    """The other side's project; where it does not load, it is said what a revision consists of."""
    try:
        return _suitable(plan, scratch, dsn, other.called)
    except EnvironmentFaultError as error:
        if other.revision:
            error.args = (f"{error}\n{_consists_of(other)}", *error.args[1:])
        raise


def _consists_of(other: Against) -> str:
    packages = f"those of {other.python}" if other.python else "those of this side (--against-python names others)"
    return (
        f"Its files are those of the commit, its packages are {packages}. take in [against] of the plan names files"
        " that git does not have."
    )


def _suitable(plan: Plan, scratch: Path, dsn: Reference | None, side: str = "") -> Project:
    project = project_of(plan, scratch, side)
    if dsn is not None and dsn.text is not None:
        project = project.given()
    require_suitable(project, plan, allow_remote=dsn is not None and dsn.allow_remote)
    return project


def _other(plan: Plan, other: Against, scratch: Path, dsn: Reference | None) -> Side:
    return _of_sample_app(plan, other, scratch) if plan.project is None else _of_project(plan, other, scratch, dsn)


def _of_project(plan: Plan, other: Against, scratch: Path, dsn: Reference | None) -> Side:
    own = _required(plan.project)
    here = expanded(own.folder).resolve()
    made = checked_out(here, other.revision, scratch / "against", other.take) if other.revision else None
    options = _options(own, other, made)
    if made is not None and not Path(options.folder).is_dir():
        raise UsageError(f"The revision {other.revision} has no folder {here.relative_to(made.repository)}.")
    project = _loaded(replace(plan, project=options), other, scratch, dsn)
    if made is not None or other.folder:
        _require_own_modules(project, options, made.repository if made else here, other)
    origin = _origin(here, Path(options.folder), other, made)
    facts: dict[str, Scalar] = {"name": other.called, **origin, **_facts(project, project.info)}
    remarks = _remarks(other, made, str(origin.get(THIS_COMMIT, ""))) if made else ()
    if not project.redirected:
        return Side(project=project, facts=facts, remarks=remarks)
    moved = {alias: name + SUFFIX for alias, name in project.redirected.items()}
    return Side(project=replace(project, redirected=moved), database=TARGET + SUFFIX, facts=facts, remarks=remarks)


def _options(own: ProjectOptions, other: Against, made: Checkout | None) -> ProjectOptions:
    """Those of this side, but for what the other one has otherwise."""
    said: dict[str, Any] = {}
    if other.settings:
        said["settings"] = other.settings
    if other.python:
        said["python"] = str(expanded(other.python).absolute())
    if other.folder:
        said["folder"] = str(expanded(other.folder).resolve())
    if made is not None:
        said["folder"] = str(made.place_of(expanded(own.folder).resolve()))
        said["pythonpath"] = [str(made.place_of(expanded(one).resolve())) for one in own.pythonpath]
    return replace(own, **said)


def _origin(here: Path, there: Path, other: Against, made: Checkout | None) -> dict[str, Scalar]:
    """Which code each side has, as far as git or a folder says it."""
    facts: dict[str, Scalar] = {THIS_COMMIT: state_of(here)}
    if made is not None:
        facts |= {"revision": other.revision, "commit": made.commit}
        facts["files that git does not have"] = named(made.taken)
    elif other.folder:
        facts |= {"folder": str(there), "commit": state_of(there)}
    return {name: value for name, value in facts.items() if value}


def _remarks(other: Against, made: Checkout, here: str) -> tuple[str, ...]:
    commit, *changed = here.partition(",")
    this = commit[:SHOWN_OF_COMMIT] + "".join(changed)
    told = [f"The side {other.called} is {made.commit[:SHOWN_OF_COMMIT]}, checked out aside; this side is {this}."]
    if here == made.commit and not (other.python or other.settings):
        told.append("Both sides have the same code, packages and settings: what differs between them is noise.")
    if made.taken:
        told.append(f"The side {other.called} gets files from here that git does not have: {named(made.taken)}.")
    if made.submodules:
        told.append(f"The side {other.called} has its submodules too: {named(made.submodules)}.")
    return tuple(told)


def _required(options: ProjectOptions | None) -> ProjectOptions:
    if options is None:
        raise TypeError("the plan has no project")
    return options


def _require_own_modules(project: Project, options: ProjectOptions, own: Path, other: Against) -> None:
    """Make sure that the other side does not import this side's code, as by a package installed in editable mode."""
    wanted = [expanded(one).resolve() for one in (options.folder, *options.pythonpath)]
    folders = map(Path, project.info.code_folders if project.info else ())
    foreign = [str(one) for one in folders if one.is_relative_to(own) and not any(map(one.is_relative_to, wanted))]
    if foreign:
        remedy = (
            f"Name their folder with --pythonpath: then {other.called} has its own"
            if other.revision
            else f"Name a virtualenv with {project.option('python')} that has the modules of {other.folder}"
        )
        raise UsageError(
            f"It imports modules of this side: {named(foreign)}. They are installed for {project.python} in editable"
            f" mode, or named by PYTHONPATH. {remedy}."
        )


def _of_sample_app(plan: Plan, other: Against, scratch: Path) -> Side:
    """The sample app with another Python or driver; its tables are the same, and both sides share them."""
    facts: dict[str, Scalar] = {"name": other.called}
    if not other.python:
        _require_driver(other.driver)
        project = Project(driver=other.driver)
        versions = {name: importlib.metadata.version(name) for name in _distributions(other.driver)}
        return Side(project=project, facts={**facts, "driver": other.driver, **_versions(versions)})
    draft = Project(
        driver=other.driver or plan.driver,
        python=str(expanded(other.python).absolute()),
        environment={
            **Project().environment,
            "PYTHONPATH": str(library()),
            "PYTHONPYCACHEPREFIX": str(state_directory() / "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
        },
        boot_seconds=BOOT_SECONDS,
        side=other.called,
    )
    kinds = sorted({"asgi" if SERVERS[name].asgi else "wsgi" for name in plan.servers})
    info = inspect(draft, scratch, kinds)
    project = replace(draft, driver=_driver_in(info, draft, said=bool(other.driver)))
    if faults := [*package_faults(replace(project, info=info), info, plan)]:
        lines = "\n".join(f"  {fault}" for fault in faults)
        raise UsageError(f"loadlab's sample app cannot be measured there:\n{lines}")
    return Side(project=project, facts={**facts, **_facts(project, info)})


def _driver_in(info: ProjectInfo, draft: Project, *, said: bool) -> str:
    there = [name for name, packages in DRIVERS.items() if not info.installed.keys().isdisjoint(packages)]
    if draft.driver in there:
        return draft.driver
    if said or not there:
        package = {"psycopg": "psycopg[binary]"}.get(draft.driver, "psycopg2-binary")
        raise UsageError(f"{draft.python} has no driver {draft.driver}: {draft.python} -m pip install '{package}'.")
    return there[0]


def _require_driver(driver: str) -> None:
    if not _distributions(driver):
        package = {"psycopg": "psycopg[binary]"}.get(driver, "psycopg2-binary")
        raise EnvironmentFaultError(f"The driver {driver} is not installed: {install_command([package])}.")


def _distributions(driver: str) -> list[str]:
    installed = {str(one.metadata["Name"]).lower() for one in importlib.metadata.distributions()}
    return [name for name in DRIVERS[driver] if name in installed]


def _facts(project: Project, info: ProjectInfo | None) -> dict[str, Scalar]:
    facts: dict[str, Scalar] = {"settings": project.settings, "driver": project.driver}
    if project.folder is not None:
        facts["Python files"] = python_files(project.folder)
    if info is not None:
        facts |= {"python": info.python, "interpreter": project.python, **_versions(info.installed)}
    return facts


def _versions(installed: Mapping[str, str]) -> dict[str, Scalar]:
    return {f"version of {name}": version for name, version in installed.items()}


def _require_one_place(this: Project, other: Project) -> None:
    """Both sides are judged by one PostgreSQL, and on one database where it is the user's.

    Raises:
        UsageError: the settings of the sides lead to different databases.
    """
    if not (this.brings_database and other.brings_database and this.info and other.info):
        return
    ours, theirs = this.info.default, other.info.default
    if ours.place != theirs.place:
        raise UsageError(
            f"The sides lead to different databases: {where(ours)}, and {where(theirs)}. Measure both on empty ones of"
            " loadlab's own with --embedded, or on one that --dsn names."
        )
