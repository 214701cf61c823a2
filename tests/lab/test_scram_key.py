"""A SCRAM key logs in as a password does, without one; it is kept in one file, and is nowhere else."""

from __future__ import annotations

import base64
import re
import stat
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from command_line import CommandLine, everything_in
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.lab import keys
from loadlab.lab.fixture import postgres_fixture
from loadlab.lab.keys import require_keys
from loadlab.lab.project import Project
from loadlab.plan.members import config_of
from loadlab.services.scram_key import keyed, scram_keys
from loadlab.services.way import way_to
from loadlab.strategies import STRATEGIES
from loadlab.strategies.scram_key import ScramKey

if TYPE_CHECKING:
    from loadlab.lab.lab import Lab
    from loadlab.services.database import Database

CHOICE = config_of(STRATEGIES, "scram_key", {}, "strategy")
PLAN = """
scenarios = ["read_one"]
driver = "psycopg"
users = [2]
blocks = 1
warmup_seconds = 0.1
window_seconds = 0.4
keep_alive = [false]

[servers.sync]
workers = 1

[strategies.max_age]

[strategies.scram_key]
"""


def log_in(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the target does, with no password anywhere."""
    for name, value in database.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PGPASSWORD", raising=False)
    psycopg.connect(**database.parameters, dbname=database.name, service=ScramKey.service).close()


def test_a_key_logs_in_without_a_password(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = keyed(lab.database, ScramKey.service, tmp_path)
    assert not {"password", "passfile"} & database.parameters.keys()
    assert not Path(database.environment["PGPASSFILE"]).exists()
    log_in(database, monkeypatch)


@pytest.mark.parametrize("which", ["client", "server"])
def test_a_wrong_key_is_an_error_and_no_login_by_password(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    """A wrong server's key is a server that may be another: libpq says so."""
    database = keyed(lab.database, ScramKey.service, tmp_path)
    wrong = replace(scram_keys(lab.database), **{which: base64.b64encode(bytes(32)).decode()})
    Path(database.environment["PGSERVICEFILE"]).write_text(wrong.section(ScramKey.service))
    said = {"client": "password authentication failed", "server": "incorrect server signature"}[which]
    with pytest.raises(psycopg.OperationalError, match=said):
        log_in(database, monkeypatch)


def test_a_key_is_for_its_owner_alone_and_made_once(lab: Lab, tmp_path: Path) -> None:
    file = Path(keyed(lab.database, ScramKey.service, tmp_path).environment["PGSERVICEFILE"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    made = file.stat().st_ino
    keyed(lab.database, ScramKey.service, tmp_path)
    assert file.stat().st_ino == made  # a target that connects just then still finds it


def test_keys_are_derived_as_postgresql_has_stored_them(lab: Lab) -> None:
    """The judge is pg_authid: it has a hash of the client's key, and the server's."""
    lab.cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [lab.database.parameters["user"]])
    ((secret,),) = lab.cursor.fetchall()
    way = way_to(lab.database)
    assert way.demand.secret(way.user, way.password) == secret
    assert scram_keys(lab.database).server == secret.rpartition(":")[2]


def test_no_repr_shows_a_key(lab: Lab) -> None:
    made = scram_keys(lab.database)
    assert made.client not in repr(made)
    assert made.server not in repr(made)
    assert way_to(lab.database).password not in repr(way_to(lab.database))


@pytest.mark.process
def test_where_no_scram_password_is_asked_for_the_method_is_named(tmp_path: Path) -> None:
    said = "lets loadlab in by the method trust"
    with postgres_fixture(tmp_path, lambda _: None) as trusting, pytest.raises(EnvironmentFaultError, match=said):
        keyed(trusting.lab.database, ScramKey.service, tmp_path)


def test_a_database_that_a_service_names_is_refused(lab: Lab, tmp_path: Path) -> None:
    named = replace(lab.database, parameters={**lab.database.parameters, "service": "shop"})
    with pytest.raises(EnvironmentFaultError, match="libpq takes one service only"):
        keyed(named, ScramKey.service, tmp_path)


@pytest.mark.parametrize(("printed", "found"), [("print(170011)", "libpq 17"), ("import nothing", "no psycopg 3")])
def test_a_driver_that_takes_no_key_is_named_before_the_first_trial(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, printed: str, found: str
) -> None:
    monkeypatch.setattr(keys, "VERSION", printed)
    with pytest.raises(EnvironmentFaultError, match=rf"needs psycopg 3 with libpq 18 or newer, and .* has {found}"):
        require_keys(replace(lab, project=Project(driver="psycopg")), [CHOICE])


def test_a_plan_without_keys_asks_no_driver(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "VERSION", "print(1)")
    require_keys(lab, [config_of(STRATEGIES, "max_age", {}, "strategy")])


@pytest.fixture
def address(lab: Lab) -> tuple[str, str]:
    """The target's DSN with its password, and the password."""
    password = Path(lab.database.environment["PGPASSFILE"]).read_text().strip().rpartition(":")[2]
    parameters: dict[str, Any] = {**lab.database.parameters, "dbname": lab.database.name, "password": password}
    return make_dsn(**parameters), password


def test_the_command_makes_a_key_that_logs_in_and_shows_none(
    loadlab: CommandLine, lab: Lab, address: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "shop.conf"
    done = loadlab("key", "--dsn", "env:SHOP_DSN", "--out", file, "--service", "shop", SHOP_DSN=address[0])
    assert done.code == 0, done.stderr
    made = scram_keys(lab.database)
    assert file.read_text() == made.section("shop")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for secret in (made.client, made.server, address[1]):
        assert secret not in done.stdout + done.stderr
    again = loadlab("key", "--dsn", "env:SHOP_DSN", "--out", file, SHOP_DSN=address[0])
    assert again.code == 2
    assert "exists already" in again.stderr
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGPASSFILE", str(tmp_path / "none"))
    psycopg.connect(**lab.database.parameters, dbname=lab.database.name, service="shop").close()


def test_a_run_with_a_key_says_where_opens_take_their_time_and_leaves_no_key(
    loadlab: CommandLine, tmp_path: Path
) -> None:
    (tmp_path / "plan.toml").write_text(PLAN)
    run = tmp_path / "run"
    done = loadlab("run", tmp_path / "plan.toml", "--out", run)
    assert done.code in {0, 12}, done.stderr
    report = (run / "report.md").read_text()
    assert "## Opening a connection" in report
    assert "| by password |" in report
    assert "| by scram_key |" in report
    assert not re.search(r"_key=[A-Za-z0-9+/]{43}=", everything_in(run))
