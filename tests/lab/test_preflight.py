"""What is looked at before a run starts anything."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest
from command_line import REPOSITORY
from factories.plain import case

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.preflight import missing_for_worker, missing_packages, require_own_database, require_programs
from loadlab.model.config import Config
from loadlab.model.drivers import DRIVERS
from loadlab.model.planned_fault import PlannedFault
from loadlab.plan.members import build_worker, config_of
from loadlab.servers import SERVERS
from loadlab.services.database import Database
from loadlab.strategies import STRATEGIES
from loadlab.system import programs
from loadlab.system.programs import REDIS
from loadlab.workers import WORKERS

if TYPE_CHECKING:
    from loadlab.model.case import Case


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PgBouncer, and a Python without any package."""

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", absent)
    monkeypatch.setattr(programs.shutil, "which", lambda *_, **__: None)


NEEDS: Final = {
    "geventpool": "strategies.geventpool: django-db-geventpool",
    "pool": "strategies.pool: psycopg-pool",
    "pgbouncer": "strategies.pgbouncer: PgBouncer (apt install pgbouncer, or brew install pgbouncer)",
}


def wanting(strategy: str = "max_age", server: str = "threaded") -> Case:
    choices = config_of(STRATEGIES, strategy, {}, "strategy"), config_of(SERVERS, server, {}, "server")
    return replace(case(), strategy=choices[0], server=choices[1])


@pytest.mark.usefixtures("bare")
def test_all_that_is_missing_is_named_at_once_with_one_command_for_packages() -> None:
    cases = [wanting(), *map(wanting, NEEDS), wanting(server="gevent"), replace(wanting(server="gevent"), users=9)]
    with pytest.raises(EnvironmentFaultError) as raised:
        require_programs(cases, "psycopg2")
    head, *lines, remedy = str(raised.value).splitlines()
    modes = [f"  servers.gevent: {package}" for package in SERVERS["gevent"]().needs("psycopg2")]
    assert (head, lines) == ("Not installed, and needed:", [*(f"  {line}" for line in NEEDS.values()), *modes])
    packages = "django-db-geventpool psycopg-pool gunicorn gevent packaging psycogreen"
    assert f"-m pip install {packages})" in remedy


@pytest.mark.usefixtures("bare")
def test_a_mode_that_no_case_names_is_not_asked_for() -> None:
    require_programs([wanting()], "psycopg2")


@pytest.mark.usefixtures("bare")
def test_a_mode_needs_what_its_driver_needs() -> None:
    with pytest.raises(EnvironmentFaultError) as raised:
        require_programs([wanting(server="gevent")], "psycopg")
    assert "psycogreen" not in str(raised.value)


@pytest.mark.usefixtures("bare")
def test_a_program_of_the_system_is_named_with_its_command() -> None:
    for driver in ("psycopg2", None):
        with pytest.raises(EnvironmentFaultError, match=r"servers\.nginx: nginx \(apt install nginx-light, or brew"):
            require_programs([wanting(server="nginx")], driver)


@pytest.mark.usefixtures("bare")
def test_what_a_fault_lacks_is_named_before_the_run() -> None:
    jump = PlannedFault(config=Config(name="clock_jump", parameters={"by_seconds": 60.0}), at=1.0, seconds=1.0)
    with pytest.raises(EnvironmentFaultError, match=r"faults\.clock_jump: A C compiler \(apt install gcc libc6-dev\)"):
        require_programs([replace(wanting(), fault=jump)], "psycopg2")


@pytest.mark.usefixtures("bare")
def test_what_a_background_worker_lacks_is_named_with_its_commands() -> None:
    strategy = config_of(STRATEGIES, "max_age", {}, "strategy")
    for name in WORKERS:
        worker = config_of(WORKERS, name, dict(WORKERS[name].counted[0]), "worker")
        lacking = missing_for_worker(worker, strategy)
        redis = [f"workers.{name}: {REDIS.title} ({REDIS.install})"] if build_worker(worker).needs_redis() else []
        assert [*map(str, lacking)] == [*redis, *(f"workers.{name}: {package}" for package in WORKERS[name].packages)]


def test_a_package_that_does_as_well_is_enough() -> None:
    for there, missing in (("uwsgi", []), ("pyuwsgi", []), ("gunicorn", ["pyuwsgi"])):
        assert missing_packages(SERVERS["uwsgi"](), "psycopg2", there.__eq__) == missing


@pytest.mark.usefixtures("bare")
def test_a_projects_own_python_may_have_what_ours_has_not() -> None:
    require_programs([wanting("pool"), wanting(server="gevent")], None)


def test_everything_that_a_strategy_needs_comes_with_the_lab() -> None:
    requirements = importlib.metadata.requires("loadlab") or []
    of_the_lab = " ".join(line for line in requirements if 'extra == "lab"' in line).replace("[binary,pool]", "-pool")
    for name in STRATEGIES:
        # django-async-backend asks for Django 6 and Python 3.12, and the lab for neither.
        needed = set(STRATEGIES[name].packages) - {"django-async-backend"}
        assert all(package in of_the_lab for package in needed), name


def test_every_package_of_a_server_mode_comes_with_the_lab_or_the_servers() -> None:
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    offered = {re.split(r"[^\w.-]", line)[0].lower() for extra in ("lab", "servers") for line in extras[extra]}
    modes = [SERVERS[name] for name in SERVERS]
    named = {package.lower() for mode in modes for driver in DRIVERS for package in mode().needs(driver)}
    # gunicorn brings packaging; mod_wsgi is for those who have Apache's headers.
    assert named - offered - {"packaging", "mod_wsgi"} == set()


def test_a_users_own_database_is_not_put_to_faults_that_need_loadlabs() -> None:
    theirs = Database(name="shop", parameters={}, observer={}, observer_name="shop", embedded=False)
    restart = PlannedFault(config=Config(name="database_restart", parameters={"mode": "fast"}), at=1.0)
    require_own_database(theirs, [case()])
    with pytest.raises(UsageError, match=r"has the faults database_restart, which need.* the database shop is yours"):
        require_own_database(theirs, [case(), replace(case(), fault=restart)])
