"""What keeps a project from being measured is said once, with a remedy that fits the project."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from loadlab.errors import UsageError
from loadlab.lab.inspection import Alias, ProjectInfo
from loadlab.lab.project import Project
from loadlab.lab.suitability import notes_of_sides, other_databases, require_suitable
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.model.plan import Plan

PLAN = """
scenarios = ["{scenario}"]
[project]
settings = "shop.settings"
[servers.sync]
[servers.gthread]
[strategies.max_age]
[strategies.pool]
"""
INSTALLED = {"gunicorn": "27", "psycopg2-binary": "2.9", "psycopg-pool": "3.3"}


def project(driver: str) -> Project:
    alias = Alias(
        engine="django.db.backends.postgresql",
        vendor="postgresql",
        driver=driver,
        pool=False,
        atomic_requests=False,
        parameters={},
    )
    info = ProjectInfo(
        python="3.13.0",
        installed=INSTALLED,
        wsgi="",
        asgi="",
        apps=[],
        debug=False,
        ssl_redirect=False,
        aliases={"default": alias},
        routes=[],
    )
    return Project(settings="shop.settings", python="/venv/bin/python", driver=driver, brings_database=True, info=info)


def with_alias(alias: str, **changes: object) -> Project:
    """The project with one more alias, run on an embedded server."""
    plain = project("psycopg")
    assert plain.info is not None
    aliases = {**plain.info.aliases, alias: replace(plain.info.default, **changes)}  # type: ignore[arg-type]
    return replace(
        plain,
        brings_database=False,
        redirected={"default": "loadlab", alias: "loadlab_2"},
        info=replace(plain.info, aliases=aliases),
    )


def plan_of(tmp_path: Path, *, ages: str = "0") -> Plan:
    scenario = tmp_path / "visitor.py"
    scenario.touch()
    text = PLAN.format(scenario=scenario).replace("[strategies.pool]", "").replace("psycopg-pool", "")
    return read_plan(f"{text}max_age = {ages}\n", "a plan").plan


def test_a_pool_of_any_alias_is_refused_together_with_ages(tmp_path: Path) -> None:
    pooled = with_alias("reports", pool=True)
    require_suitable(pooled, plan_of(tmp_path))
    with pytest.raises(UsageError, match=r"DATABASES\['reports'\]\['OPTIONS'\]\['pool'\] is set"):
        require_suitable(pooled, plan_of(tmp_path, ages="[0, 60]"))


def test_options_that_the_driver_does_not_know_are_named(tmp_path: Path) -> None:
    told = with_alias("reports", libpq="psycopg2 with libpq 17.11", unknown_options=("min_protocol_version",))
    said = r"\['reports'\]\['OPTIONS'\] has min_protocol_version, which psycopg2 with libpq 17.11 in /venv/bin/python"
    with pytest.raises(UsageError, match=said):
        require_suitable(told, plan_of(tmp_path))


def test_an_embedded_database_stands_in_for_no_postgis(tmp_path: Path) -> None:
    spatial = with_alias("places", engine="django.contrib.gis.db.backends.spatialite", vendor="sqlite")
    with pytest.raises(UsageError, match="needs PostGIS for places"):
        require_suitable(spatial, plan_of(tmp_path))


def test_a_remark_on_one_side_of_a_run_names_the_side() -> None:
    """Such as settings of development on the other side: DEBUG alone makes it slower."""
    plain = project("psycopg")
    assert plain.info is not None
    debugging = replace(plain, info=replace(plain.info, debug=True))
    (both,) = notes_of_sides(debugging, {"main": debugging}).values()
    assert both.startswith("DEBUG is on")
    (theirs,) = notes_of_sides(plain, {"main": debugging}).values()
    assert theirs.startswith("On the side main only: DEBUG is on")
    (ours,) = notes_of_sides(debugging, {"main": plain}).values()
    assert ours.startswith("On this side only: DEBUG is on")


def test_remote_databases_of_every_alias_need_leave(tmp_path: Path) -> None:
    moved = with_alias("reports", parameters={"host": "192.0.2.7", "dbname": "reports"})
    require_suitable(moved, plan_of(tmp_path))  # an embedded database is in its place
    own = replace(moved, redirected={}, brings_database=True)
    for staying in (replace(moved, redirected={"default": "loadlab"}), own):
        with pytest.raises(UsageError, match=r"reports on 192\.0\.2\.7:5432, .*--allow-remote"):
            require_suitable(staying, plan_of(tmp_path))
        require_suitable(staying, plan_of(tmp_path), allow_remote=True)
        (said,) = other_databases(staying)
        assert "leads to PostgreSQL, reports on 192.0.2.7:5432, as the settings say" in said


@pytest.mark.parametrize("kept", ["nonesuch", "default"])
def test_only_another_alias_of_the_project_can_be_kept(tmp_path: Path, kept: str) -> None:
    plan = plan_of(tmp_path)
    assert plan.project is not None
    keeping = replace(plan, project=replace(plan.project, database="embedded", keep_databases=[kept]))
    with pytest.raises(UsageError, match=f"keep_databases names '{kept}'"):
        require_suitable(with_alias("reports"), keeping)


def test_a_strategy_incompatible_with_the_driver_is_named_once(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scenario = tmp_path_factory.mktemp("lab") / "visitor.py"
    scenario.touch()
    plan = read_plan(PLAN.format(scenario=scenario), "a plan").plan
    with pytest.raises(UsageError, match="cannot be measured like this") as raised:
        require_suitable(project("psycopg2"), plan)
    assert len(str(raised.value).splitlines()) == 1 + 1  # the headline, and one reason
    assert "the project's driver is psycopg2" in str(raised.value)
    assert "installed in /venv/bin/python" in str(raised.value)
    require_suitable(project("psycopg"), plan)
