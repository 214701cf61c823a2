"""What was published of Django's connections is so here; and each claim would say so if it were not."""

from __future__ import annotations

import argparse
import importlib
import inspect
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest
from every import every

from loadlab.claims import CLAIMS, examine
from loadlab.claims.base import aged, served, strategy
from loadlab.cli import _behaviour_counting
from loadlab.lab.application import Extras
from loadlab.lab.fixture import postgres_fixture
from loadlab.system.programs import SystemProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loadlab.lab.fixture import PostgresFixture

LONGEST_LINE: Final = 120
TIMED: Final = ("peterbe_pool",)  # up to half a minute
# That these can fail is tried without the slow tests, too: what leaks, and what a restart of the database does.
QUICK: Final = ("runserver_2013", "thread_restart")
GTHREAD: Final = served("gthread", aged(600), workers=1, threads=4)
# What is put in place of a claim's own, and which of its figures hold nevertheless.
OTHERWISE: Final[dict[str, tuple[dict[str, Any], list[bool]]]] = {
    "ascender_946": ({"KEPT": served("sync", aged(0), workers=5)}, [True, False]),
    "commcare_2429": ({"KEPT": served("sync", aged(500))}, [False, False, True]),
    "garbage_off": ({"SETTINGS": {"gthread": GTHREAD, "gevent": served("gevent", aged(0))}}, [False, False]),
    "gevent_preload": ({"SETTING": served("gthread", aged(600))}, [False, True]),
    "gunicorn_996": ({"SETTING": GTHREAD, "MOST": 80}, [False, False, False]),
    "gyrinx_2083": ({"KEPT": served("asgi", strategy("leased_threads", threads=4))}, [False, True, False]),
    "helper_threads": (
        {
            "ALONE": served("sync", aged(None), "psycopg", workers=1),
            "POOLED": served("sync", aged(0), "psycopg", workers=1),
        },
        [True, False, True],
    ),
    "peterbe_pool": ({"POOLED": served("sync", aged(0), "psycopg", workers=2)}, [False]),
    "runserver_2013": ({"SETTING": served("threaded", aged(0)), "MOST": 80}, [True, False, False]),
    "session_pinning": ({"POOL_SIZE": 6}, [False, False, True]),
    "sync_preload": ({"EXTRAS": Extras(preload=True), "MOST_LOADS": 1}, [False, False, False, True]),
    "thread_restart": ({"SETTING": served("sync", aged(0), workers=2)}, [False, True]),
    "thread_sensitive": (
        {"KEPT": served("asgi", aged(0)), "INSENSITIVE_PATH": "/async/sensitive/?seconds=0.01", "UNSAFE": Extras()},
        [False, False, False, True, False],
    ),
}


@pytest.fixture(scope="module")
def ready() -> Iterator[PostgresFixture]:
    with postgres_fixture(None, lambda _: None) as opened:
        yield opened


def each_case(*slow: str) -> list[Any]:
    return [pytest.param(name, marks=[pytest.mark.slow] if name in slow else []) for name in CLAIMS]


def require_what_it_needs(name: str) -> None:
    if CLAIMS[name].needs_pgbouncer and not (shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")):
        pytest.skip("there is no PgBouncer here")


@pytest.mark.parametrize("name", each_case(*TIMED))
def test_what_was_published_is_so_here(name: str, ready: PostgresFixture) -> None:
    require_what_it_needs(name)
    report = examine(name, ready)
    assert report.figures
    assert [figure for figure in report.figures if not figure.holds] == []


@pytest.mark.parametrize("name", each_case(*(name for name in CLAIMS if name not in QUICK)))
def test_figures_do_not_hold_where_things_are_otherwise(
    name: str, ready: PostgresFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_what_it_needs(name)
    changes, holding = OTHERWISE[name]
    for attribute, value in changes.items():
        monkeypatch.setattr(importlib.import_module(f"loadlab.claims.{name}"), attribute, value)
    figures = examine(name, ready).figures
    assert [figure.holds for figure in figures] == holding, figures


def test_every_case_is_known_to_be_able_to_fail() -> None:
    assert set(OTHERWISE) == set(CLAIMS)
    assert all(False in holding for _, holding in OTHERWISE.values())


@every("name", list(CLAIMS))
def test_every_case_has_its_claim_in_one_line_and_says_who_made_it(name: str) -> None:
    claim = CLAIMS[name]
    first, *_ = (inspect.getdoc(inspect.getmodule(claim)) or "").splitlines()
    assert first.endswith(".")
    assert len(first) <= LONGEST_LINE
    assert claim.source
    assert inspect.getdoc(claim)


def test_a_case_that_needs_pgbouncer_is_left_out_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SystemProgram, "lacks", lambda _program: True)
    command_line = argparse.Namespace(repeats=1, only=["claim/*"], claims=True, workers=False)
    chosen = _behaviour_counting._chosen(_behaviour_counting._wanted(command_line), 1)
    assert list(chosen.claims) == [name for name in CLAIMS if not CLAIMS[name].needs_pgbouncer]
    assert {(missing.what, missing.needed_by) for missing in chosen.left_out} == {("PgBouncer", "claims")}
