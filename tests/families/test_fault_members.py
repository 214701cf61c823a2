"""Every fault says when it acts, and takes only parameters that it knows."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from loadlab.faults import FAULTS

VALID = {
    "added_latency": {"round_trip_ms": 2.5},
    "clock_jump": {"by_seconds": -3600.0},
    "idle_session_timeout": {"after_ms": 500},
    "latency_spike": {"added_ms": 20.0},
    "slow_accept": {"accept_seconds": 0.5},
}


@pytest.mark.parametrize("name", list(FAULTS))
def test_a_fault_validates_its_parameters_and_says_when_it_acts(name: str) -> None:
    adapter = TypeAdapter(FAULTS[name])
    fault = adapter.validate_json(json.dumps(VALID.get(name, {})))
    assert fault.acts in {"throughout", "before_window", "at_instant"}
    with pytest.raises(ValidationError, match="unheard_of"):
        adapter.validate_json(json.dumps({**VALID.get(name, {}), "unheard_of": 1}))


@pytest.mark.parametrize("round_trip_ms", [-1.0, 1001.0, float("nan"), "3"])
def test_a_latency_that_cannot_be_added_is_refused(round_trip_ms: object) -> None:
    with pytest.raises(ValidationError, match="round_trip_ms"):
        TypeAdapter(FAULTS["added_latency"]).validate_json(json.dumps({"round_trip_ms": round_trip_ms}))
