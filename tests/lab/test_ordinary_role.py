"""PostgreSQL asked by a role without pg_monitor, which sees little of others' connections and yet counts them right."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from laboratory import await_alone
from patience import await_that
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.judges.postgresql import PostgreSQL
from loadlab.lab import suitability
from loadlab.model.growth import sessions_between
from loadlab.probes import ProbeContext
from loadlab.probes.activity import Activity
from loadlab.probes.sessions import Sessions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from loadlab.lab.lab import Lab

OPEN = 3


def connected(lab: Lab, **parameters: str) -> Any:
    return psycopg2.connect(make_dsn(**{**lab.database.observer, "dbname": lab.database.observer_name, **parameters}))


@pytest.fixture
def reader(lab: Lab) -> Iterator[Any]:
    """A cursor of an ordinary role's, in the observer's database."""
    lab.cursor.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
    try:
        with closing(connected(lab, user="reader", password="reader")) as connection:
            connection.autocommit = True
            yield connection.cursor()
    finally:
        lab.cursor.execute("DROP ROLE reader")


@pytest.fixture
def _others(lab: Lab) -> Iterator[None]:
    await_alone(lab)
    with ExitStack() as opened:
        for _ in range(OPEN):
            opened.enter_context(closing(connected(lab, dbname=lab.database.name, application_name="another")))
        yield


def context(cursor: Any, lab: Lab, folder: Path) -> ProbeContext:
    return ProbeContext(cursor=cursor, database=lab.database.name, ledgers=folder, trees={})


@pytest.mark.usefixtures("_others")
def test_an_ordinary_role_counts_the_connections_of_others(lab: Lab, reader: Any, tmp_path: Path) -> None:
    assert Activity().read(context(reader, lab, tmp_path))["backends"] == OPEN
    assert Activity().read(context(lab.cursor, lab, tmp_path))["backends"] == OPEN
    judge = PostgreSQL(reader, lab.database.name)
    assert judge.open_now() == OPEN
    # A backend of an earlier test may be ending between the two looks.
    await_that(lambda: judge.limits() == lab.judge.limits(), "the two count differently")


@pytest.mark.usefixtures("_others")
def test_an_ordinary_role_can_name_who_else_is_connected(
    lab: Lab, reader: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suitability, "LEAVE_SECONDS", 0.0)
    with pytest.raises(EnvironmentFaultError, match=r"another \(pid \d+\), another"):
        suitability.require_alone(PostgreSQL(reader, lab.database.name), lab.database.name)


def test_a_reset_of_statistics_is_noticed_after_the_count_grew_past_it(lab: Lab, tmp_path: Path) -> None:
    here = context(lab.cursor, lab, tmp_path)
    with closing(connected(lab, dbname=lab.database.name)) as connection:
        connection.autocommit = True
        connection.cursor().execute("SELECT pg_stat_reset()")
        before = Sessions().read(here)
        assert sessions_between(before, {**before, "sessions": before["sessions"] + 2}) == 2
        connection.cursor().execute("SELECT pg_stat_reset()")
    after = Sessions().read(here)
    assert sessions_between(before, {**after, "sessions": before["sessions"] + 2}) is None
