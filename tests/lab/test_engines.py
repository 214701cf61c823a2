"""With every ENGINE, the counts are what the database server says."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import django
import pytest
from laboratory import sessions_counted

from loadlab.instrumentation.counters import CounterSet
from loadlab.model.metrics import ConnectError

if TYPE_CHECKING:
    from loadlab.lab.lab import Lab

PROGRAM: Final = Path(__file__).with_name("engine_in_use.py")
REQUESTS: Final = 50  # of all its threads
POSTGRESQL: Final = "django.db.backends.postgresql"
ENGINES: Final[dict[str, dict[str, Any]]] = {
    "plain": {"ENGINE": POSTGRESQL},
    "kept": {"ENGINE": POSTGRESQL, "CONN_MAX_AGE": None},
    "checked": {"ENGINE": POSTGRESQL, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True},
    "native-pool": {"ENGINE": POSTGRESQL, "OPTIONS": {"pool": {"min_size": 2, "max_size": 3}}},
    "native-pool-checked": {"ENGINE": POSTGRESQL, "CONN_HEALTH_CHECKS": True, "OPTIONS": {"pool": True}},
    "geventpool": {
        "ENGINE": "django_db_geventpool.backends.postgresql_psycopg3",
        "OPTIONS": {"MAX_CONNS": 4, "REUSE_CONNS": 2},
    },
    "django-prometheus": {"ENGINE": "django_prometheus.db.backends.postgresql"},
    "postgis": {"ENGINE": "django.contrib.gis.db.backends.postgis"},
}
with_pools = pytest.mark.skipif(django.VERSION < (5, 1), reason="Django has its own pools from 5.1 on")
NEEDS: Final = {"geventpool": "django_db_geventpool", "django-prometheus": "django_prometheus"}


def run(entry: dict[str, Any], ledgers: Path, lab: Lab) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **lab.database.environment, "LOADLAB_LEDGER_DIR": str(ledgers)}
    argv = [sys.executable, str(PROGRAM), json.dumps(entry)]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def used(entry: dict[str, Any], ledgers: Path, lab: Lab) -> dict[str, Any]:
    """What a process with that entry in DATABASES did to it, by its own counts."""
    done = run(entry, ledgers, lab)
    if "Could not find the GDAL library" in done.stderr:
        pytest.skip("GDAL, which PostGIS's engine needs, is not installed")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def entry_of(lab: Lab, **changes: Any) -> dict[str, Any]:
    """The entry of the lab's database with some of it changed, and options added."""
    own: dict[str, Any] = lab.database.django()
    return {**own, **changes, "OPTIONS": {**own["OPTIONS"], **changes.get("OPTIONS", {})}}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[with_pools] * ("native" in name) + [pytest.mark.slow] * ("checked" in name))
        for name in ENGINES
    ],
)
def test_openings_are_sessions_and_a_pools_checkouts_are_not(name: str, lab: Lab, ledgers: Path) -> None:
    if name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    before = sessions_counted(lab)
    told = used(entry_of(lab, **ENGINES[name]), ledgers, lab)
    assert told["ended"]["opened"] == sessions_counted(lab) - before > 0
    assert told["ended"]["opened"] == sum(told["ended"]["closed"].values())
    assert (told["ended"]["open"], told["ended"]["unsettled"], told["ended"]["errors"]) == (0, 0, {})
    assert told["used"]["requests"] == REQUESTS


def test_age_zero_opens_for_each_request_under_every_wrapped_engine(lab: Lab, ledgers: Path) -> None:
    told = used(entry_of(lab, CONN_MAX_AGE=0), ledgers, lab)
    assert told["used"] == {
        "opened": REQUESTS,
        "open": 0,
        "closed": {"request_end": REQUESTS},
        "requests": REQUESTS,
        "unsettled": 0,
        "errors": {},
        "pool": [0, 0, 0],
        "lent": 0,
    }


@pytest.mark.parametrize(("name", "size"), [pytest.param("native-pool", 3, marks=with_pools), ("geventpool", 2)])
def test_a_pool_lends_what_it_has_opened_before(name: str, size: int, lab: Lab, ledgers: Path) -> None:
    if importlib.util.find_spec(NEEDS.get(name, "psycopg_pool")) is None:
        pytest.skip("that pool is not installed")
    told = used(entry_of(lab, **ENGINES[name]), ledgers, lab)["used"]
    assert told["opened"] < told["requests"]
    assert told["open"] <= size
    assert told["pool"] == [told["open"], told["open"], 0]
    lent_and_opened = told["lent"] + (0 if name == "native-pool" else told["opened"])
    assert lent_and_opened == REQUESTS


@with_pools
def test_a_pool_that_has_none_to_spare_in_time_is_an_error_and_no_opening(lab: Lab, ledgers: Path) -> None:
    done = run(entry_of(lab, PORT="1", OPTIONS={"pool": {"timeout": 0.3}}), ledgers, lab)
    totals = CounterSet(ledgers).read().aliases["default"]
    assert "PoolTimeout" in done.stderr
    assert totals.opened == 0
    assert totals.connect_errors[ConnectError.POOL_TIMEOUT] > 0
    assert totals.connect_errors[ConnectError.REFUSED] > 0


@pytest.mark.parametrize("age", [0, None])
def test_sqlite_counts_its_openings_too(age: float | None, tmp_path: Path, ledgers: Path, lab: Lab) -> None:
    entry = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "db"), "CONN_MAX_AGE": age}
    told = used(entry, ledgers, lab)
    assert told["used"]["opened"] == (REQUESTS if age == 0 else 5)
    assert told["used"]["requests"] == REQUESTS
    assert told["ended"]["open"] == 0
