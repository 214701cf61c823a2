"""A run on the user's own PostgreSQL: exact counts, and a password that is nowhere but where the user has put it."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import psutil
import psycopg2
import pytest
from command_line import SMALL_PLAN, CommandLine, everything_in
from patience import await_that
from psycopg2 import sql
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.services.external_database import Reference, external_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import Started

    from loadlab.lab.lab import Lab

OWNER: Final = "given"
# Everything that a DSN, a password file or a URL would have to escape, between two words that stand nowhere else.
PARTS: Final = ("canaryhead", "canarytail")
PASSWORD: Final = "canaryhead \\:@/%'\"=é canarytail"


@pytest.fixture(scope="module")
def address(lab: Lab) -> Iterator[dict[str, str]]:
    """A database with its own role on the tests' PostgreSQL, as libpq's parameters."""
    owner = sql.Identifier(OWNER)
    lab.cursor.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD %s").format(owner), [PASSWORD])
    lab.cursor.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
    at = lab.database.parameters
    yield {"host": at["host"], "port": at["port"], "user": OWNER, "password": PASSWORD, "dbname": OWNER}
    lab.cursor.execute(sql.SQL("DROP DATABASE {}").format(owner))
    lab.cursor.execute(sql.SQL("DROP ROLE {}").format(owner))


def told_to_processes(run: Started) -> tuple[str, str]:
    """While the run went on: every command line on this machine, and the environments of the run's own programs."""
    lines, environments = set(), set()

    def look() -> bool:
        lines.update(" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"]))
        with suppress(psutil.Error):
            lab = psutil.Process(run.popen.pid)
            for child in lab.children(recursive=True):
                with suppress(psutil.Error):
                    # Until it has become another program, it is the lab's copy: the command line first.
                    if child.cmdline() != lab.cmdline():
                        environments.add(f"{child.name()} {child.environ()}")
        return run.popen.poll() is not None

    await_that(look, "the run does not end")
    return "\n".join(lines), "\n".join(environments)


def test_a_password_in_the_environment_gets_no_further(
    loadlab: CommandLine, address: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "plan.toml").write_text(SMALL_PLAN.format(blocks=1))
    run = tmp_path / "run"
    arguments = [
        "run",
        tmp_path / "plan.toml",
        "--out",
        run,
        "--dsn",
        "env:MY_DSN",
        "--only",
        "*keep_alive=off",
        "--live",
    ]
    with loadlab.started(*arguments, MY_DSN=make_dsn(**address)) as started:
        shown, inherited = told_to_processes(started)
        done = started.outcome()
    assert done.code == 0, done.stderr
    assert "gunicorn" in shown
    assert [part for part in PARTS if part in shown] == []
    assert "LOADLAB_LEDGER_DIR" in inherited
    assert "MY_DSN" not in inherited
    kept = done.stdout + done.stderr + everything_in(run) + everything_in(loadlab.state / "labs")
    assert [part for part in PARTS if part in kept] == []

    report = json.loads((run / "report.json").read_text())
    assert report["environment"]["PostgreSQL"]["origin"] == "given"
    for trial in report["trials"]:
        assert trial["connections"]["exact"] is True, trial["connections"]["mismatches"]
        assert trial["connections"]["sessions"] > 0


@pytest.mark.slow
def test_a_run_goes_on_on_the_database_that_it_was_begun_on_alone(
    loadlab: CommandLine, address: dict[str, str], lab: Lab, tmp_path: Path
) -> None:
    (tmp_path / "plan.toml").write_text(SMALL_PLAN.format(blocks=1))
    run = tmp_path / "run"
    begun = {"MY_DSN": make_dsn(**address)}
    done = loadlab("run", tmp_path / "plan.toml", "--out", run, "--dsn", "env:MY_DSN", **begun)
    assert done.code == 0, done.stderr
    (run / "trials" / "0002.json").unlink()
    lab.cursor.execute(sql.SQL("CREATE DATABASE another OWNER {}").format(sql.Identifier(OWNER)))
    try:
        other = loadlab(
            "run", "--resume", run, "--dsn", "env:MY_DSN", MY_DSN=make_dsn(**address | {"dbname": "another"})
        )
        assert other.code == 2
        assert "was measured with other values: PostgreSQL database: given → another." in other.stderr
        with psycopg2.connect(make_dsn(**address | {"dbname": "another"})) as untouched, untouched.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            assert cursor.fetchone() == (0,)
        untouched.close()
    finally:
        lab.cursor.execute("DROP DATABASE another")
    without = loadlab("run", "--resume", run)
    assert without.code == 2
    command = without.stderr.partition("Continue with: loadlab ")[2].strip().rstrip(".").split()
    spelt = make_dsn(**address | {"host": "localhost"})
    again = loadlab(*command, MY_DSN=spelt)
    assert again.code == 0, again.stderr
    assert json.loads((run / "report.json").read_text())["run"]["state"] == "complete"
    cluster = json.loads((run / "environment.json").read_text())["PostgreSQL"]["cluster"]
    assert cluster.isdecimal()


def test_a_service_of_libpqs_is_a_way_to_name_a_database(
    address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = tmp_path / "services.conf"
    services.write_text("[mine]\n" + "".join(f"{key}={value}\n" for key, value in address.items()))
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    with external_database(Reference("service=mine"), tmp_path) as database:
        assert database.name == OWNER
        with database.observed() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT current_user, current_database()")
            assert cursor.fetchone() == (OWNER, "postgres")
    assert [part for part in PARTS if part in repr(database)] == []


def test_the_password_file_is_for_this_user_alone_and_gone_at_the_end(
    address: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_DSN", make_dsn(**address))
    with external_database(Reference("env:MY_DSN"), tmp_path) as database:
        (secret,) = tmp_path.iterdir()
        assert secret.stat().st_mode & 0o077 == 0
        settings = database.django()
        assert [part for part in PARTS if part in repr(settings)] == []
        psycopg2.connect(make_dsn(**database.parameters, dbname=database.name)).close()
    assert list(tmp_path.iterdir()) == []


def test_a_service_that_is_not_there_is_called_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "services").write_text("[mine]\nhost=127.0.0.1\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    with (
        pytest.raises(EnvironmentFaultError, match="the database of the service 'nope'"),
        external_database(Reference("service=nope"), tmp_path),
    ):
        pass
