"""What is looked at before a run starts anything."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import pytest
from factories.plain import case

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.preflight import require_programs
from loadlab.plan.members import config_of
from loadlab.services import pgbouncer
from loadlab.strategies import STRATEGIES


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without PgBouncer, and a Python without any package."""

    def absent(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", absent)
    monkeypatch.setattr(pgbouncer.shutil, "which", lambda *_, **__: None)


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("geventpool", "pip install django-db-geventpool"),
        ("pool", "pip install psycopg-pool"),
        ("pgbouncer", "apt install pgbouncer"),
    ],
)
def test_what_a_strategy_needs_and_is_not_there_is_named_with_the_remedy(strategy: str, words: str) -> None:
    wanting = replace(case(), strategy=config_of(STRATEGIES, strategy, {}, "strategy"))
    with pytest.raises(EnvironmentFaultError, match=words):
        require_programs([case(), wanting], own_site=True)


@pytest.mark.usefixtures("bare")
def test_a_projects_own_python_may_have_what_ours_has_not() -> None:
    require_programs([replace(case(), strategy=config_of(STRATEGIES, "pool", {}, "strategy"))], own_site=False)


def test_everything_that_a_strategy_needs_comes_with_the_lab() -> None:
    requirements = importlib.metadata.requires("loadlab") or []
    of_the_lab = " ".join(line for line in requirements if 'extra == "lab"' in line).replace("[binary,pool]", "-pool")
    for name in STRATEGIES:
        assert all(package in of_the_lab for package in STRATEGIES[name].packages), name
