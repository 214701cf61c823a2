"""What the load costs the machine that makes it: the recorder per request, and load processes against one nginx.

Closed loads show how much one, two and four processes send when nothing holds them back; open loads how late they send
what is due. Rounds are interleaved in a seeded random order; figures are medians over them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
from generator import nginx
from rich.console import Console
from rich.table import Table
from workbench import interleaved, watching

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.generator import Generator
from loadlab.load.generator.contract import LoadRequest
from loadlab.model.condition import OpenLoad
from loadlab.model.window import deciding_instants
from loadlab.system.ports import LOOPBACK
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from workbench import Watch

    from loadlab.load.generator.contract import LoadResult

HERE: Final = Path(__file__).resolve().parent
MICROSECONDS: Final = 1e6
WARM_UP_SECONDS: Final = 0.5
USERS: Final = 16
PROCESSES: Final = (1, 2, 4)
RATES: Final = (250.0, 1000.0, 4000.0, 10_000.0)
OUTSTANDING: Final = 800
WANTED: Final = (10_000, 100_000)  # requests per second
FULL: Final = 0.9  # of a core: beyond that, a trial is invalid
CLIENTS: Final = {"LeanHttpUser": "loadlab.load.http.lean_user", "FastHttpUser": "locust"}
LISTENERS: Final = {
    "no_listener": "Locust's request event without a listener",
    "record": "the trial's record, exact columns",
    "record_paced": "the same under an open load",
    "keep_histograms": "an .hlog of histograms per name and second",
}
SCENARIO: Final = """
from {module} import {client}
from locust import constant, task

from loadlab.load.locust_plugins.user import KeepAliveOption


class Visitor(KeepAliveOption, {client}):
    wait_time = constant(0)

    @task
    def ask(self):
        self.client.get("/")
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """One kind of load."""

    client: str
    processes: int
    rate: float | None = None

    def __str__(self) -> str:
        load = f"{self.rate:g}/s" if self.rate else "closed"
        return f"{self.client}, {load}, {self.processes} processes"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One arm in one round; the lag is NaN in a closed load."""

    requests_per_second: float
    cpu_seconds_per_request: float
    busiest: float
    lag_p50_seconds: float
    lag_p99_seconds: float


def main() -> None:
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    closed = [Arm(client=client, processes=processes) for client in CLIENTS for processes in PROCESSES]
    opened = [Arm(client="LeanHttpUser", processes=processes, rate=rate) for rate in RATES for processes in PROCESSES]
    try:
        with watching("load") as watch:
            recorder = measured_recorder(arguments, watch)
            readings = measured([*closed, *opened], arguments, watch)
    except EnvironmentFaultError as error:
        sys.exit(str(error))
    console.print(table_of_recorder(recorder), "")
    console.print(table_of_closed({arm: readings[arm] for arm in closed}, arguments), "")
    console.print(table_of_opened({arm: readings[arm] for arm in opened}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each arm is measured (5)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="how long each time (3)")
    return parser.parse_args()


def measured_recorder(arguments: argparse.Namespace, watch: Watch) -> dict[str, float]:
    """CPU seconds per request by listener."""
    rounds = []
    for _ in watch.over(range(arguments.rounds), lambda _: "recorder"):
        argv = [sys.executable, str(HERE / "load_recorder.py")]
        rounds.append(json.loads(subprocess.run(argv, capture_output=True, text=True, check=True).stdout))
    return {name: median(one[name] for one in rounds) for name in LISTENERS}


def measured(arms: list[Arm], arguments: argparse.Namespace, watch: Watch) -> dict[Arm, list[Reading]]:
    readings: dict[Arm, list[Reading]] = {arm: [] for arm in arms}
    with (
        Register.opened() as register,
        nginx(register) as port,
        Generator(register, register.folder / "locust.log") as generator,
    ):
        for client, module in CLIENTS.items():
            (register.folder / f"{client}.py").write_text(SCENARIO.format(client=client, module=module))
        for _, arm in watch.over(interleaved(arms, arguments.rounds), lambda item: str(item[1])):
            request = _load_request(arm, register, port, arguments.seconds)
            result = generator.begin(request).wait()
            if result is None or result.lost:
                raise EnvironmentFaultError(f"The load of {arm} broke; see {register.folder}")
            readings[arm].append(_reading(request, result))
    return readings


def _load_request(arm: Arm, register: Register, port: int, seconds: float) -> LoadRequest:
    return LoadRequest(
        locustfile=str(register.folder / f"{arm.client}.py"),
        host=f"http://{LOOPBACK}:{port}",
        users=OUTSTANDING if arm.rate else USERS,
        keep_alive=True,
        warmup_seconds=WARM_UP_SECONDS,
        window_seconds=seconds,
        result=str(register.folder / "result"),
        open_load=OpenLoad(rate=arm.rate, arrivals="poisson") if arm.rate else None,
        processes=arm.processes,
    )


def _reading(request: LoadRequest, result: LoadResult) -> Reading:
    inside = request.window.of(requests := result.requests)
    instants = deciding_instants(requests)
    lag = np.asarray(requests.sent)[inside] - instants[inside] if request.open_load else np.array([np.nan])
    count = int(inside.sum())
    return Reading(
        requests_per_second=count / request.window_seconds,
        cpu_seconds_per_request=sum(result.busy) * request.window_seconds / count,
        busiest=max(result.busy),
        lag_p50_seconds=float(np.quantile(lag, 0.5)),
        lag_p99_seconds=float(np.quantile(lag, 0.99)),
    )


def table_of_recorder(seconds: dict[str, float]) -> Table:
    result = Table(title="What listening to a request costs")
    result.add_column("listener")
    for heading in ("CPU µs / request", "above no listener"):
        result.add_column(heading, justify="right")
    for name, words in LISTENERS.items():
        above = (seconds[name] - seconds["no_listener"]) * MICROSECONDS
        result.add_row(words, f"{seconds[name] * MICROSECONDS:.2f}", f"{above:.2f}")
    return result


def table_of_closed(readings: dict[Arm, list[Reading]], arguments: argparse.Namespace) -> Table:
    result = Table(
        title=f"Closed, {USERS} users, connections kept; {arguments.rounds} rounds of {arguments.seconds:g} s"
    )
    result.add_column("client, load processes")
    wanted = [f"cores for {rate:,}/s" for rate in WANTED]
    for heading in ("requests / s", "CPU µs / request", "busiest process", *wanted):
        result.add_column(heading, justify="right")
    for arm, ones in readings.items():
        cost = median(one.cpu_seconds_per_request for one in ones)
        cores = [f"{ceil(rate * cost / FULL):,}" for rate in WANTED]
        rate = median(one.requests_per_second for one in ones)
        busiest = median(one.busiest for one in ones)
        figures = [f"{rate:,.0f}", f"{cost * MICROSECONDS:.0f}", f"{busiest:.0%}", *cores]
        result.add_row(f"{arm.client}, {arm.processes}", *figures)
    return result


def table_of_opened(readings: dict[Arm, list[Reading]]) -> Table:
    result = Table(title="Open, LeanHttpUser, Poisson arrivals: how late requests are sent")
    result.add_column("rate, load processes")
    for heading in ("CPU µs / request", "busiest process", "send lag p50 µs", "send lag p99 µs"):
        result.add_column(heading, justify="right")
    for arm, ones in readings.items():
        lags = [median(getattr(one, name) for one in ones) for name in ("lag_p50_seconds", "lag_p99_seconds")]
        cost = median(one.cpu_seconds_per_request for one in ones)
        busiest = median(one.busiest for one in ones)
        figures = [f"{cost * MICROSECONDS:.0f}", f"{busiest:.0%}", *(f"{lag * MICROSECONDS:,.0f}" for lag in lags)]
        result.add_row(f"{arm.rate:,.0f}/s, {arm.processes}", *figures)
    return result


if __name__ == "__main__":
    main()
