"""A user's project: measured as it is, on its own database, without a trace in its tree."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg2
import pytest
from command_line import everything_in, incomplete

from loadlab.lab import suitability
from loadlab.servers import SERVERS
from loadlab.system.state_folder import STATE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from command_line import CommandLine, InProcess, Outcome

    from loadlab.lab.lab import Lab

PROJECT: Final = Path(__file__).resolve().parent.parent / "projects" / "shop"
PASSWORD: Final = "canary-9c1d"
PLAN: Final = """
blocks = 1
warmup_seconds = 0.2
window_seconds = 0.6
users = [4]
control = "sync"
[servers.sync]
{servers}
[strategies.max_age]
max_age = {ages}
"""
LOCUSTFILE: Final = """
from locust import HttpUser, task


class Visitor(HttpUser):
    @task
    def look(self):
        self.client.get("{path}")
"""


CATCH_ALL: Final = """
from django.urls import re_path

urlpatterns += [re_path(r"^((?:[\\w-]+/)*)$", lambda request, path: items(request))]
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shop:
    """The project with its database, and a plan over it."""

    entry: dict[str, Any]
    folder: Path
    run_command: CommandLine | InProcess
    said: str = ""

    def databases(self, **changes: Any) -> str:
        return json.dumps({"default": {**self.entry, **changes}})

    def plan(self, ages: str = '[0, "none"]', servers: str = "") -> Path:
        path = self.folder / "plan.toml"
        path.write_text(PLAN.format(ages=ages, servers=servers))
        return path

    def locustfile(self, path: str = "/items/") -> Path:
        file = self.folder / "visitor.py"
        file.write_text(LOCUSTFILE.format(path=path))
        return file

    def run(self, *arguments: object, databases: str | None = None, plan: Path | None = None) -> Outcome:
        """`loadlab run` over the project."""
        known = ["--project", PROJECT, "--settings", "shop.settings", "--out", self.folder / "run"]
        scenario = [] if "--locustfile" in arguments else ["--locustfile", self.locustfile()]
        return self.run_command(
            "run",
            plan or self.plan(),
            *known,
            *scenario,
            *arguments,
            SHOP_DATABASES=self.databases() if databases is None else databases,
        )

    def report(self) -> dict[str, Any]:
        report: dict[str, Any] = json.loads((self.folder / "run" / "report.json").read_text())
        return report


@pytest.fixture(scope="module")
def entry(lab: Lab) -> Iterator[dict[str, Any]]:
    """An entry of DATABASES for a migrated database of the shop's own, on the laboratory's server."""
    lab.cursor.execute(f"CREATE ROLE shop LOGIN PASSWORD '{PASSWORD}'")
    lab.cursor.execute("CREATE DATABASE shop OWNER shop")
    address = lab.database.parameters
    where = {"HOST": address["host"], "PORT": address["port"]}
    yield {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "USER": "shop", "PASSWORD": PASSWORD, **where}
    lab.cursor.execute("DROP DATABASE shop WITH (FORCE)")
    lab.cursor.execute("DROP ROLE shop")


@pytest.fixture
def shop(entry: dict[str, Any], loadlab: CommandLine, tmp_path: Path) -> Shop:
    return Shop(entry=entry, folder=tmp_path, run_command=loadlab)


@pytest.fixture
def in_process(
    here: InProcess, loadlab: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Outcome]:
    """The command in this process, in an environment as `loadlab` has it: for what is refused, or only looks."""
    monkeypatch.setenv(STATE_VARIABLE, str(loadlab.state))
    monkeypatch.chdir(tmp_path)

    def called(*arguments: object, **environment: str) -> Outcome:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return here(*arguments)

    return called


@pytest.fixture
def refused(shop: Shop, in_process: InProcess) -> Shop:
    """A shop that is not going to be measured."""
    return replace(shop, run_command=in_process)


@pytest.fixture(scope="module")
def migrated(entry: dict[str, Any], loadlab: CommandLine, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """The shop after a first run that was told to migrate: two modes at two ages, every alias used."""
    shop = Shop(entry=entry, folder=tmp_path_factory.mktemp("migrated"), run_command=loadlab)
    both = json.dumps({"default": entry, "replica": entry, "notes": {"ENGINE": "django.db.backends.sqlite3"}})
    outcome = shop.run(
        "--migrate",
        *("--locustfile", shop.locustfile("/items/")),
        *("--only", "*keep_alive=off"),
        databases=both,
        plan=shop.plan(servers="[servers.gthread]\nthreads = 2"),
    )
    assert outcome.code == 0, outcome.stderr
    return replace(shop, said=outcome.stderr)


def connected(entry: dict[str, Any]) -> Any:
    return closing(
        psycopg2.connect(
            host=entry["HOST"], port=entry["PORT"], user=entry["USER"], password=entry["PASSWORD"], dbname=entry["NAME"]
        )
    )


def test_every_trial_over_a_project_is_exact(migrated: Shop) -> None:
    trials = migrated.report()["trials"]
    assert {trial["server"] for trial in trials} == {"sync", "gthread"}
    assert incomplete(trials) == []
    for trial in trials:
        connections = trial["connections"]
        assert connections["exact"], trial["case"]
        assert connections["opened"] == connections["sessions"] > 0
        assert trial["failures"] == 0


def test_a_strategy_reaches_the_projects_own_database(migrated: Shop) -> None:
    left_open = {
        (trial["server"], trial["max_age"]): trial["connections"]["left_open"] for trial in migrated.report()["trials"]
    }
    assert left_open["sync", 0] == left_open["gthread", 0] == 0
    assert 1 <= left_open["sync", None] <= 2  # one for each worker that has had a request


def test_nothing_is_written_into_the_projects_tree(migrated: Shop) -> None:
    kept = {path.relative_to(PROJECT).as_posix() for path in PROJECT.rglob("*") if "__pycache__" in path.parts}
    assert kept == set()
    assert not list(PROJECT.rglob("*.sqlite3"))


def test_the_databases_password_is_in_nothing_that_a_run_leaves(migrated: Shop, loadlab: CommandLine) -> None:
    kept = everything_in(migrated.folder) + everything_in(loadlab.home)
    assert "shop.settings" in kept
    assert PASSWORD not in kept


def test_the_report_says_what_project_it_is_about(migrated: Shop) -> None:
    environment = migrated.report()["environment"]
    assert environment["project"]["settings"] == "shop.settings"
    assert "notes" in environment["project notes"]["other_databases"]
    assert environment["PostgreSQL"]["origin"] == "given"


@pytest.mark.slow
def test_connections_of_all_aliases_that_lead_to_the_database_are_counted(migrated: Shop, shop: Shop) -> None:
    two = json.dumps({"default": shop.entry, "replica": shop.entry})
    scenario = shop.locustfile("/inner/everywhere/")
    assert shop.run("--locustfile", scenario, databases=two, plan=shop.plan(ages='["none"]')).code == 0
    (trial,) = shop.report()["trials"]
    assert trial["connections"]["exact"]
    assert trial["connections"]["left_open"] == 4  # two workers, two aliases


@pytest.mark.slow
def test_a_projects_connection_class_is_counted_with_atomic_requests(migrated: Shop, shop: Shop) -> None:
    outcome = shop.run(databases=shop.databases(ENGINE="shop.engine", ATOMIC_REQUESTS=True), plan=shop.plan(ages="[0]"))
    assert outcome.code == 0
    assert all(trial["connections"]["exact"] for trial in shop.report()["trials"])
    assert shop.report()["environment"]["project"]["engine"] == "shop.engine"
    assert "ATOMIC_REQUESTS is on: every request opens a transaction" in outcome.stderr


def test_what_will_be_touched_is_said_first(migrated: Shop) -> None:
    assert "the database shop is your own: loadlab itself reads PostgreSQL's statistics" in migrated.said
    with connected(migrated.entry) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        assert cursor.fetchall() == [("django_migrations",), ("shop_item",)]


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}, [], "on an empty PostgreSQL with --embedded"),
        ({"OPTIONS": {"pool": True}}, [], "Django refuses a pool together with a CONN_MAX_AGE other than 0"),
        ({}, ["--settings", "nowhere.settings"], "No module named 'nowhere'\nCheck --settings"),
        ({}, ["--settings", "shop"], "shop has no ROOT_URLCONF: it loads, and is not the settings of a project"),
        ({}, ["--embedded", "--dsn", "env:SHOP"], "Remove one of them"),
        ({}, ["--project", "/nonesuch"], "The project's folder /nonesuch does not exist"),
        ({}, ["--python", "/nonesuch/python"], "is not a working interpreter"),
        ({}, ["--locustfile", "/nonesuch.py"], "there is no '/nonesuch.py'"),
        ({"HOST": "192.0.2.1"}, [], "--allow-remote"),
        ({"PASSWORD": "wrong-canary"}, [], "password authentication failed"),
        ({"ENGINE": "nonesuch.engine"}, [], "nonesuch.engine"),
    ],
)
def test_a_project_that_cannot_be_measured_gets_one_message_and_a_remedy(
    refused: Shop, changes: dict[str, Any], arguments: list[str], message: str
) -> None:
    outcome = refused.run(*arguments, databases=refused.databases(**changes))
    assert outcome.code in {2, 3}
    assert message in outcome.stderr
    assert "Traceback" not in outcome.stderr.partition("\n")[0]
    assert "canary" not in outcome.stderr
    assert not (refused.folder / "run").exists()


def test_missing_migrations_are_named_and_not_applied(lab: Lab, refused: Shop) -> None:
    lab.cursor.execute("CREATE DATABASE shop_empty OWNER shop")
    try:
        outcome = refused.run(databases=refused.databases(NAME="shop_empty"))
        assert outcome.code == 3
        assert "1 migrations are not applied to the database shop_empty: shop.0001_initial" in outcome.stderr
        assert "--migrate" in outcome.stderr
        assert not (refused.folder / "run").exists()  # or the same command with --migrate would find it
        address = f"host={refused.entry['HOST']} port={refused.entry['PORT']} dbname=shop_empty"
        dsn = f"{address} user=shop password={PASSWORD}"
        given = refused.run_command(
            *("run", refused.plan(), "--project", PROJECT, "--settings", "shop.settings"),
            *("--locustfile", refused.locustfile(), "--out", refused.folder / "run", "--dsn", "env:SHOP_DSN"),
            SHOP_DATABASES=refused.databases(),
            SHOP_DSN=dsn,
        )
        assert "Have them applied to it with --migrate" in given.stderr  # manage.py would go to the shop's own
    finally:
        lab.cursor.execute("DROP DATABASE shop_empty WITH (FORCE)")


def test_a_locustfile_with_an_error_is_found_before_the_first_trial(migrated: Shop, refused: Shop) -> None:
    broken = refused.folder / "broken.py"
    broken.write_text("import nonesuch\n")
    outcome = refused.run("--locustfile", broken)
    assert outcome.code == 3
    assert "does not load" in outcome.stderr
    assert f'File "{broken}", line 1' in outcome.stderr
    assert "No module named 'nonesuch'" in outcome.stderr
    assert "loadlab/load" not in outcome.stderr
    assert not (refused.folder / "run").exists()


def test_others_on_the_database_are_named_before_anything_is_counted(
    migrated: Shop, refused: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "LEAVE_SECONDS", 0.1)
    with connected(refused.entry):
        outcome = refused.run()
    assert outcome.code == 3
    assert "Others are connected to the database shop" in outcome.stderr


def test_scenarios_of_the_labs_own_site_are_refused_for_a_project(in_process: InProcess, tmp_path: Path) -> None:
    outcome = in_process("run", "--project", PROJECT, "--settings", "shop.settings", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "'read_one' requests pages of loadlab's sample app" in outcome.stderr


def test_init_writes_a_valid_plan_and_a_locustfile_of_the_routes(in_process: InProcess, tmp_path: Path) -> None:
    known = ["--project", PROJECT, "--settings", "shop.settings", "--out", tmp_path]
    written = in_process("init", *known)
    measured, _, comments = written.stdout.splitlines()[0].partition(": ")[2].partition("; ")
    assert measured == "gthread and sync at CONN_MAX_AGE 0, 60 and unlimited"
    assert comments == f"{len(set(SERVERS) - {'gthread', 'sync'})} other server modes as comments"
    plan = (tmp_path / "loadlab.toml").read_text()
    assert "\n[servers.sync]\n" in plan
    assert "\n# [servers.gevent]\n" in plan
    assert all(f"\n# [servers.{name}]" in plan for name in set(SERVERS) - {"gthread", "sync"})
    assert "\n# [servers.tornado]   # async_unsafe is false" in plan
    locustfile = (tmp_path / "locustfile.py").read_text()
    assert 'self.client.get("/items/")' in locustfile
    assert 'self.client.get("/inner/everywhere/")' in locustfile
    assert "#   /logout/" in locustfile
    assert "<" not in locustfile
    assert 'self.client.get("/")' not in locustfile  # the shop has no front page
    assert "the time that your site takes to boot" in in_process("plan", tmp_path / "loadlab.toml").stdout
    planned = json.loads(in_process("plan", tmp_path / "loadlab.toml", "--json").stdout)
    assert any(case.startswith("sync,workers=2/max_age=60") for case in planned["cases"])
    again = in_process("init", *known)
    assert (again.code, "already exists" in again.stderr) == (2, True)


def test_the_settings_need_no_naming_where_manage_py_names_them(in_process: InProcess, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    unset = {"DJANGO_SETTINGS_MODULE": ""}  # or it would go before manage.py
    unnamed = in_process("init", "--project", project, "--out", tmp_path / "lab", **unset)
    assert (unnamed.code, f"No manage.py in {project} names the settings" in unnamed.stderr) == (2, True)
    (project / "manage.py").write_text('os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")')
    named = in_process("init", "--project", project, "--out", tmp_path / "lab", **unset)
    assert "Settings: shop.settings; django.db.backends.sqlite3" in named.stdout
    assert in_process("plan", tmp_path / "lab" / "loadlab.toml").code == 0
    measured = in_process("run", "--project", project, "--locustfile", tmp_path / "lab" / "locustfile.py", **unset)
    assert "shop.settings cannot be measured like this" in measured.stderr  # for it is on SQLite


def test_a_front_page_that_a_catch_all_serves_is_asked_for(in_process: InProcess, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(PROJECT, project)
    urls = project / "shop" / "urls.py"
    urls.write_text(urls.read_text() + "\n" + CATCH_ALL)
    assert in_process("init", "--project", project, "--settings", "shop.settings", "--out", tmp_path / "lab").code == 0
    assert 'self.client.get("/")' in (tmp_path / "lab" / "locustfile.py").read_text()


def test_a_run_over_a_project_can_be_resumed(migrated: Shop) -> None:
    run = migrated.folder / "run"
    (last, *_) = sorted((run / "trials").iterdir(), reverse=True)
    last.unlink()
    databases = json.dumps({"default": migrated.entry})
    outcome = migrated.run_command("run", "--resume", run, SHOP_DATABASES=databases)
    assert outcome.code == 0, outcome.stderr
    assert last.exists()
