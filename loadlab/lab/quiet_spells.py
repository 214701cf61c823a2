"""Quiet spells: after the window all users leave and come back, several times, and what stays open is counted."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlab.lab.settling import settled
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.lab.generator import RunningLoad
    from loadlab.lab.target import RunningTarget, Sample
    from loadlab.load.generator.contract import LoadResult
    from loadlab.model.plan import QuietSpells


@dataclass(frozen=True, kw_only=True, slots=True)
class Spells:
    """What was at rest in the end; and after the window and each burst, with the number of its requests."""

    at_rest: Sample
    bursts: tuple[tuple[Sample, int], ...] = ()
    lost: tuple[Disturbance, ...] = ()


def quiet_spells(
    at_rest: Sample,
    result: LoadResult | None,
    running: RunningTarget,
    wanted: QuietSpells,
    begin: Callable[[], RunningLoad],
) -> Spells:
    """Pause and begin a burst as often as is wanted, once the load of the window is `at_rest` with its `result`."""
    if not wanted.count or result is None:
        return Spells(at_rest=at_rest)
    bursts = [(at_rest, len(result.requests.ended))]
    for _ in range(wanted.count):
        time.sleep(wanted.pause_seconds)
        result = begin().wait()
        at_rest = settled(running.sides, running.agrees, running.patience)
        if result is None:
            lost = Disturbance(Cause.GENERATOR_FAILED, "the generator did not end a burst after a quiet spell")
            return Spells(at_rest=at_rest, bursts=tuple(bursts), lost=(lost,))
        bursts.append((at_rest, len(result.requests.ended)))
    return Spells(at_rest=at_rest, bursts=tuple(bursts))
