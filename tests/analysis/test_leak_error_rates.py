"""The verdict on leaks errs as rarely as docs/explanation/why-it-leaks.md says, by the same simulation."""

from __future__ import annotations

import random

import pytest
from every import every

from benchmarks.leak_error_rates import MODES, Tally, case_of, simulated, trials, watches
from loadlab.analysis.rooms import leak_of
from loadlab.servers import SERVERS


@pytest.mark.thorough
def test_no_leak_is_invented_and_hardly_one_is_missed() -> None:
    total = Tally()
    for *_, tally in [*trials(2), *watches(2)]:
        total.sound.update(tally.sound)
        total.leaking.update(tally.leaking)
    assert total.sound.total() > 1000
    assert total.leaking.total() > 1000
    assert total.sound["yes"] == 0
    assert total.leaking["no"] < 0.01 * total.leaking.total()


@every("server", MODES)
def test_two_hundred_requests_nearly_always_tell(server: str) -> None:
    chance = random.Random(server)
    told = [leak_of(simulated(case_of(server, 24, 60.0), 200, "sound", 0, chance)[0]) for _ in range(50)]
    assert set(told) == {"no" if SERVERS[server]().lasting_connections(24, keep_alive=False) else "yes"}
