"""What counting costs a site in instructions per request, by valgrind's callgrind, and in memory per process.

    python benchmarks/instructions.py

A worker of gunicorn serves the sample app's one-row read: with nothing, with loadlab, and with django-prometheus. One
client sends the same request again and again. Instructions of the kernel are not counted.

Memory is that of the same workers without callgrind, after a full search for garbage. The first one in a worker's
life writes into all objects, which ends its sharing of them with the master; in some sites it comes sooner than in
others.

Chance is counted apart, where Python has its symbols: it can change a count by a hundredth and more. CPython caches
which class has a method, and which entries of that cache collide depends on addresses alone. And the C library finds
memory at once or after a search, which depends on where it was freed before: one listing of a folder while a worker
boots makes the same 19 calls of a request take 6,000 instructions instead of 2,200. Addresses also decide how deep the
tree of context variables is: a thousandth. So each boot has another seed of Python's hashes.

With --caches, callgrind also simulates the first two caches of this machine's CPU, without chance left out: a request
takes longer than its instructions say where they, or what they read, have been displaced since the last request.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from itertools import product
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import instrumentation
from counted_site import apps as counted_site
from instrumentation import AS_ITS_README_SAYS, BACKEND, BARE, OURS, Arm
from rich.console import Console
from rich.table import Table
from workbench import watching, workbench

from loadlab.errors import EnvironmentFaultError
from loadlab.lab.application import ServerSetup, serving
from loadlab.lab.memory import proportional_bytes
from loadlab.lab.project import Project
from loadlab.model.config import Config
from loadlab.model.plan import Plan
from loadlab.system.ports import LOOPBACK
from loadlab.system.programs import SystemProgram

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from workbench import Watch

    from loadlab.lab.application import ServedApplication
    from loadlab.lab.lab import Lab

VALGRIND: Final = SystemProgram(name="valgrind", title="valgrind", install="apt-get install valgrind")
BOOTS: Final = 5
REQUESTS: Final = 200
REQUESTS_THAT_CONNECT: Final = 20  # each takes the instructions of 25: a password is checked in 4,096 rounds
WARMUP: Final = 100
PATH: Final = "/entries/7/"
COLLECT: Final = "/collect/"
FOLDER: Final = Path(__file__).resolve().parent
BOOT_SECONDS: Final = 600.0
DUMP_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.01
TOTALS: Final = "totals:"
TAIL: Final = 300  # bytes of a file, with its last line
CHANCE: Final = ("find_name_in_mro", "_int_malloc")
GOAL_RATIO: Final = 1.01
GOAL_SHARE: Final = 0.5
GOAL_MIB: Final = 2.0
MIB: Final = 1 << 20
HEADINGS: Final = ("instructions", "added", "ratio", "by chance", "PSS, MiB", "added", "L1 misses", "L2 misses")
CPU_CACHES: Final = Path("/sys/devices/system/cpu/cpu0/cache")
CACHE_FILES: Final = ("level", "type", "size", "ways_of_associativity", "coherency_line_size")
PLAN: Final = Plan(servers={}, strategies={})
KEEP_CLIENTS: Final = {"sync": False, "gthread": True}
AGES: Final = {"CONN_MAX_AGE=None": None, "CONN_MAX_AGE=0": 0}
PROCESSES_OF_PROMETHEUS: Final = "PROMETHEUS_MULTIPROC_DIR"

# As its README says for servers of several processes, and as it is without that: its counts are those of one worker.
THEIRS: Final = (
    Arm(name="django-prometheus, database", extras=BACKEND),
    Arm(name="django-prometheus", extras=AS_ITS_README_SAYS),
    Arm(name="django-prometheus, one process", extras=AS_ITS_README_SAYS),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """How the site is served."""

    mode: str
    age: str
    python: str = sys.executable

    def __str__(self) -> str:
        return f"{self.mode}, {self.age}"

    @property
    def requests(self) -> int:
        """How many a window has."""
        return REQUESTS_THAT_CONNECT if AGES[self.age] == 0 else REQUESTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """Of some requests, or of one on average: instructions, how many of them are chance, and lines not in a cache."""

    instructions: float
    chance: float
    first_misses: float = 0
    second_misses: float = 0

    def per(self, requests: int) -> Window:
        return Window(**{name: value / requests for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True, slots=True)
class Counted:
    """A request's share in each boot, and the worker's share of memory in bytes."""

    windows: list[Window] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)

    @property
    def instructions(self) -> list[float]:
        """Those that are not chance."""
        return [one.instructions - one.chance for one in self.windows]


Measured = dict[Case, dict[str, Counted]]  # case → arm → what was counted


@dataclass(frozen=True, kw_only=True, slots=True)
class UnderCallgrind(ServerSetup):
    """The same server with its workers under callgrind, which writes its files into `folder`."""

    folder: Path
    caches: tuple[str, ...]

    def argv(self, port: int) -> list[str]:
        callgrind = ["--tool=callgrind", "--trace-children=yes", f"--dump-before={counted_site.FUNCTION}"]
        files = f"--callgrind-out-file={self.folder}/%p"
        return [str(VALGRIND.find()), "--quiet", *callgrind, *self.caches, files, *ServerSetup.argv(self, port)]


class Client:
    """Sends one request after the other, on a kept connection or on a new one each."""

    def __init__(self, port: int, *, keep: bool) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, port, timeout=DUMP_SECONDS)
        self._headers = {} if keep else {"Connection": "close"}

    def get(self, path: str, times: int = 1) -> bytes:
        """Raises EnvironmentFaultError: a response says that it failed."""
        body = b""
        for _ in range(times):
            self._connection.request("GET", path, headers=self._headers)
            response = self._connection.getresponse()
            body = response.read()
            if response.status != http.HTTPStatus.OK:
                raise EnvironmentFaultError(f"{path} was answered with {response.status}")
        return body

    def close(self) -> None:
        self._connection.close()


class Counter:
    """Reads what a worker has executed since the last look."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self._folder = folder
        self._looks = 0

    def look(self) -> Window:
        """Raises EnvironmentFaultError: callgrind writes nothing down."""
        self._looks += 1
        os.kill(self._pid, counted_site.SIGNAL)
        file = self._folder / f"{self._pid}.{self._looks}"
        deadline = time.monotonic() + DUMP_SECONDS
        while time.monotonic() < deadline:
            if file.exists() and TOTALS in (tail := file.read_text()[-TAIL:]):
                # Instructions, reads, writes; then misses of the first cache, of these three kinds, and of the second.
                counts = [int(count) for count in tail.rpartition(TOTALS)[2].split()]
                return Window(
                    instructions=counts[0],
                    chance=_inclusive(CHANCE, file),
                    first_misses=sum(counts[3:6]),
                    second_misses=sum(counts[6:9]),
                )
            time.sleep(POLL_SECONDS)
        raise EnvironmentFaultError(f"callgrind did not write {file}")


def _inclusive(functions: Sequence[str], file: Path) -> int:
    """What all calls of some functions took, in a file of callgrind's. It has names once, and their numbers later."""
    numbers, called, spent = set(), False, 0
    with file.open() as lines:
        for line in lines:
            kind, _, rest = line.partition("=(")
            number, _, name = rest.partition(")")
            if name.strip() in functions:
                numbers.add(number)
            if kind == "cfn":
                called = number in numbers
            elif called and line[0] in "0123456789+-*":
                spent, called = spent + int(line.split()[1]), False
    return spent


def measure(
    arms: Sequence[Arm], cases: Sequence[Case], watch: Watch, boots: int, caches: tuple[str, ...] = ()
) -> Measured:
    measured: Measured = {case: defaultdict(Counted) for case in cases}
    with workbench(PLAN, watch) as lab:
        steps = list(product(range(boots), cases, arms))
        for boot, case, arm in watch.over(steps, lambda step: f"boot {step[0] + 1}, {step[1]}: {step[2].name}"):
            counted = measured[case][arm.name]
            counted.windows.append(_window(arm, case, boot, lab, caches))
            counted.memory.append(_memory(arm, case, boot, lab))
    return measured


def _window(arm: Arm, case: Case, boot: int, lab: Lab, caches: tuple[str, ...]) -> Window:
    name = _name(arm, case, boot)
    folder = lab.scratch / f"callgrind-{name}"
    folder.mkdir()
    setup = UnderCallgrind(folder=folder, caches=caches, **_served(arm, case, boot, f"{name}-counted", lab))
    with serving(setup, lab.register, lab.logs / f"{name}-counted.log") as application:
        client, pid = _warm(application, case)
        with closing(client):
            counter = Counter(pid, folder)
            counter.look()
            client.get(PATH, case.requests)
            return counter.look().per(case.requests)


def _memory(arm: Arm, case: Case, boot: int, lab: Lab) -> float:
    name = _name(arm, case, boot)
    setup = ServerSetup(**_served(arm, case, boot, f"{name}-memory", lab))
    with serving(setup, lab.register, lab.logs / f"{name}-memory.log") as application:
        client, pid = _warm(application, case)
        with closing(client):
            client.get(PATH, case.requests)
            client.get(COLLECT)
            return proportional_bytes([pid]) or 0.0


def _name(arm: Arm, case: Case, boot: int) -> str:
    """Of files and folders."""
    return f"{boot}-{case.mode}-{case.age}-{arm.name}".replace(" ", "-")


def _served(arm: Arm, case: Case, boot: int, name: str, lab: Lab) -> dict[str, Any]:
    """What both ways to serve have in common."""
    counts = lab.scratch / f"django-prometheus-{name}"
    counts.mkdir()
    environment = {
        "PYTHONHASHSEED": str(boot),
        # This tree, wherever another one is installed; and what another Python needs to be told of.
        "PYTHONPATH": os.pathsep.join([str(FOLDER), str(FOLDER.parent), os.environ.get("PYTHONPATH", "")]),
        "GUNICORN_CMD_ARGS": "--timeout 1200",  # a worker boots a hundred times slower
        **({} if arm is THEIRS[-1] else {PROCESSES_OF_PROMETHEUS: str(counts)}),
    }
    return {
        "server": Config(name=case.mode, parameters={"workers": 1}),
        "strategy": Config(name="max_age", parameters={"max_age": AGES[case.age]}),
        "database": lab.database,
        "ledgers": lab.scratch / f"ledgers-{name}",
        "project": Project(settings="counted_site.settings", boot_seconds=BOOT_SECONDS, python=case.python),
        "instrumented": arm.instrumented,
        "extras": instrumentation.Extras(
            apps=arm.extras.apps,
            middleware=arm.extras.middleware,
            database=arm.extras.database,
            environment=environment,
        ),
    }


def _warm(application: ServedApplication, case: Case) -> tuple[Client, int]:
    """A client of a worker which has opened its connections and specialised its bytecode, and the worker's pid."""
    client = Client(application.port, keep=KEEP_CLIENTS[case.mode])
    client.get(PATH, min(WARMUP, case.requests))
    return client, int(json.loads(client.get("/health/"))["pid"])


def table(measured: Measured, goal: float) -> Table:
    made = Table(title="Cost of instrumentation in one worker, per request", caption=_caption(measured, goal))
    made.add_column("served by")
    made.add_column("site with")
    headings = (
        "instructions per request",
        "added",
        "ratio",
        "by chance",
        "PSS, MiB",
        "added",
        "L1 misses",
        "L2 misses",
    )
    for heading in headings:
        made.add_column(heading, justify="right")
    for case, counted in measured.items():
        for arm, one in counted.items():
            cells = [*_cells(one, counted[BARE.name]), *_misses(one, counted[BARE.name])]
            made.add_row(str(case), arm, *cells, end_section=arm == [*counted][-1])
    return made


def _cells(one: Counted, bare: Counted) -> list[str]:
    count, memory = median(one.instructions), median(one.memory) / MIB
    spread = f"({min(one.instructions):,.0f} to {max(one.instructions):,.0f})"
    chance = median(window.chance for window in one.windows)
    cells = [f"{count:,.0f} {spread}", "", "1", f"{chance:,.0f}", f"{memory:.2f}", ""]
    if one is not bare:
        cells[1] = f"{_added(one, bare):,.0f}"
        cells[2] = f"{count / median(bare.instructions):.4f}"
        cells[5] = f"{memory - median(bare.memory) / MIB:+.2f}"
    return cells


def _misses(one: Counted, bare: Counted) -> list[str]:
    """Of the first cache and of the second, per request."""
    cells = []
    for name in ("first_misses", "second_misses"):
        count, without = (median(getattr(window, name) for window in each.windows) for each in (one, bare))
        cells.append(f"{count:,.0f} ({count / without:.3f}×)" if without else "")
    return cells


def _added(one: Counted, bare: Counted) -> float:
    return median(one.instructions) - median(bare.instructions)


def _caption(measured: Measured, goal: float) -> str:
    boots = len(next(iter(measured.values()))[BARE.name].instructions)
    programs = [f"{name} {version(name)}" for name in ("Django", "gunicorn", "psycopg2-binary")]
    missed = _missed(measured, goal)
    return (
        f"{boots} boots for instructions and {boots} for memory, each with {REQUESTS} requests of one client"
        f" ({REQUESTS_THAT_CONNECT} where each connects); median (smallest to largest).\n"
        f"{', '.join((*map(_version, (next(iter(measured)).python, str(VALGRIND.find()))), *programs))}.\n"
        f"Goal: at most {goal:g}× where connections are kept, {GOAL_MIB:g} MiB, and {GOAL_SHARE:.0%} of what"
        f" django-prometheus adds: {'missed: ' + ', '.join(missed) if missed else 'met'}."
    )


def _version(program: str) -> str:
    return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()


def _missed(measured: Measured, goal: float) -> list[str]:
    kept = {case: _goals(counted, goal) for case, counted in measured.items() if AGES[case.age] is None}
    return [f"{name} with {case}" for case, goals in kept.items() for name, met in goals.items() if not met]


def _goals(counted: Mapping[str, Counted], goal: float) -> dict[str, bool]:
    bare, ours = counted[BARE.name], counted[OURS.name]
    theirs = [_added(counted[arm.name], bare) for arm in THEIRS[1:] if arm.name in counted]
    return {
        "instructions": median(ours.instructions) <= goal * median(bare.instructions),
        "memory": median(ours.memory) - median(bare.memory) <= GOAL_MIB * MIB,
        "django-prometheus": all(_added(ours, bare) < GOAL_SHARE * added for added in theirs),
    }


def main() -> int:
    """0 when the goals are met."""
    arguments = _arguments()
    if VALGRIND.lacks():
        raise SystemExit(f"valgrind is not installed. Install it: {VALGRIND.install}")
    cases = [
        Case(mode=mode, age=age, python=arguments.python)
        for mode, age in product(arguments.only or KEEP_CLIENTS, AGES)
        if AGES[age] is None or not arguments.kept
    ]
    arms = (BARE, OURS, *(THEIRS if instrumentation.installed() and not arguments.ours else ()))
    console = Console()
    if not console.is_terminal:
        console.width = 180
    with watching("instructions") as watch:
        measured = measure(arms, cases, watch, arguments.boots, _caches() if arguments.caches else ())
    console.print(table(measured, arguments.goal))
    return 1 if _missed(measured, arguments.goal) else 0


def _caches() -> tuple[str, ...]:
    """Options for the first two caches of this CPU. Its last one is shared, and misses hardly anything."""
    options = ["--cache-sim=yes"]
    for folder in sorted(CPU_CACHES.glob("index*")):
        level, kind, size, ways, line = ((folder / name).read_text().strip() for name in CACHE_FILES)
        option = {("1", "Instruction"): "I1", ("1", "Data"): "D1", ("2", "Unified"): "LL"}.get((level, kind))
        if option:
            options.append(f"--{option}={int(size.removesuffix('K')) * 1024},{ways},{line}")
    return tuple(options)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=KEEP_CLIENTS, metavar="MODE", help=", ".join(KEEP_CLIENTS))
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="that runs the site; PYTHONPATH too")
    parser.add_argument(
        "--goal", type=float, default=GOAL_RATIO, metavar="RATIO", help="at most (default: %(default)s)"
    )
    parser.add_argument("--ours", action="store_true", help="leave django-prometheus out")
    parser.add_argument("--boots", type=int, default=BOOTS, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--kept", action="store_true", help="leave out the site that closes its connections")
    parser.add_argument("--caches", action="store_true", help="simulate the caches too, in twice the time")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
