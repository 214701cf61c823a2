"""Both engines let every event happen to a fleet, and PostgreSQL's count follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pytest

from loadlab.fleet.engine import by_opening, by_request
from loadlab.fleet.fleet_file import read_fleet
from loadlab.fleet.measured import application_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.model.fleet import Simulated

FLEET: Final = """
hosts = 4
seconds = 1800

[server.gthread]
workers = 2
threads = 2

[strategies.max_age]
max_age = "none"

[traffic.constant]
rate = 8

[application]
connect_ms = 3
hold_ms = 20
"""
THREADS: Final = 4  # of a host, each with its connection after some minutes
ENGINES: Final = {"by request": by_request.simulate, "by opening": by_opening.simulate}
# What happens at 600 s, and how many connections are open at 601, 1190 and 1795 s.
EVENTS: Final = {
    "[events.blue_green]\nat_seconds = 600\noverlap_seconds = 595": (20, 32, 16),
    "[events.host_loss]\nat_seconds = 600\nhosts = 2\nnoticed_seconds = 595": (16, 16, 8),
    "[events.host_loss]\nat_seconds = 600\nhosts = 2\nback_seconds = 10": (16, 24, 24),
    "[events.network_cut]\nat_seconds = 600\nhosts = 2\nnoticed_seconds = 595": (16, 24, 16),
    "[events.network_cut]\nat_seconds = 600\nhosts = 2": (8, 16, 16),
    "[events.database_restart]\nat_seconds = 600": (0, 16, 16),
    "[events.rolling_deployment]\nat_seconds = 600\nhosts_at_once = 4\ndrain_seconds = 0": (0, 16, 16),
}


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("event", EVENTS)
def test_an_event_moves_postgresqls_count_as_it_says(event: str, engine: Callable[..., Simulated]) -> None:
    fleet = read_fleet(FLEET + event, "fleet.toml")
    (strategy,) = fleet.strategies
    at = np.array([599.0, 601.0, 1190.0, 1795.0])
    application = application_of(fleet)
    keeping = fleet.keeping(strategy, application)
    made = engine(keeping, application, fleet.scene(), at, np.random.default_rng(2013))
    assert (made.opened == made.closed + made.open).all()
    before, *after = made.open.tolist()
    assert before == 4 * THREADS
    first, *others = EVENTS[event]
    assert after[1:] == others
    assert abs(after[0] - first) <= 8  # in one second, up to eight requests open others
