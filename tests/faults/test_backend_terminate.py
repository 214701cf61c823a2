"""Sessions end, the oldest first, and at least one; a target without any cannot lose one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg2
import pytest
from every import every
from laboratory import await_alone
from psycopg2.extensions import make_dsn

from loadlab.errors import EnvironmentFaultError
from loadlab.faults import FaultContext
from loadlab.faults.backend_terminate import BackendTerminate

if TYPE_CHECKING:
    from pathlib import Path

    from psycopg2.extensions import connection as Connection  # noqa: N812  the driver names its class in lower case

    from loadlab.lab.lab import Lab

pytestmark = pytest.mark.process


def alive(one: Connection) -> bool:
    try:
        one.cursor().execute("SELECT 1")
    except psycopg2.Error:
        return False
    return True


@every(("share", "ended"), [(0.01, 1), (0.5, 2), (0.75, 3), (1.0, 4)])
def test_a_share_of_the_sessions_ends_and_the_oldest_first(lab: Lab, tmp_path: Path, share: float, ended: int) -> None:
    database = lab.database
    dsn = make_dsn(**database.parameters, dbname=database.name, passfile=database.environment["PGPASSFILE"])
    context = FaultContext(database=database, register=lab.register, log=tmp_path / "log")
    await_alone(lab)
    held = [psycopg2.connect(dsn) for _ in range(4)]
    try:
        with BackendTerminate(share=share).applied(context):
            assert lab.judge.open_now() == 4 - ended
        assert [alive(one) for one in held] == [False] * ended + [True] * (4 - ended)
    finally:
        for one in held:
            one.close()


def test_where_no_session_is_open_none_can_be_ended(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await_alone(lab)
    monkeypatch.setattr("loadlab.faults.backend_terminate.PATIENCE_SECONDS", 0.05)
    context = FaultContext(database=lab.database, register=lab.register, log=tmp_path / "log")
    with (
        pytest.raises(EnvironmentFaultError, match="had no connection to loadlab"),
        BackendTerminate().applied(context),
    ):
        pass
