"""What a follower tells of a trial that runs: counts by name, and counters that never fall."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loadlab.lab.following import Follower
from loadlab.load.generator.request_counts import count_requests
from loadlab.model.counts import ConnectionCounts
from loadlab.model.holders import by_holder

if TYPE_CHECKING:
    from loadlab.store.progress import Sampled


def told(*looks: tuple[dict[str, float], ConnectionCounts]) -> list[Sampled]:
    samples: list[Sampled] = []
    follower = Follower(tell=samples.append, order=0, sessions=None, max_connections=None)
    for reading, counts in looks:
        follower.seen(reading, {}, counts, None, count_requests([], []))
    return samples


def test_counts_are_told_by_name_with_each_reason_and_kind() -> None:
    counts = ConnectionCounts(
        opened=9, reused=4, open=2, closed={"max_age": 7}, connect_errors={"too_many_connections": 1}
    )
    (sample,) = told(({}, counts))
    names = ("opened", "reused", "open", "closed_max_age", "connect_errors_too_many_connections")
    assert [sample.values[name] for name in names] == [9, 4, 2, 7, 1]


def test_open_connections_are_told_by_holder_and_add_up() -> None:
    (sample,) = told(({"open_idle": 7}, ConnectionCounts(open=5, holders={"leaked": 3, "in_use": 2})))
    held = {name: value for name, value in sample.values.items() if name.startswith("open_")}
    assert {name: value for name, value in held.items() if value} == {"open_leaked": 3, "open_in_use": 2}
    assert set(held) == set(by_holder({}))


def test_cpu_time_never_falls_when_a_process_takes_its_account_with_it() -> None:
    looks = [({"cpu_app": seconds}, ConnectionCounts()) for seconds in (1.0, 3.0, 2.5, 4.0)]
    assert [sample.values["cpu_app"] for sample in told(*looks)] == [1.0, 3.0, 3.0, 4.0]
