"""What a trial takes beside its warm-up and window, and where that time goes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

from rich.table import Table
from workbench import interleaved, workbench

from loadlab.lab.served_target import ServedTarget
from loadlab.lab.trial import run_trial
from loadlab.model.case import Case
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.model.schedule import Step
from loadlab.plan.members import build_server, config_of
from loadlab.servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from workbench import Watch

    from loadlab.lab.lab import Lab

BLOCKS: Final = 6
MODES: Final = ("sync", "gthread", "gevent")
PARTS: Final = ("boot", "load_start", "settle", "stop", "books")
GOAL_SECONDS: Final = 1.5
USERS: Final = 8
PLAN: Final = Plan(servers={}, strategies={})  # warm-up and window as in the default plan


@dataclass(frozen=True, kw_only=True, slots=True)
class Overhead:
    """Seconds of one trial outside of warm-up and window: by the clock, and as the trial itself split them."""

    mode: str
    total: float
    parts: dict[str, float]

    @property
    def rest(self) -> float:
        """What the trial put down to no part: from the window's end until Locust has handed over what it saw."""
        return self.total - sum(self.parts.values())


def run(watch: Watch, blocks: int | None) -> Table:
    return table(measure(watch, blocks or BLOCKS))


def measure(watch: Watch, blocks: int) -> list[Overhead]:
    with workbench(PLAN, watch) as lab:
        steps = list(enumerate(interleaved(MODES, blocks)))
        return [
            _trial(mode, Step(order=order, block=block, case=MODES.index(mode)), lab)
            for order, (block, mode) in watch.over(steps, lambda step: step[1][1])
        ]


def _trial(mode: str, step: Step, lab: Lab) -> Overhead:
    begun = time.monotonic()
    trial = run_trial(_case(mode), step, lab, ServedTarget(lab=lab))
    total = time.monotonic() - begun - PLAN.warmup_seconds - PLAN.window_seconds
    return Overhead(mode=mode, total=total, parts=trial.overhead_seconds)


def _case(mode: str) -> Case:
    """With an age of 60 s gevent leaks up to the database's limit: the most that a trial has to clear away."""
    server = config_of(SERVERS, mode, {}, "server")
    return Case(
        server=server,
        strategy=Config(name="max_age", parameters={"max_age": 60}),
        scenario="read_one",
        users=USERS,
        keep_alive=False,
        usable_connections=build_server(server).usable_connections(USERS),
    )


def table(measured: Sequence[Overhead]) -> Table:
    by_mode = {mode: [one for one in measured if one.mode == mode] for mode in MODES}
    made = Table(
        title="Overhead per trial in seconds, outside of warm-up and window: median (min to max)",
        caption=f"{len(by_mode[MODES[0]])} trials each, interleaved in random order; {USERS} users, CONN_MAX_AGE=60,"
        " keep-alive off.\nRest: from the window's end until Locust has handed over what it saw.",
    )
    for heading in ("", *MODES):
        made.add_column(heading, justify="right" if heading else "left")
    for part in PARTS:
        made.add_row(part, *(_spread([one.parts[part] for one in trials]) for trials in by_mode.values()))
    made.add_row("rest", *(_spread([one.rest for one in trials]) for trials in by_mode.values()), end_section=True)
    made.add_row("total", *(_spread([one.total for one in trials]) for trials in by_mode.values()))
    made.add_row(f"goal: median ≤ {GOAL_SECONDS:g}", *map(_against_goal, by_mode.values()))
    return made


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _against_goal(trials: Sequence[Overhead]) -> str:
    return "met" if median(one.total for one in trials) <= GOAL_SECONDS else "missed"
