"""Clusters copied from a template are as good as those of initdb, and share no password with it or each other."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from psycopg2.extensions import make_dsn

from loadlab.model.plan import DatabaseOptions
from loadlab.services import cluster_template
from loadlab.services.embedded import restartable
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.services.database import Database

pytestmark = pytest.mark.process


@contextmanager
def no_template() -> Iterator[Path]:
    """A state folder with no template yet, which the user that PostgreSQL runs as can reach."""
    with Register.opened() as register, pytest.MonkeyPatch.context() as patch:
        folder = register.folder / "state"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        patch.setattr(cluster_template, "state_directory", lambda: folder)
        yield folder


@pytest.fixture
def templates() -> Iterator[Path]:
    with no_template() as folder:
        yield folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """A state folder with a template, and the password of the cluster that it was made for."""

    templates: Path
    said: str


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    with no_template() as folder:
        yield Used(templates=folder, said=served(tmp_path_factory.mktemp("logs") / "log"))


def made(folder: Path) -> list[Path]:
    return sorted(folder.glob("cluster-*"))


def password(database: Database) -> str:
    return Path(database.observer["passfile"]).read_text().rpartition(":")[2].strip()


def answers(database: Database, said: str) -> bool:
    access = {**database.observer, "dbname": "postgres", "passfile": os.devnull, "password": said}
    try:
        psycopg2.connect(make_dsn(**access)).close()
    except psycopg2.OperationalError:
        return False
    return True


def served(log: Path) -> str:
    """Serve one cluster, whose superuser needs its password; returns that."""
    with Register.opened() as register, restartable(DatabaseOptions(), register, log) as running:
        said = password(running.database)
        assert answers(running.database, said)
        assert not answers(running.database, f"{said}x")
        with running.database.observed() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY datname")
            assert cursor.fetchall() == [("loadlab",), ("postgres",)]
        return said


def test_clusters_of_one_template_have_their_own_passwords(used: Used, tmp_path: Path) -> None:
    (template,) = made(used.templates)
    assert served(tmp_path / "log") != used.said
    assert [path.name for path in used.templates.iterdir()] == [template.name]
    assert template.stat().st_mode & 0o077 == 0


def test_a_damaged_template_is_not_used_and_goes(used: Used, tmp_path: Path) -> None:
    (template,) = made(used.templates)
    shutil.rmtree(template / "global")
    served(tmp_path / "log")
    assert made(used.templates) == []


@pytest.mark.slow
def test_labs_that_begin_at_once_share_one_template(templates: Path, tmp_path: Path) -> None:
    said: list[str] = []
    threads = [threading.Thread(target=lambda: said.append(served(tmp_path / "log"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(said)) == 2
    assert len(made(templates)) == 1
    assert len(list(templates.iterdir())) == 1


@pytest.mark.slow
def test_another_way_to_log_in_has_another_template(templates: Path, tmp_path: Path) -> None:
    served(tmp_path / "log")
    with Register.opened() as register:
        trusting = DatabaseOptions(auth="trust")
        with restartable(trusting, register, tmp_path / "log") as running:
            assert answers(running.database, "any")
    assert len(made(templates)) == 2
