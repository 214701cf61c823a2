"""Gates on a running project are about the counts of its watch."""

from __future__ import annotations

from dataclasses import replace

import pytest
from watch.test_observation import readings

from loadlab.errors import UsageError
from loadlab.model.gates import MEASURES, Doubt
from loadlab.model.observation import Observation, WatchedLeak
from loadlab.plan.gates import read_gates
from loadlab.watch.gates import FIGURES, gates_of_watch, require_watched
from loadlab.watch.observation import observe


def observed(**changes: object) -> Observation:
    """Ten opened and 90 reused, with two refused and three other errors."""
    counts = {
        "opened": 10,
        "first_uses": 10,
        "reused": 90,
        "open": 4,
        "connect_errors": {"too_many_connections": 2, "other": 3},
    }
    found = observe(readings({"opened": 0}, counts), gaps=0, threads=None)
    alias = replace(found.aliases["default"], **{"leak": WatchedLeak.NO, **changes})  # type: ignore[arg-type]
    return replace(found, aliases={"default": alias})


def outcomes(observation: Observation, *texts: str) -> list[str]:
    return [str(one.outcome) for one in gates_of_watch(observation, read_gates(texts)).results]


def test_a_watch_has_the_quantities_that_the_table_says() -> None:
    assert set(FIGURES) == {name for name, measure in MEASURES.items() if measure.watched}


def test_counts_of_a_watch_are_decided_at_once() -> None:
    held = (
        "leaks == 0",
        "reuse >= 90 %",
        "opens_per_request <= 0.1",
        "open <= 4",
        "refused <= 2",
        "connect_errors <= 5",
    )
    broken = ("reuse > 90 %", "opens_per_request < 0.1", "open < 4", "refused == 0", "connect_errors == 0")
    assert outcomes(observed(), *held) == ["pass"] * 6
    assert outcomes(observed(), *broken) == ["fail"] * 5


def test_a_leak_fails_and_what_cannot_be_told_is_undecided() -> None:
    assert outcomes(observed(leak=WatchedLeak.YES), "leaks == 0") == ["fail"]
    doubts = {
        one: gates_of_watch(observed(leak=one), read_gates(["leaks == 0"])).results[0].doubt for one in WatchedLeak
    }
    assert doubts == {
        WatchedLeak.YES: None,
        WatchedLeak.NO: None,
        WatchedLeak.UNUSED: Doubt.UNUSED,
        WatchedLeak.BEGUN_ANEW: Doubt.BEGUN_ANEW,
        WatchedLeak.TOO_FEW_OPENED: Doubt.LEAK_UNKNOWN,
        WatchedLeak.STILL_GROWING: Doubt.STILL_GROWING,
    }


def test_a_share_of_no_requests_is_undecided_for_want_of_use() -> None:
    idle = observed(opened=0, reused=0, requests=0)
    found = gates_of_watch(idle, read_gates(["opens_per_request < 0.05", "reuse >= 90 %", "open <= 4"])).results
    assert [one.doubt for one in found] == [Doubt.UNUSED, Doubt.UNUSED, None]


def test_a_gate_on_an_alias_that_is_not_there_is_undecided() -> None:
    (found,) = gates_of_watch(observed(), read_gates(["replica: leaks == 0"])).results
    assert (found.alias, found.doubt) == ("replica", Doubt.NO_ALIAS)


@pytest.mark.parametrize(
    ("text", "told"),
    [("p95 < 50 ms", "a watch does not see p95"), ("open <= 1 × baseline", "a watch has no baseline")],
)
def test_what_a_watch_does_not_see_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        require_watched(read_gates([text]))
