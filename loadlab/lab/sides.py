"""The other side of a run: another revision, folder, Python or settings of the project, measured in the same blocks."""

from __future__ import annotations

import importlib.metadata
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadlab.errors import EnvironmentFaultError, LabError, UsageError
from loadlab.lab.aliases import where
from loadlab.lab.checkout import checked_out, named, state_of
from loadlab.lab.contents import python_files
from loadlab.lab.inspection import inspect
from loadlab.lab.preflight import install_command
from loadlab.lab.project import BOOT_SECONDS, Project, library, project_of
from loadlab.lab.suitability import package_faults, require_suitable
from loadlab.model.drivers import DRIVERS
from loadlab.servers import SERVERS
from loadlab.services.embedded import TARGET
from loadlab.system.state_folder import state_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from loadlab.lab.checkout import Checkout
    from loadlab.lab.inspection import ProjectInfo
    from loadlab.model.config import Scalar
    from loadlab.model.plan import Against, Plan, ProjectOptions
    from loadlab.services.external_database import Reference

OPTIONS: Final = re.compile(r"--(?=(?:python|settings)\b)")  # of this side; the other one has its own
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
    except LabError as error:
        problems.append(error)
    if plan.against is not None:
        try:
            sides[plan.against.called] = _other(plan, plan.against, scratch, dsn)
        except LabError as error:
            said = OPTIONS.sub("--against-", str(error))
            error.args = (f"Against {plan.against.called}: {said}", *error.args[1:])
            problems.append(error)
    if len(problems) > 1:
        raise UsageError("\n".join(map(str, problems)))
    if problems:
        raise problems[0]
    for side in sides.values():
        _require_one_place(found["this"], side.project)
    return Sides(this=found["this"], others=sides)


def _suitable(plan: Plan, scratch: Path, dsn: Reference | None) -> Project:
    project = project_of(plan, scratch)
    if dsn is not None and dsn.text is not None:
        project = project.given()
    require_suitable(project, plan, allow_remote=dsn is not None and dsn.allow_remote)
    return project


def _other(plan: Plan, other: Against, scratch: Path, dsn: Reference | None) -> Side:
    return _of_sample_app(plan, other, scratch) if plan.project is None else _of_project(plan, other, scratch, dsn)


def _of_project(plan: Plan, other: Against, scratch: Path, dsn: Reference | None) -> Side:
    own = _required(plan.project)
    here = Path(own.folder).expanduser().resolve()
    made = checked_out(here, other.revision, scratch / "against", other.take) if other.revision else None
    options = _options(own, other, made)
    if made is not None and not Path(options.folder).is_dir():
        raise UsageError(f"The revision {other.revision} has no folder {here.relative_to(made.repository)}.")
    project = _suitable(replace(plan, project=options), scratch, dsn)
    if made is not None:
        _require_own_modules(project, made.repository, other)
    facts: dict[str, Scalar] = {
        "name": other.called,
        **_origin(here, Path(options.folder), other, made),
        **_facts(project, project.info),
    }
    remarks = _remarks(other, made) if made else ()
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
        said["python"] = str(Path(other.python).expanduser().absolute())
    if other.folder:
        said["folder"] = str(Path(other.folder).expanduser().resolve())
    if made is not None:
        said["folder"] = str(made.place_of(Path(own.folder).expanduser().resolve()))
        said["pythonpath"] = [str(made.place_of(Path(one).expanduser().resolve())) for one in own.pythonpath]
    return replace(own, **said)


def _origin(here: Path, there: Path, other: Against, made: Checkout | None) -> dict[str, Scalar]:
    """Which code each side has, as far as git or a folder says it."""
    facts: dict[str, Scalar] = {"commit of this side": state_of(here)}
    if made is not None:
        facts |= {"revision": other.revision, "commit": made.commit}
        facts["files that git does not have"] = named(made.taken)
    elif other.folder:
        facts |= {"folder": str(there), "commit": state_of(there)}
    return {name: value for name, value in facts.items() if value}


def _remarks(other: Against, made: Checkout) -> tuple[str, ...]:
    told = [f"the side {other.called} is {made.commit[:12]}, checked out aside; it goes with the lab."]
    if made.taken:
        told.append(f"The side {other.called} gets files from here that git does not have: {named(made.taken)}.")
    if made.submodules:
        told.append(f"The side {other.called} has its submodules too: {named(made.submodules)}.")
    return tuple(told)


def _required(options: ProjectOptions | None) -> ProjectOptions:
    if options is None:
        raise TypeError("the plan has no project")
    return options


def _require_own_modules(project: Project, own: Path, other: Against) -> None:
    """Make sure that the other side does not import this side's code, as by a package installed in editable mode."""
    folders = project.info.code_folders if project.info else ()
    foreign = [one for one in folders if Path(one).is_relative_to(own)]
    if foreign:
        raise UsageError(
            f"It imports modules of this side: {named(foreign)}. They are installed for {project.python} in editable"
            f" mode, or named by PYTHONPATH. Name their folder with --pythonpath: then {other.called} has its own."
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
        python=str(Path(other.python).expanduser().absolute()),
        environment={
            **Project().environment,
            "PYTHONPATH": str(library()),
            "PYTHONPYCACHEPREFIX": str(state_directory() / "bytecode"),
            "PYTHONDONTWRITEBYTECODE": "",
        },
        boot_seconds=BOOT_SECONDS,
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
