"""django-async-backend in every ASGI mode: where it can be installed, its connections are counted exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loadlab.plan.members import config_of
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES

if TYPE_CHECKING:
    from laboratory import TrialRunner

pytest.importorskip("django_async_backend", reason="django-async-backend needs Django 6 and Python 3.12")
pytestmark = [pytest.mark.slow]
MODES = [name for name in SERVERS if SERVERS[name].asgi]
WORKERS = {"workers": 2}


def several(server: str) -> dict[str, Any]:
    """Two processes, where the mode can have them."""
    return WORKERS if "workers" in config_of(SERVERS, server, {}, "server").parameters else {}


@pytest.mark.parametrize("pooled", [False, True], ids=["alone", "pooled"])
@pytest.mark.parametrize("server", MODES)
def test_connections_of_the_event_loop_are_counted_exactly(
    trial: TrialRunner,
    server: str,
    pooled: bool,  # noqa: FBT001
) -> None:
    choice = config_of(STRATEGIES, "async_backend", {"pooled": pooled, "max_size": 2}, "strategy")
    done = trial(server, strategy=choice, scenario="async_connection", driver="psycopg", **several(server))
    assert (done.state, done.failures, done.connections.mismatches) == ("complete", (), ())
    counts = done.connections.at_rest
    processes = SERVERS[server](**several(server)).processes()
    if pooled:
        assert 0 < counts.opened <= 2 * processes
        assert counts.reused > 0
    else:
        assert (counts.reused, counts.open) == (0, 0)
        assert counts.opened == counts.closed["explicit"]
