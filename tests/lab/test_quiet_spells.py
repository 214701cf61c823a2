"""Quiet spells on real servers: what stays open is counted exactly, and shows leaks that steady load hides."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from every import every
from modes import choice, installed

from loadlab.analysis.rooms import leak_of
from loadlab.errors import UsageError
from loadlab.lab.behaviour import quiet_spells
from loadlab.lab.fixture import PostgresFixture, postgres_fixture
from loadlab.model.behaviour import Setting
from loadlab.model.config import Config
from loadlab.model.plan import QuietSpells
from loadlab.plan.experiment import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laboratory import TrialRunner

    from loadlab.model.samples import Trial

MOMENT = 0.05  # long enough for clients to be away


def measured(trial: TrialRunner, server: str, *, pause_seconds: float = MOMENT, **parameters: Any) -> Trial:
    spells = QuietSpells(count=2, pause_seconds=pause_seconds, burst_seconds=0.4)
    done: Trial = trial.changed(plan=replace(trial.lab.plan, quiet_spells=spells))(server, max_age=60, **parameters)
    return done


def test_bursts_after_the_window_are_counted_exactly(trial: TrialRunner) -> None:
    done = measured(trial, "gthread", workers=1, threads=3)
    connections = done.connections
    assert (done.state, connections.mismatches) == ("complete", ())
    assert connections.after_stop.opened == connections.sessions
    assert connections.open_after_bursts == (3, 3, 3)
    assert [burst.requests > 0 for burst in connections.bursts] == [True] * 3
    assert connections.bursts[-1].counts.requests >= sum(burst.requests for burst in connections.bursts)
    assert leak_of(done) == "no"


def test_quiet_spells_show_what_client_keep_alive_hides(trial: TrialRunner) -> None:
    done = measured(trial, "gevent", keep_alive=True, users=4)
    first, *_, last = done.connections.open_after_bursts
    assert done.connections.mismatches == ()
    assert first <= 4 < last
    assert leak_of(done) == "yes"


@pytest.mark.slow
@pytest.mark.parametrize("server", [one for one in installed() if one.values == ("granian",)])
def test_idle_threads_of_granian_end_and_leave_their_connections(trial: TrialRunner, server: str) -> None:
    done = measured(trial, server, pause_seconds=8.0, threads=4, idle_seconds=5)
    connections = done.connections
    assert connections.mismatches == ()
    assert connections.open_after_bursts[0] == 4
    assert leak_of(done) == "yes"
    assert sum(connections.at_rest.closed.values()) + connections.at_rest.open == connections.at_rest.opened >= 8


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresFixture]:
    with postgres_fixture(tmp_path_factory.mktemp("quiet"), lambda _: None) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("server", [one for one in installed() if one.values in {("granian",), ("waitress",)}])
def test_a_row_of_behaviours_has_the_first_burst_and_the_last(ready: PostgresFixture, server: str) -> None:
    strategy = Config(name="max_age", parameters={"max_age": None, "conn_health_checks": False})
    found = quiet_spells(Setting(server=choice(server), strategy=strategy, driver="psycopg2", keep_alive=False), ready)
    expected = {"granian": (4, 13), "waitress": (4, 4)}[server]
    assert (found["open_after_burst"], found["open_after_bursts"]) == expected


PLAN = """
[quiet_spells]
count = 2
pause_seconds = {pause}
[servers.granian]
idle_seconds = [5, 10]
[servers.sync]
[strategies.max_age]
"""


def test_a_pause_that_no_idle_thread_ends_in_is_a_fault_of_the_plan() -> None:
    with pytest.raises(UsageError) as raised:
        read_plan(PLAN.format(pause=10), "plan.toml")
    what = "granian ends threads that were idle for 10 s, and a pause has only 10 s"
    remedy = "set more than 10, or lower that time in [servers.granian]"
    assert str(raised.value).splitlines()[1:] == [f"  quiet_spells.pause_seconds: {what} ({remedy})"]
    assert read_plan(PLAN.format(pause=10.5), "plan.toml").trial_seconds == pytest.approx(0.5 + 2.0 + 2 * 11.5, abs=1)


@every("table", ["count = -1", "pause_seconds = 0", "burst_seconds = 0", "pauses = 3"])
def test_quiet_spells_that_cannot_be_are_refused(table: str) -> None:
    with pytest.raises(UsageError, match=r"quiet_spells\."):
        read_plan(f"[quiet_spells]\n{table}\n[servers.sync]\n[strategies.max_age]\n", "plan.toml")
