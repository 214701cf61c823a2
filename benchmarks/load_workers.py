"""What workers on other hosts cost their master: to start and to end a load, per worker, and per request.

All of them are processes of this machine, so that the network is missing from the times; bytes and CPU are as they
would be.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Final

import psutil
from generator import nginx
from load import SCENARIO, USERS
from rich.console import Console
from rich.table import Table

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.generator import Generator
from loadlab.load.generator.contract import LoadRequest
from loadlab.model.plan import Load
from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WORKERS: Final = (1, 2, 4)
WARM_UP_SECONDS: Final = 0.5
MS: Final = 1000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One load: until it started, from its end until its result was there, and what the master spent on it."""

    requests: int
    start_seconds: float
    end_seconds: float
    master_cpu_seconds: float
    result_bytes: int
    skew_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each number is measured (5)")
    parser.add_argument("--seconds", type=float, default=3.0, metavar="S", help="how long each time (3)")
    arguments = parser.parse_args()
    try:
        with Register.opened() as register, nginx(register) as port:
            readings = {number: measured(number, port, register, arguments) for number in WORKERS}
    except EnvironmentFaultError as error:
        sys.exit(str(error))
    Console(width=None if sys.stdout.isatty() else 120).print(table(readings, arguments))


def measured(number: int, port: int, register: Register, arguments: argparse.Namespace) -> list[Reading]:
    scenario = register.folder / "visitor.py"
    scenario.write_text(SCENARIO.format(client="LeanHttpUser", module="loadlab.load.http.lean_user"))
    load = Load(expect_workers=number, master_bind_port=free_port())
    with Generator(register, register.folder / "master.log", load) as generator, fleet(number, load, register.folder):
        generator.check_locustfile(scenario, shared=True)
        load_request = LoadRequest(
            locustfile=str(scenario),
            host=f"http://{LOOPBACK}:{port}",
            users=USERS,
            keep_alive=True,
            warmup_seconds=WARM_UP_SECONDS,
            window_seconds=arguments.seconds,
            result=str(register.folder / "result"),
            processes=number,
        )
        return [reading(load_request, generator) for _ in range(arguments.rounds)]


@contextmanager
def fleet(number: int, load: Load, folder: Path) -> Iterator[None]:
    argv = [sys.executable, "-m", "loadlab.load.distributed.worker", "--master-port", str(load.master_bind_port)]
    with ExitStack() as stack, (folder / "workers.log").open("ab") as log:
        for _ in range(number):
            stack.callback(stack.enter_context(subprocess.Popen(argv, stderr=log)).terminate)
        yield


def reading(load_request: LoadRequest, generator: Generator) -> Reading:
    asked = time.monotonic()
    drive = generator.begin(load_request)
    master = psutil.Process(drive.pid)
    before = sum(master.cpu_times()[:2])
    result = drive.wait()
    ended = time.monotonic()
    if result is None or result.lost:
        raise EnvironmentFaultError(f"The load of {load_request.processes} workers broke.")
    return Reading(
        requests=len(result.requests),
        start_seconds=drive.started - asked,
        end_seconds=ended - drive.started - load_request.window.end,
        master_cpu_seconds=sum(master.cpu_times()[:2]) - before,
        result_bytes=len(result.to_json()),
        skew_seconds=max(result.skew),
    )


def table(readings: dict[int, list[Reading]], arguments: argparse.Namespace) -> Table:
    made = Table(
        title=f"Workers and their master; closed, {USERS} users; {arguments.rounds} rounds of {arguments.seconds:g} s"
    )
    made.add_column("workers")
    columns = (
        "requests",
        "start ms",
        "end ms",
        "master CPU ms",
        "master CPU µs / request",
        "bytes / request",
        "skew µs",
    )
    for heading in columns:
        made.add_column(heading, justify="right")
    for number, ones in readings.items():
        cpu = median(one.master_cpu_seconds for one in ones)
        requests = median(one.requests for one in ones)
        made.add_row(
            str(number),
            f"{requests:,.0f}",
            f"{median(one.start_seconds for one in ones) * MS:.0f}",
            f"{median(one.end_seconds for one in ones) * MS:.0f}",
            f"{cpu * MS:.0f}",
            f"{cpu / requests * MS * MS:.2f}",
            f"{median(one.result_bytes / one.requests for one in ones):.1f}",
            f"{median(one.skew_seconds for one in ones) * MS * MS:.0f}",
        )
    return made


if __name__ == "__main__":
    main()
