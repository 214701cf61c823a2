"""How fast `loadlab fleet` simulates, against its three targets.

    python benchmarks/fleet.py

1. An hour of 1,000 hosts x 8 workers x 4 threads at 20,000 requests per second, all answers for three strategies: at
   most 10 s and 1 GB.
2. A day of the same with a day's profile: at most 120 s.
3. At least 300 times the requests per second of the same model in SimPy, on a fleet that SimPy can finish. Both take
   turns, and the first of each pair changes.

The first two are measured in a process for each. With --spread, requests prefer some threads as they do in real
servers: then openings are those of a sample of hosts. That changes the first two, not the third.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from rich.console import Console
from rich.table import Table

from loadlab.analysis.fleet_answer import ComparedFleet, fleet_answer
from loadlab.fleet.engine import by_opening
from loadlab.fleet.traffic.constant import Constant
from loadlab.fleet.traffic.day import Day
from loadlab.model.config import Config
from loadlab.model.fleet import Application, DatabaseLimits, Dispatch, Distribution, Keeping, Scene, Spread

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "fleet"))

import simpy_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loadlab.fleet.traffic import Traffic
    from loadlab.model.fleet import Numbers

AGES: Final = (0.0, 60.0, None)
HOURS: Final = {"hour": 1, "day": 24}
TARGETS: Final = {"hour": (10.0, 1000.0), "day": (120.0, 1000.0)}  # seconds, MB
SIMPY_TARGET: Final = 300.0
SIMPY_HOSTS: Final = 15
SIMPY_SECONDS: Final = 700.0
MIXED: Final = Spread(
    processes=Dispatch(recent=0.4, longest_idle=0.2, random=0.4),
    threads=Dispatch(longest_idle=0.9, random=0.1),
    lazy_threads=True,
)
# A quarter of the requests takes 100 ms or more.
HOLDS: Final = Distribution(values=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2))


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """One fleet, with all its strategies: `opened` connections of each, and time and memory."""

    requests: float
    seconds: float
    peak_megabytes: float
    opened: tuple[int, ...]
    repeats: tuple[int, ...]


def main() -> None:
    arguments = _arguments()
    spread = MIXED if arguments.spread else Spread()
    if arguments.part:
        measured = _measure(arguments.part, spread)
        print(json.dumps(asdict(measured)))
        return
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(_sizes(["--spread"] if arguments.spread else []))
    console.print(_beside_simpy(arguments.rounds))


def _measure(part: str, spread: Spread) -> Measured:
    seconds = HOURS[part] * 3600.0
    traffic: Traffic = Constant(rate=20_000.0) if part == "hour" else Day(mean_rate=20_000.0)
    scene = _scene(1000, traffic, seconds)
    asked = ComparedFleet(
        title=part, application=_application(spread), strategies=[(_keeping(age), scene) for age in AGES]
    )
    began = time.perf_counter()
    answer = fleet_answer(asked, lambda _: None)
    return Measured(
        requests=float(scene.rates.expected[-1]),
        seconds=time.perf_counter() - began,
        peak_megabytes=_peak_bytes() / 1e6,
        opened=tuple(round(one.opens_per_second.middle * seconds) for one in answer.outcomes),
        repeats=tuple(one.repeats for one in answer.outcomes),
    )


def _peak_bytes() -> int:
    """Of this process and of those that it started, which were as many as there are cores."""
    own, largest = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return 1024 * (own + largest * len(os.sched_getaffinity(0)))


def _sizes(options: Sequence[str]) -> Table:
    ages = ", ".join("unlimited" if age is None else f"{age:.0f}" for age in AGES)
    table = Table(
        title=f"1,000 hosts x 8 workers x 4 threads, CONN_MAX_AGE {ages}",
        caption="Time and memory are of all answers, without the start of Python.",
    )
    for heading in ("", "requests", "opened", "repeats", "seconds", "target", "peak MB", "target"):
        table.add_column(heading, justify="right" if heading else "left")
    for part, (seconds, megabytes) in TARGETS.items():
        argv = [sys.executable, __file__, "--part", part, *options]
        measured = Measured(**json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout))
        table.add_row(
            part,
            f"{measured.requests:,.0f}",
            ", ".join(f"{count:,}" for count in measured.opened),
            ", ".join(map(str, measured.repeats)),
            f"{measured.seconds:.1f}",
            f"≤ {seconds:.0f}",
            f"{measured.peak_megabytes:.0f}",
            f"≤ {megabytes:.0f}",
        )
    return table


def _beside_simpy(rounds: int) -> Table:
    scene = _scene(SIMPY_HOSTS, Constant(rate=SIMPY_HOSTS * 20.0), SIMPY_SECONDS)
    at = np.arange(SIMPY_SECONDS + 1)
    requests = float(scene.rates.expected[-1])
    table = Table(
        title=f"{SIMPY_HOSTS} hosts, {requests:,.0f} requests: requests per second of simulating, {rounds} rounds",
        caption=f"Medians. Ratios: of the medians, and of single rounds. Target: {SIMPY_TARGET:.0f}×",
    )
    for heading in ("CONN_MAX_AGE", "loadlab", "SimPy", "ratio", "opened", "in SimPy"):
        table.add_column(heading, justify="right")
    warm_up = _scene(1, Constant(rate=20.0), 60.0)
    for age in AGES:
        _turn(age, warm_up, at, 0)
        turns = [_turn(age, scene, at, number) for number in range(rounds)]
        ours, theirs = ([requests / turn[which][0] for turn in turns] for which in (0, 1))
        ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
        table.add_row(
            "unlimited" if age is None else f"{age:.0f}",
            f"{median(ours):,.0f}",
            f"{median(theirs):,.0f}",
            f"{median(ours) / median(theirs):,.0f}× ({min(ratios):,.0f}–{max(ratios):,.0f})",
            *(f"{median(turn[which][1] for turn in turns):,.0f}" for which in (0, 1)),
        )
    return table


def _turn(age: float | None, scene: Scene, at: Numbers, number: int) -> tuple[tuple[float, int], tuple[float, int]]:
    """Seconds, and connections opened: ours, and SimPy's."""
    keeping, application = _keeping(age), _application(Spread())

    def ours() -> tuple[float, int]:
        began = time.perf_counter()
        ran = by_opening.simulate(keeping, application, scene, at, np.random.default_rng(number))
        return time.perf_counter() - began, int(ran.opened[-1])

    def simpy() -> tuple[float, int]:
        began = time.perf_counter()
        ran = simpy_model.simulate(keeping, application, scene, at, number)
        return time.perf_counter() - began, int(ran.opened[-1])

    if number % 2:
        theirs = simpy()
        return ours(), theirs
    return ours(), simpy()


def _application(spread: Spread) -> Application:
    return Application(
        connect_seconds=Distribution(values=(0.003, 0.005, 0.01)),
        hold_seconds=HOLDS,
        spreads={"gthread": spread},
    )


def _keeping(age: float | None) -> Keeping:
    return Keeping(
        server=Config(name="gthread"),
        strategy=Config(name="max_age"),
        keeper="thread",
        processes=8,
        threads=4,
        max_age=age,
    )


def _scene(hosts: int, traffic: Traffic, seconds: float) -> Scene:
    return Scene(hosts=hosts, rates=traffic.rates(seconds), database=DatabaseLimits(max_connections=40_000))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="beside SimPy (default: 5)")
    parser.add_argument("--spread", action="store_true", help="requests prefer some threads")
    parser.add_argument("--part", choices=list(HOURS), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
