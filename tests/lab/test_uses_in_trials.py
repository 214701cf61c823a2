"""How requests used their connections, as part of a trial's record, on real servers and a real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from modes import installed, working

from loadlab.instrumentation.uses_file import Use, read_uses
from loadlab.model.schedule import Step

if TYPE_CHECKING:
    from laboratory import TrialRunner

    from loadlab.model.samples import Trial


def uses_of(trial: TrialRunner, done: Trial) -> list[Use]:
    return read_uses(trial.target.ledgers(Step(order=done.order, block=0, case=0)))


def require_whole(trial: TrialRunner, done: Trial) -> list[Use]:
    """Each request that used the database has left one use, and each open one connect; the record sums them up."""
    uses, counted = uses_of(trial, done), done.connections.at_rest
    # runserver looks for migrations as it boots, which is no request.
    assert len(uses) == counted.first_uses + counted.reused - sum(counted.units.values())
    opened = len([use for use in uses if use.connect is not None])
    assert opened == counted.first_uses - counted.units.get("other_opened", 0)
    assert done.uses is not None
    assert done.uses.hold_seconds is not None
    assert done.uses.connect_seconds is not None
    assert 0 < done.uses.spread.requests <= len(uses)
    return uses


def test_threads_that_serve_again_are_told_apart(trial: TrialRunner) -> None:
    done = trial("gthread", max_age=None, workers=2, threads=2)
    uses = require_whole(trial, done)
    assert len({use.process for use in uses}) <= 2
    assert len({(use.process, use.thread) for use in uses}) == done.connections.at_rest.opened
    assert done.uses is not None
    assert done.uses.spread.collected_after == ()
    assert done.uses.idle_backend_bytes is None or done.uses.idle_backend_bytes > 100_000


def test_garbage_of_greenlets_is_noted_with_its_request(trial: TrialRunner) -> None:
    done = trial("gevent", max_age=None, workers=1, window_seconds=0.8)
    uses = require_whole(trial, done)
    assert len({use.thread for use in uses}) == len(uses)
    collected = [use for use in uses if use.collected is not None]
    assert len(collected) == done.connections.at_rest.closed.get("garbage_collected", 0) > 0
    assert all(use.ended < (use.collected or 0.0) for use in collected)


@pytest.mark.slow
@pytest.mark.parametrize("name", installed())
@pytest.mark.parametrize("max_age", [0, None])
def test_every_mode_leaves_a_use_for_each_request(trial: TrialRunner, name: str, max_age: float | None) -> None:
    require_whole(trial, trial(name, max_age=max_age, **working(name).parameters))
