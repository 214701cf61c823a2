"""Every fault that acts at an instant, in two server modes and with two strategies, on real services.

It is applied within the window, all sides agree after it or the trial says that they do not, and the same case without
it is measured afterwards as if nothing had been.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from every import every
from faulted import failed_at, planned
from laboratory import in_longer_windows

from loadlab.faults import FAULTS
from loadlab.plan.members import config_of
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.model.samples import Trial

pytestmark = pytest.mark.process
KEPT = ("max_age", {"max_age": 60})
POOLED = ("pgbouncer", {"max_client_conn": 20})
BY_SESSION = ("pgbouncer", {"max_client_conn": 20, "pool_mode": "session"})
AT_INSTANT = [name for name in FAULTS if FAULTS[name].acts == "at_instant"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault as it is applied: for so many `seconds` of a window that is long enough to see the end of it.

    `fails` says whether requests fail with a kept connection, and in each trial with PgBouncer; None where that
    depends on what requests are doing. `strategies` are those that it can be applied with.
    """

    fault: str
    window_seconds: float
    seconds: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    fails: bool | None = None
    strategies: tuple[tuple[str, dict[str, Any]], ...] = (KEPT, POOLED)


POOLER = (POOLED, BY_SESSION)
ROWS = [
    Row(fault="backend_terminate", window_seconds=2.0),
    Row(fault="blackhole", window_seconds=7.0, seconds=0.5, fails=False),
    Row(fault="clock_jump", window_seconds=2.0, seconds=0.5, parameters={"by_seconds": 3600.0}, fails=False),
    Row(fault="clock_jump", window_seconds=2.0, seconds=0.5, parameters={"by_seconds": -86400.0}, fails=False),
    Row(fault="connections_exhausted", window_seconds=6.0, seconds=0.5),
    Row(fault="database_failover", window_seconds=15.0, fails=True),
    Row(fault="database_restart", window_seconds=6.0, parameters={"mode": "fast"}, fails=True),
    Row(fault="database_restart", window_seconds=12.0, parameters={"mode": "immediate"}, fails=True),
    Row(fault="disk_full", window_seconds=2.0, seconds=0.5, fails=False),
    Row(fault="idle_session_timeout", window_seconds=3.0, seconds=0.5, parameters={"after_ms": 200}),
    Row(fault="latency_spike", window_seconds=3.0, seconds=0.5, parameters={"added_ms": 20.0}, fails=False),
    Row(fault="network_cut", window_seconds=4.0, seconds=0.5),
    Row(fault="pooler_full", window_seconds=4.0, seconds=0.5, strategies=POOLER),
    Row(
        fault="pooler_full",
        window_seconds=5.0,
        seconds=0.5,
        parameters={"limit": "default_pool_size"},
        fails=False,
        strategies=POOLER,
    ),
    Row(fault="pooler_restart", window_seconds=3.0, fails=True, strategies=POOLER),
    Row(fault="slow_accept", window_seconds=3.0, seconds=0.5, parameters={"accept_seconds": 0.1}, fails=False),
    Row(fault="worker_kill", window_seconds=5.0),
    Row(fault="worker_restart", window_seconds=15.0, fails=False),
]


def named(row: Row) -> str:
    return "-".join([row.fault, *map(str, row.parameters.values())])


def test_every_fault_at_an_instant_has_its_row() -> None:
    assert sorted({row.fault for row in ROWS}) == sorted(AT_INSTANT)


def told(done: Trial) -> str:
    """A line of what happened, for whoever runs this by hand."""
    mismatches = ", ".join(f"{one.kind.value} {one.ours}/{one.theirs}" for one in done.connections.mismatches)
    opened = done.connections.after_stop.opened
    kinds = ", ".join(f"{one.kind} {one.count}" for one in done.failures)
    counts = f"told: {mismatches}" if mismatches else "exact"
    return f"{done.case.id}: {len(done.requests.ended)} requests, failed {kinds or 'none'}, {opened} opened, {counts}"


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=named)
@every("server", ["sync", "gthread"])
@every("place", [0, 1])
def test_every_fault_in_two_server_modes_and_with_two_strategies(
    trial: TrialRunner, row: Row, server: str, place: int
) -> None:
    if lacking := FAULTS[row.fault].missing():
        pytest.skip(f"lacks {', '.join(lacking)}")
    name, parameters = row.strategies[place]
    strategy = config_of(STRATEGIES, name, parameters, "strategy")
    fault = planned(row.fault, seconds=row.seconds, **row.parameters)
    done = in_longer_windows(
        trial,
        server,
        strategy=strategy,
        driver="psycopg",
        window_seconds=row.window_seconds,
        fault=fault,
        enough=lambda done: "set a longer one" not in done.reason,
    )
    print(told(done))  # noqa: T201
    seen = done.fault_seen
    assert done.state == "complete", done.reason
    assert seen is not None
    assert seen.applied is not None
    assert done.window_start <= seen.began <= seen.applied <= (seen.lifted or 0) <= done.window_end
    assert all(ended >= seen.began for ended in failed_at(done))
    assert row.fails is None or bool(failed_at(done)) == row.fails
    assert done.connections.exact, done.connections.mismatches
    control = trial(server, strategy=strategy, driver="psycopg")
    assert (control.state, control.reason, control.failures) == ("complete", "", ())
    assert control.connections.exact, control.connections.mismatches
