"""What a kept connection costs is read from real processes, and is plausible."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every import every
from laboratory import await_alone
from patience import await_that

from loadlab.errors import EnvironmentFaultError, UsageError
from loadlab.lab.holding import kept_rows, measured_holding
from loadlab.lab.memory import ProcessMemory, idle_backends, process_memory, summed_up
from loadlab.lab.preflight import require_own_database, require_room
from loadlab.lab.project import Project
from loadlab.model.case import Case
from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.services.idle_connections import idle_connections
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.lab.lab import Lab

MEGABYTE = 1e6


def case(**changes: Any) -> Case:
    kept = Case(
        server=config_of(SERVERS, "sync", {}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": 60}, "strategy"),
        scenario="read_one",
        users=2,
        keep_alive=False,
        usable_connections=2,
    )
    return replace(kept, **changes)


def test_memory_and_files_are_those_of_the_backends_that_postgresql_names(lab: Lab) -> None:
    """An ordinary user's PostgreSQL is this user's, and root may see all: either way they can be read."""
    with lab.database.observed() as one, lab.database.observed() as other:
        pids = [connection.info.backend_pid for connection in (one, other)]
        lab.cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s) AND state = 'idle'", [pids])
        found = idle_backends(pids)
        assert found is not None
        assert found.resident.count == len(pids)
        assert found.reading == "pss"
        assert 0.3 * MEGABYTE < found.private.value <= found.resident.value < 30 * MEGABYTE
        assert found.page_tables.value > 0
        assert found.files is not None
        assert 3 <= found.files < 100
    assert process_memory(2**22 + 1) is None


def test_where_one_share_is_hidden_all_are_told_by_private_memory() -> None:
    seen = ProcessMemory(proportional=3e6, private=2e6, page_tables=1e5, files=9)
    hidden = replace(seen, proportional=None, private=1e6, files=None)
    found = summed_up([seen, hidden])
    assert (found.reading, found.resident.value, found.files) == ("private", 1.5e6, 9)
    assert summed_up([seen]).resident.value == 3e6


def test_this_process_has_as_many_files_as_it_opens() -> None:
    before = process_memory(os.getpid())
    with open(os.devnull), open(os.devnull):  # noqa: PTH123
        after = process_memory(os.getpid())
    assert before is not None
    assert after is not None
    assert (after.files or 0) - (before.files or 0) == 2


def test_a_transaction_that_has_written_keeps_dead_rows_and_an_idle_session_none(lab: Lab) -> None:
    found = {one.idle: one.kept for one in kept_rows(lab.database)}
    rows = kept_rows(lab.database)[0].rows
    assert found == {"session": 0, "has_read": 0, "has_written": rows, "repeatable_read": rows}


@pytest.mark.slow
@every("driver", ["psycopg2", "psycopg"])
def test_both_costs_are_measured_with_each_driver(lab: Lab, driver: str) -> None:
    heard: list[str] = []
    found = measured_holding(replace(lab, project=Project(driver=driver)), [case()], heard.append)
    assert heard == []
    assert found.unknown == ""
    assert found.opening is not None
    assert 0.0001 < found.opening.client.value < 0.2
    assert 0.0001 < found.opening.database.value < 0.2
    assert found.fresh is not None
    assert found.used is not None
    assert found.used.resident.count == 8
    assert found.requests > 1
    assert found.used.private.value > found.fresh.private.value  # its caches have been filled
    assert found.client is not None
    assert found.client.files == 1
    assert lab.judge.await_empty(20) == 0


def test_the_memory_of_another_postgresql_is_not_read(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    given = replace(lab.database, embedded=False)
    monkeypatch.setattr(type(lab), "database", property(lambda _: given))
    assert measured_holding(lab, [case()], print).unknown == "given"


def backends(lab: Lab, pids: set[int]) -> set[int]:
    lab.cursor.execute("SELECT pid FROM pg_stat_activity WHERE pid = ANY (%s)", [list(pids)])
    return {pid for (pid,) in lab.cursor.fetchall()}


def test_idle_connections_hold_their_share_and_let_go(lab: Lab) -> None:
    await_alone(lab)
    with idle_connections(lab.database, 50) as idle:
        held = {connection.info.backend_pid for connection in idle}
        assert len(held) == lab.judge.limits().connections // 2
        assert backends(lab, held) == held
        assert lab.judge.open_now() == 0  # they are in none of the target's counts
    await_that(lambda: not backends(lab, held), "the idle connections were not let go")


def test_a_trial_beside_idle_connections_counts_its_own_alone(trial: TrialRunner) -> None:
    done = trial("sync", max_age=60, workers=2, idle_percent=80)
    assert done.state == "complete"
    opened = done.connections.after_stop.opened
    assert opened == done.connections.sessions == done.connections.left_open
    assert 1 <= opened <= 2  # one for each worker that has had a request


def test_a_plan_that_leaves_no_room_is_refused_with_the_arithmetic(lab: Lab) -> None:
    crowded = case(users=32, usable_connections=32, idle_percent=90)
    with pytest.raises(EnvironmentFaultError, match=r"beside \d+ idle ones \(idle_percent = 90\)"):
        require_room(lab.judge, [crowded])
    require_room(lab.judge, [case(idle_percent=50)])


def test_a_database_of_the_users_is_never_filled(lab: Lab) -> None:
    with pytest.raises(UsageError, match="idle_percent"):
        require_own_database(replace(lab.database, restart=None), [case(idle_percent=50)])
