"""What keeps a project from being measured is said once, with a remedy that fits the project."""

from __future__ import annotations

import pytest

from loadlab.errors import UsageError
from loadlab.planning import read_plan
from loadlab.runner.subject import Alias, Facts, Subject
from loadlab.runner.suitability import require_suitable

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


def subject(driver: str) -> Subject:
    alias = Alias(
        engine="django.db.backends.postgresql",
        vendor="postgresql",
        driver=driver,
        pool=False,
        atomic_requests=False,
        parameters={},
    )
    facts = Facts(
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
    return Subject(
        settings="shop.settings", python="/venv/bin/python", driver=driver, brings_database=True, facts=facts
    )


def test_a_strategy_that_is_not_for_the_projects_driver_is_said_once_for_all_modes(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scenario = tmp_path_factory.mktemp("lab") / "visitor.py"
    scenario.touch()
    plan = read_plan(PLAN.format(scenario=scenario), "a plan").plan
    with pytest.raises(UsageError, match="for 1 reason") as raised:
        require_suitable(subject("psycopg2"), plan)
    assert "the project's driver is psycopg2" in str(raised.value)
    assert "installed in /venv/bin/python" in str(raised.value)
    require_suitable(subject("psycopg"), plan)
