"""What a trial takes beside its warm-up and window: booted in turn, and ahead, while the trial before it is recorded.

The same trials show whether booting ahead changes what is measured: an A/A test of throughput.
"""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from itertools import product
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
from loadlab.stats.paired import paired_effect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from workbench import Watch

    from loadlab.lab.lab import Lab
    from loadlab.model.samples import Trial

BLOCKS: Final = 6
MODES: Final = tuple(name for name in SERVERS if SERVERS[name].usual)
PARTS: Final = ("boot", "load_start", "settle", "stop")
USERS: Final = 8
PLAN: Final = Plan(servers={}, strategies={})  # warm-up and window as in the default plan
BETWEEN_LOADS: Final = PLAN.warmup_seconds + PLAN.window_seconds


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One trial: `seconds` are those from the end of the window before it until its own load started."""

    mode: str
    ahead: bool
    block: int
    seconds: float
    trial: Trial

    @property
    def throughput(self) -> float:
        window = self.trial.window
        return float(window.of(self.trial.requests).sum()) / window.seconds


def run(watch: Watch, blocks: int | None) -> Table:
    return table(measure(watch, blocks or BLOCKS))


def measure(watch: Watch, blocks: int) -> list[Measured]:
    """Each mode in turn and ahead, in random order. The first trial follows nothing, and is left out."""
    arms = [(0, (MODES[0], False)), *interleaved(list(product(MODES, (False, True))), blocks)]
    steps = [Step(order=order, block=block, case=0) for order, (block, _) in enumerate(arms)]
    plan = [(mode, ahead, step) for (_, (mode, ahead)), step in zip(arms, steps, strict=True)]
    with workbench(PLAN, watch) as lab, closing(ServedTarget(lab=lab)) as target:
        return list(_trials(lab, target, watch, plan))[1:]


def _trials(lab: Lab, target: ServedTarget, watch: Watch, plan: Sequence[tuple[str, bool, Step]]) -> Iterator[Measured]:
    ended = 0.0
    for place, (mode, ahead, step) in enumerate(watch.over(plan, lambda each: each[0])):
        coming = [(_case(later), then) for later, is_ahead, then in plan[place + 1 :][:1] if is_ahead]
        target.restore()
        begun = time.monotonic()
        trial = run_trial(_case(mode), step, lab, target, coming[0] if coming else None)
        started = begun + trial.overhead_seconds["boot"] + trial.overhead_seconds["load_start"]
        yield Measured(mode=mode, ahead=ahead, block=step.block, seconds=started - ended, trial=trial)
        ended = started + BETWEEN_LOADS


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


def table(measured: Sequence[Measured]) -> Table:
    blocks = 1 + max(one.block for one in measured)
    made = Table(
        title="Seconds between the windows' end of one trial and the next one's load: median (min to max)",
        caption=f"{blocks} trials each, in random order; {USERS} users, CONN_MAX_AGE=60, keep-alive off.\n"
        "Ratios: ahead over in turn, by block, with 95 % intervals. Throughput's should contain 1.",
    )
    for heading in ("", *MODES):
        made.add_column(heading, justify="right" if heading else "left")
    for ahead, name in ((False, "in turn"), (True, "ahead")):
        for part in PARTS:
            made.add_row(f"{name}: {part}", *_of(measured, ahead, lambda one, part=part: _overhead(one, part)))
        made.add_row(f"{name}: all", *_of(measured, ahead, lambda one: one.seconds), end_section=True)
    made.add_row("ratio", *_ratios(measured, lambda one: one.seconds))
    made.add_row("ratio of throughput", *_ratios(measured, lambda one: one.throughput))
    return made


def _overhead(one: Measured, part: str) -> float:
    return one.trial.overhead_seconds[part]


def _of(measured: Sequence[Measured], ahead: bool, value: Callable[[Measured], float]) -> Iterator[str]:  # noqa: FBT001
    for mode in MODES:
        seconds = [value(one) for one in measured if (one.mode, one.ahead) == (mode, ahead)]
        yield f"{median(seconds):.2f} ({min(seconds):.2f} to {max(seconds):.2f})"


def _ratios(measured: Sequence[Measured], value: Callable[[Measured], float]) -> Iterator[str]:
    for mode in MODES:
        in_turn, ahead = (
            {one.block: value(one) for one in measured if (one.mode, one.ahead) == (mode, is_ahead)}
            for is_ahead in (False, True)
        )
        effect = paired_effect(ahead, in_turn)
        interval = f" ({effect.interval.low:.2f} to {effect.interval.high:.2f})" if effect.interval else ""
        yield f"{effect.ratio:.2f}{interval}"
