"""The settings of the site in a container: all of it is said by the environment, and by files of secrets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from loadlab.sample_app import ALIASES

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("database_password", "metrics_token"):
        (tmp_path / name).write_text(f"the {name}\n")
        monkeypatch.setenv(f"LOADLAB_{name.upper()}_FILE", str(tmp_path / name))
    monkeypatch.setenv("PGDATABASE", "shop")
    monkeypatch.setenv("LOADLAB_MAX_AGE", "60")
    monkeypatch.setenv("LOADLAB_SITE_HOSTS", "app localhost")
    return monkeypatch


def settings() -> Any:
    return importlib.reload(importlib.import_module("loadlab.sample_app.deployed"))


@pytest.mark.parametrize(("text", "max_age"), [("0", 0), ("60", 60), ("0.5", 0.5), ("none", None)])
def test_every_alias_has_the_age_that_the_environment_names(
    environment: pytest.MonkeyPatch, text: str, max_age: float | None
) -> None:
    environment.setenv("LOADLAB_MAX_AGE", text)
    databases = settings().DATABASES
    assert {alias: entry["CONN_MAX_AGE"] for alias, entry in databases.items()} == dict.fromkeys(ALIASES, max_age)


def test_secrets_come_from_files_and_metrics_need_the_token(environment: pytest.MonkeyPatch) -> None:
    deployed = settings()
    assert {entry["PASSWORD"] for entry in deployed.DATABASES.values()} == {"the database_password"}
    assert deployed.LOADLAB == {"METRICS_TOKEN": "the metrics_token"}


def test_only_the_hosts_that_are_named_are_allowed(environment: pytest.MonkeyPatch) -> None:
    assert settings().ALLOWED_HOSTS == ["app", "localhost"]
    environment.delenv("LOADLAB_SITE_HOSTS")
    assert settings().ALLOWED_HOSTS == []


@pytest.mark.parametrize("missing", ["PGDATABASE", "LOADLAB_MAX_AGE", "LOADLAB_METRICS_TOKEN_FILE"])
def test_what_is_not_said_keeps_the_site_from_starting(environment: pytest.MonkeyPatch, missing: str) -> None:
    settings()
    environment.delenv(missing)
    with pytest.raises(KeyError, match=missing):
        settings()
