"""Quiet spells: after the window all users leave and come back, several times, and what stays open is counted."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from loadlab.lab.settling import settled
from loadlab.lab.validity import Disturbance
from loadlab.model.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.lab.generator import RunningLoad
    from loadlab.lab.record import Observed
    from loadlab.lab.target import RunningTarget
    from loadlab.model.plan import QuietSpells


def after_quiet_spells(
    observed: Observed, running: RunningTarget, spells: QuietSpells, begin: Callable[[], RunningLoad]
) -> Observed:
    """What was observed, with `bursts` and with what is at rest after the last; `begin` starts the load of one."""
    if not spells.count or observed.result is None:
        return observed
    bursts = [(observed.at_rest, len(observed.result.requests.ended))]
    lost = list(observed.disturbances)
    for _ in range(spells.count):
        time.sleep(spells.pause_seconds)
        result = begin().wait()
        at_rest = settled(running.sides, running.agrees, running.patience)
        if result is None:
            lost.append(Disturbance(Cause.GENERATOR_FAILED, "the generator did not end a burst after a quiet spell"))
            break
        bursts.append((at_rest, len(result.requests.ended)))
    return replace(
        observed, at_rest=at_rest, by_alias=running.by_alias(), bursts=tuple(bursts), disturbances=tuple(lost)
    )
