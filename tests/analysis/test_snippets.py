"""What a report says to write can be written, and does what was measured."""

from __future__ import annotations

import configparser
from typing import TYPE_CHECKING, Any

from every import every
from factories.trials import KEPT, findings, strategy_case, trial

from loadlab.analysis.deployment import where
from loadlab.analysis.recommendations import recommendation
from loadlab.plan.members import build_strategy
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from loadlab.model.case import Case
    from loadlab.model.findings import Recommendation


def recommended(case: Case, driver: str = "psycopg") -> Recommendation:
    (arm,) = findings([case], [trial(case, 1, KEPT)]).arms
    found = recommendation(arm, driver)
    assert found is not None
    return found


def text(found: Recommendation, file: str) -> str:
    return next((snippet.text for snippet in found.snippets if snippet.file == file), "")


def settings(found: Recommendation) -> dict[str, Any]:
    """A settings module with what it says at its end."""
    module: dict[str, Any] = {
        "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql", "OPTIONS": {"sslmode": "require"}}},
        "INSTALLED_APPS": ["shop"],
    }
    exec(text(found, "settings.py"), module)  # noqa: S102  the text was made here
    return module


def fitting() -> list[Case]:
    cases = [strategy_case(server, name) for server in SERVERS for name in STRATEGIES]
    return [case for case in cases if _fits(case)]


def _fits(case: Case) -> bool:
    place = where(case, "psycopg")
    return place is not None and build_strategy(case.strategy).incompatible(place) is None


@every("case", fitting(), ids=lambda case: f"{case.server.name}-{case.strategy.name}")
def test_every_strategy_is_spelt_out_as_what_it_changes_where_it_fits(case: Case) -> None:
    found = recommended(case)
    module = settings(found)
    place = where(case, "psycopg")
    assert place is not None
    changes = build_strategy(case.strategy).changes(place)
    database = module["DATABASES"]["default"]
    for key, value in changes.database.items():
        if isinstance(value, dict):
            assert value.items() <= database["OPTIONS"].items()
        elif key != "CONN_HEALTH_CHECKS":
            assert database.get(key, False) == value
    assert database["OPTIONS"]["sslmode"] == "require"
    assert [*changes.apps, "shop"] == module["INSTALLED_APPS"]
    assert changes.values.items() <= module.items()
    for hook, path in changes.gunicorn.items():
        name, _, function = path.partition(":")
        assert f"from {name} import {function}" in text(found, "gunicorn.conf.py")
        assert hook in text(found, "gunicorn.conf.py")
    assert bool(changes.asgi_wrapper) == bool(text(found, "asgi.py"))
    assert bool(build_strategy(case.strategy).pooling()) == bool(text(found, "pgbouncer.ini"))


def test_a_pool_keeps_other_options_and_is_checked() -> None:
    found = recommended(strategy_case("gthread", "pool"))
    assert text(found, "settings.py").splitlines() == [
        "# pip install psycopg-pool",
        'DATABASES["default"] |= {',
        '    "CONN_MAX_AGE": 0,',
        '    "CONN_HEALTH_CHECKS": True,',
        "}",
        'DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {"min_size": 1, "max_size": 4, "timeout": 30}',
    ]
    assert found.conn_health_checks
    assert found.parameters["conn_health_checks"] is True


def test_an_asgi_application_is_wrapped_by_one_line() -> None:
    found = recommended(strategy_case("asgi", "leased_threads"))
    source = text(found, "asgi.py")
    compile(source, "asgi.py", "exec")
    assert source.splitlines()[0] == "from loadlab.fixes.leased_threads import leased_threads"
    assert "application = leased_threads(application)" in source
    assert settings(found)["LOADLAB_FIXES"] == {"leased_threads": {"threads": 8}}
    assert text(found, "settings.py").startswith("# pip install loadlab\n")


def test_hooks_of_gunicorn_are_imported_under_their_names() -> None:
    found = recommended(strategy_case("gthread", "worker_exit_hook"))
    assert text(found, "gunicorn.conf.py") == "from loadlab.fixes.worker_exit_hook import worker_exit"
    assert text(recommended(strategy_case("asgi", "worker_exit_hook")), "gunicorn.conf.py") == ""


def test_pgbouncers_snippet_is_a_file_that_says_where_it_listens() -> None:
    found = recommended(strategy_case("gthread", "pgbouncer", pool_size=7))
    database = settings(found)["DATABASES"]["default"]
    assert (database["HOST"], database["PORT"]) == ("127.0.0.1", "6432")
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is True
    ini = configparser.ConfigParser(inline_comment_prefixes=(";",), delimiters=("=",))
    ini.read_string(text(found, "pgbouncer.ini"))
    pgbouncer = ini["pgbouncer"]
    assert (pgbouncer["pool_mode"], pgbouncer["default_pool_size"], pgbouncer["listen_port"]) == (
        "transaction",
        "7",
        "6432",
    )
    assert (pgbouncer["max_client_conn"], pgbouncer["query_wait_timeout"]) == ("500", "10")


def test_the_engine_of_geventpool_is_that_of_the_runs_driver() -> None:
    case = strategy_case("gevent", "geventpool")
    engines = [
        settings(recommended(case, driver))["DATABASES"]["default"]["ENGINE"] for driver in ("psycopg2", "psycopg")
    ]
    assert [engine.rpartition("_")[2] for engine in engines] == ["psycopg2", "psycopg3"]


@every(
    ("strategy", "parameters", "checked"),
    [
        ("max_age", {"max_age": 0}, False),
        ("max_age", {"max_age": None}, True),
        ("leased_threads", {}, True),
        ("pgbouncer", {}, False),
        ("pgbouncer", {"max_age": 60}, True),
        ("max_age_if_not_debug", {"debug": True}, False),
    ],
)
def test_what_is_kept_is_checked_and_what_is_closed_is_not(
    strategy: str,
    parameters: dict[str, object],
    checked: bool,  # noqa: FBT001
) -> None:
    found = recommended(strategy_case("asgi", strategy, **parameters))
    assert found.conn_health_checks is checked
    assert settings(found)["DATABASES"]["default"].get("CONN_HEALTH_CHECKS", False) is checked


def test_recycling_workers_is_an_option_of_the_servers_command() -> None:
    found = recommended(strategy_case("gthread", "recycle_workers"))
    assert text(found, "the server's command") == "--max-requests 500"
