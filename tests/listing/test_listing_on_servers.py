"""On a real server and PostgreSQL: page, commands and pg_stat_activity agree to the last connection."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from listed_site import HOSTILE, TOKEN, ListedSite, listed_site
from patience import PATIENCE_SECONDS, await_that

from loadlab.leak_causes.base import JUST_SECONDS
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from command_line import CommandLine, Outcome
    from poolers import Cluster, Pooler

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process

REQUESTS = 12
SECRETS = ("canary", "SELECT", TOKEN)


@pytest.fixture(scope="module")
def leaking(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ListedSite]:
    with listed_site(lab.database, lab.cursor, tmp_path_factory.mktemp("leaking")) as site:
        site.ask(count=REQUESTS)
        site.ask("/evil%1B%5B2J%0A%09name%E2%80%AE/")
        # What has just ended is no cause yet.
        await_that(lambda: "per_request_threads" in causes(json.loads(site.manage("loadlab_connections", "--json"))))
        yield site


def listed(site: ListedSite, loadlab: CommandLine, *more: str) -> Outcome:
    metrics = ("--metrics", f"{site.url}/metrics", "--token", "env:SHOP_TOKEN")
    return loadlab("connections", *metrics, *more, **site.dsn())


def listed_by_command(site: ListedSite, loadlab: CommandLine, *others: int) -> dict[str, Any]:
    """What `loadlab connections` says, where no one is connected but the site and these others."""
    site.await_alone(*others)
    told = listed(site, loadlab, "--dsn", "env:SHOP_DSN", "--json")
    assert told.code == 0, told.stderr
    document: dict[str, Any] = json.loads(told.stdout)
    return document


def listed_by_project(site: ListedSite, *others: int) -> dict[str, Any]:
    """What the management command says then."""
    site.await_alone(*others)
    document: dict[str, Any] = json.loads(site.manage("loadlab_connections", "--json"))
    return document


def causes(document: dict[str, Any]) -> list[str]:
    return [cause["name"] for cause in document.get("causes", ())]


def by_holder(document: dict[str, Any]) -> dict[str, int]:
    holders = [one["holder"] for one in document["connections"]]
    return {holder: holders.count(holder) for holder in sorted(set(holders))}


def least_unused(document: dict[str, Any]) -> float:
    return min(float(one["used_seconds"]) for one in document["connections"])


def backends(document: dict[str, Any]) -> list[int]:
    return sorted(one["backend"] for one in document["connections"])


def test_a_leak_is_listed_alike_by_page_commands_and_postgresql(leaking: ListedSite, loadlab: CommandLine) -> None:
    await_that(lambda: least_unused(json.loads(leaking.page())) >= JUST_SECONDS)
    page, known = json.loads(leaking.page()), leaking.await_alone()
    command, manage = listed_by_command(leaking, loadlab), listed_by_project(leaking)
    folder = loadlab("connections", "--ledgers", leaking.ledgers, "--json")
    assert len(known) >= REQUESTS
    for document in (page, command, manage, json.loads(folder.stdout)):
        assert backends(document) == known
        assert by_holder(document)["leaked"] == REQUESTS + 2  # the hostile request and its thread
    for document in (command, manage):
        assert {one["session"]["state"] for one in document["connections"]} == {"idle"}
        # A busy PostgreSQL may still have the session that asked for the database's name.
        assert [note for note in document.get("notes", ()) if not note.startswith("Sessions of ")] == []
        assert "per_request_threads" in causes(document)
    assert {page["server"], command["server"], manage["server"]} == {"threaded"}
    assert page["aliases"] == {"default": {"vendor": "postgresql", "max_age": 600.0}}


def test_the_leak_is_told_in_words_with_the_route_that_opened_it(leaking: ListedSite, loadlab: CommandLine) -> None:
    for text in (listed(leaking, loadlab).stdout, leaking.page("?format=text"), leaking.manage("loadlab_connections")):
        verdict, _, table = text.partition("\n\n")
        assert "belong to threads that have ended; opened by `shop/<int:pk>/`" in verdict
        assert "CONN_MAX_AGE=600 under a server with a thread for each client, as runserver is" in verdict
        assert "dead thread: leaked" in table


def test_sessions_of_other_programs_are_not_ours(leaking: ListedSite, loadlab: CommandLine) -> None:
    dsn = f"{leaking.dsn()['SHOP_DSN']} application_name=report passfile={leaking.dsn()['PGPASSFILE']}"
    with psycopg2.connect(dsn) as other:
        other.cursor().execute("SELECT 1")
        stranger_pid = other.info.backend_pid
        await_that(lambda: by_holder(listed_by_project(leaking, stranger_pid)).get("not_ours"))
        known = leaking.await_alone(stranger_pid)
        for document in (listed_by_project(leaking, stranger_pid), listed_by_command(leaking, loadlab, stranger_pid)):
            assert backends(document) == known
            (stranger,) = (one for one in document["connections"] if one["holder"] == "not_ours")
            assert stranger["backend"] == stranger_pid
            assert stranger["session"]["state"] == "idle in transaction"
            assert stranger["session"]["application"] == "report"
        other.rollback()
    other.close()


def test_a_database_that_refuses_leaves_the_listing_and_says_so(leaking: ListedSite, loadlab: CommandLine) -> None:
    closed = {"SHOP_DSN": f"host=127.0.0.1 port={free_port()} user=nobody dbname=shop password=canary-password-80"}
    known = ("--metrics", f"{leaking.url}/metrics", "--token", "env:SHOP_TOKEN", "--dsn", "env:SHOP_DSN")
    told = loadlab("connections", *known, **{**leaking.dsn(), **closed})
    assert told.code == 3
    assert "opened by `shop/<int:pk>/`" in told.stdout
    assert "The database was not asked" in told.stdout
    assert "PostgreSQL refused the connection" in told.stderr
    assert "canary" not in told.stdout + told.stderr
    databases = json.loads(leaking.environment["SHOP_DATABASES"])
    databases["default"] |= {"PORT": str(free_port()), "PASSWORD": "canary-password-80"}
    text = leaking.manage("loadlab_connections", SHOP_DATABASES=json.dumps(databases))
    assert "opened by `shop/<int:pk>/`" in text
    assert "default: the database was not asked: connection " in text
    assert "canary" not in text


def test_a_role_that_may_not_see_others_is_told_what_to_grant(leaking: ListedSite) -> None:
    observer = leaking.database.observer
    with psycopg2.connect(**observer, dbname=leaking.database.name) as other:
        other.cursor().execute("SELECT 1")
        stranger_pid = other.info.backend_pid
        await_that(lambda: "not ours: 1" in leaking.manage("loadlab_connections"))
        known = leaking.await_alone(stranger_pid)
        text = leaking.manage("loadlab_connections")
        assert "may not see what 1 sessions of other roles do. To see it, grant the role pg_read_all_stats" in text
        assert "state hidden" in text
        assert backends(listed_by_project(leaking, stranger_pid)) == known
    other.close()


def test_a_management_command_watches_until_ctrl_c(leaking: ListedSite) -> None:
    command = [sys.executable, "-m", "django", "loadlab_connections", "--watch", "--every", "0.1", "--json"]
    output, known = leaking.folder / "watched", leaking.await_alone()
    with (
        output.open("wb") as written,
        subprocess.Popen(command, cwd=leaking.folder, env=dict(leaking.environment), stdout=written) as watching,
    ):
        await_that(lambda: output.read_text().count("\n") >= 2)
        watching.send_signal(signal.SIGINT)
        assert watching.wait(PATIENCE_SECONDS) == 0
    assert backends(json.loads(output.read_text().splitlines()[0])) == known


def test_a_management_command_ends_well_when_its_reader_has_gone(leaking: ListedSite) -> None:
    command = f"{sys.executable} -m django loadlab_connections --watch --every 0.1 --json | head -c 9"
    environment = dict(leaking.environment)
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=leaking.folder,
        env=environment,
        capture_output=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")


def test_a_terminal_that_lacks_a_sign_gets_the_rest(leaking: ListedSite) -> None:
    text = leaking.manage("loadlab_connections", "--all", PYTHONIOENCODING="ascii")
    assert "dead thread: leaked" in text


def test_a_folder_of_another_user_s_is_told_from_a_site_with_no_connection(leaking: ListedSite, tmp_path: Path) -> None:
    text = leaking.manage("loadlab_connections", LOADLAB_LEDGER_DIR=str(tmp_path / "other"))
    assert f"No process counts connections in {tmp_path / 'other'}." in text
    assert "not known whether ours: " in text
    assert "not ours" not in text
    assert "No connection of this project is open" not in text


def test_what_a_listing_shows_is_fit_for_a_terminal_and_no_secret(leaking: ListedSite, loadlab: CommandLine) -> None:
    text = listed(leaking, loadlab, "--dsn", "env:SHOP_DSN", "--all").stdout
    shown = [text, leaking.page("?format=text"), leaking.page(), leaking.manage("loadlab_connections", "--all")]
    assert all("evil" in one for one in shown)
    for one in shown:
        assert all(line.isprintable() for line in one.split("\n"))
        assert HOSTILE not in one
        assert [secret for secret in SECRETS if secret in one] == []


def test_a_healthy_server_has_one_idle_connection_and_no_cause(
    lab: Lab, loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with listed_site(lab.database, lab.cursor, tmp_path_factory.mktemp("healthy"), "--nothreading") as site:
        site.ask(count=REQUESTS)
        page, known = json.loads(site.page()), site.backends()
        manage = json.loads(site.manage("loadlab_connections", "--json"))
        command = json.loads(listed(site, loadlab, "--dsn", "env:SHOP_DSN", "--json").stdout)
        for document in (page, manage, command):
            ours = [one["backend"] for one in document["connections"] if one["holder"] != "not_ours"]
            assert len(ours) == 1
            assert set(ours) <= set(known)
            (one,) = (one for one in document["connections"] if one["holder"] == "idle")
            assert one["served"] >= REQUESTS
        assert (command["causes"], manage["causes"]) == ([], [])
        lab.cursor.execute("SELECT pg_terminate_backend(%s)", ours)
        await_that(lambda: not set(ours) & set(site.backends()))
        note = "default: the database has ended 1 connection that the project still holds."
        # It is said of those alone that are old enough for it: after two seconds.
        await_that(lambda: json.loads(site.manage("loadlab_connections", "--json")).get("notes", [])[:1] == [note])
        manage = json.loads(site.manage("loadlab_connections", "--json"))
        (gone,) = (one for one in manage["connections"] if one["holder"] != "not_ours")
        assert (gone["backend"], gone["holder"], gone["session"]["state"]) == (*ours, "idle", "gone")


def test_a_watch_lists_again_until_it_is_stopped(leaking: ListedSite, loadlab: CommandLine) -> None:
    known = ("--metrics", f"{leaking.url}/metrics", "--token", "env:SHOP_TOKEN", "--dsn", "env:SHOP_DSN")
    there = leaking.await_alone()
    with loadlab.started("connections", *known, "--watch", "--every", "0.1", "--json", **leaking.dsn()) as watching:
        watching.wait_until(lambda: watching.stdout.read_text().count("\n") >= 2)
        watching.popen.send_signal(signal.SIGINT)
        outcome = watching.outcome()
    assert (outcome.code, outcome.stderr) == (0, "")
    first, second, *_ = (json.loads(line) for line in outcome.stdout.splitlines()[:2])
    assert backends(first) == backends(second) == there


def through_pgbouncer(
    pooler: Pooler, loadlab: CommandLine, cluster: Cluster, folder: Path, *, max_age: int
) -> list[dict[str, Any]]:
    """What `loadlab connections` with a DSN past the pooler and the management command list, after three requests."""
    with listed_site(pooler().database, cluster.cursor, folder, max_age=max_age) as site:
        site.ask(count=3)
        await_that(lambda: cluster.backends() > 0)
        address = cluster.database.parameters
        direct = f"host={address['host']} port={address['port']} user={address['user']} dbname={cluster.database.name}"
        environment = {**cluster.database.environment, "SHOP_DSN": direct, "SHOP_TOKEN": TOKEN}
        metrics = ("--metrics", f"{site.url}/metrics", "--token", "env:SHOP_TOKEN", "--dsn", "env:SHOP_DSN")
        told = loadlab("connections", *metrics, "--json", **environment)
        return [json.loads(told.stdout), json.loads(site.manage("loadlab_connections", "--json"))]


def test_through_pgbouncer_nothing_is_called_not_ours(
    pooler: Pooler, loadlab: CommandLine, cluster: Cluster, tmp_path: Path
) -> None:
    for document in through_pgbouncer(pooler, loadlab, cluster, tmp_path, max_age=600):
        assert by_holder(document) == {"leaked": 3}
        assert not any("session" in one for one in document["connections"])
        (note,) = document["notes"]
        assert note.startswith("default: a pooler is between the project and the database")


def test_through_pgbouncer_an_idle_site_has_no_strange_sessions(
    pooler: Pooler, loadlab: CommandLine, cluster: Cluster, tmp_path: Path
) -> None:
    for document in through_pgbouncer(pooler, loadlab, cluster, tmp_path, max_age=0):
        assert document["connections"] == []
        (note,) = document["notes"]
        assert note.startswith("default: a pooler is between the project and the database")
