"""What the proxy of a distance costs: the time that it adds to each round trip, and its CPU."""

from __future__ import annotations

import selectors
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Final

import psutil
from rich.table import Table
from workbench import interleaved

from loadlab.faults import FaultContext
from loadlab.faults.added_latency import AddedLatency
from loadlab.services.database import Database
from loadlab.system.processes import Register

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from workbench import Watch

BLOCKS: Final = 3
ROUND_TRIPS_MS: Final = (None, 0.0, 0.5, 2.0, 10.0)  # None: no proxy at all
ALONE_SECONDS: Final = 3.0
CROWD_SECONDS: Final = 3.0
CLIENTS: Final = 20
PACE: Final = 2000  # round trips per second of all clients together
QUESTION: Final = b"x" * 100
MOST: Final = 4096

# In its own process, so that the proxy waits for its own interpreter alone.
ECHO: Final = """
import contextlib, socket, threading
def echo(one):
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with contextlib.suppress(OSError):  # a client may go while answers are on their way
        while said := one.recv(4096):
            one.sendall(said)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
while True:
    threading.Thread(target=echo, args=[listener.accept()[0]], daemon=True).start()
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Seconds of each exchange of one client alone; of 20 at a set pace, the proxy's CPU; and how many they can do."""

    round_trip_ms: float | None
    seconds: list[float]
    cpu_seconds: float
    most_per_second: float


def run(watch: Watch, blocks: int | None) -> Table:
    with Register.opened() as register, tempfile.TemporaryDirectory() as logs, echoing() as server:
        return table(
            [
                measure(round_trip_ms, server, register, Path(logs))
                for _, round_trip_ms in watch.over(
                    interleaved(ROUND_TRIPS_MS, blocks or BLOCKS), lambda arm: _name(arm[1])
                )
            ]
        )


@contextmanager
def echoing() -> Iterator[int]:
    with subprocess.Popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE) as popen:
        if popen.stdout is None:
            raise TypeError("the echo is started with a pipe")
        try:
            yield int(popen.stdout.readline())
        finally:
            popen.kill()


def measure(round_trip_ms: float | None, server: int, register: Register, logs: Path) -> Measured:
    if round_trip_ms is None:
        return Measured(round_trip_ms=None, seconds=alone(server), cpu_seconds=0.0, most_per_second=rushing(server))
    context = FaultContext(database=_stand_in(server), register=register, log=logs / "proxy.log")
    with AddedLatency(round_trip_ms=round_trip_ms).applied(context) as far:
        port = int(far.database.parameters["port"])
        seconds = alone(port)
        before = _cpu(far.trees["proxy"])
        exchanges = at_a_pace(port)
        spent = _cpu(far.trees["proxy"]) - before
        most = rushing(port)
    return Measured(round_trip_ms=round_trip_ms, seconds=seconds, cpu_seconds=spent / exchanges, most_per_second=most)


def _stand_in(server: int) -> Database:
    """The echo in a database's place: the proxy knows nothing of what it carries."""
    address = {"host": "127.0.0.1", "port": str(server)}
    return Database(name="", parameters=address, observer=address, observer_name="", embedded=True)


def _cpu(pid: int) -> float:
    return sum(psutil.Process(pid).cpu_times()[:2])


def alone(port: int) -> list[float]:
    taken = []
    with _connected(port) as client:
        end = time.perf_counter() + ALONE_SECONDS
        while (begun := time.perf_counter()) < end:
            client.sendall(QUESTION)
            client.recv(MOST)
            taken.append(time.perf_counter() - begun)
    return taken[len(taken) // 20 :]  # the first ones wait for the connection, and for the loop to know its clock


def at_a_pace(port: int) -> int:
    """One client after the other sends each 1/PACE seconds; returns how many answers have come."""
    answered, sent = 0, 0
    with _crowd(port) as (clients, selector):
        begun = time.perf_counter()
        while (late := time.perf_counter() - begun) < CROWD_SECONDS:
            while sent < late * PACE:
                clients[sent % CLIENTS].sendall(QUESTION)
                sent += 1
            answered += _answers(selector, 0)
            time.sleep(max(0.0, begun + sent / PACE - time.perf_counter()))
    return answered


def rushing(port: int) -> float:
    """How many exchanges there are in a second when each client asks again as soon as it has its answer."""
    answered = 0
    with _crowd(port) as (clients, selector):
        for client in clients:
            client.sendall(QUESTION)
        begun = time.perf_counter()
        while time.perf_counter() - begun < CROWD_SECONDS:
            for key, _ in selector.select():
                key.data.recv(MOST)
                key.data.sendall(QUESTION)
                answered += 1
        return answered / (time.perf_counter() - begun)


def _answers(selector: selectors.BaseSelector, timeout: float) -> int:
    return sum(len(key.data.recv(MOST)) // len(QUESTION) for key, _ in selector.select(timeout))


@contextmanager
def _crowd(port: int) -> Iterator[tuple[list[socket.socket], selectors.BaseSelector]]:
    clients = [_connected(port) for _ in range(CLIENTS)]
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client, selectors.EVENT_READ, client)
            client.sendall(QUESTION)
        waiting = CLIENTS
        while waiting:
            waiting -= _answers(selector, 1)
        yield clients, selector
    for client in clients:
        client.close()


def _connected(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def table(measured: Sequence[Measured]) -> Table:
    direct = median(_seconds(measured, None))
    made = Table(
        title="What the proxy costs, by the round trip that it stands for",
        caption=f"Added: beyond the round trip asked for and the {direct * 1e6:.0f} µs of an exchange without a proxy"
        f" (its p95: {_p95(_seconds(measured, None)) * 1e6:.0f} µs), one client.\n"
        f"CPU: {CLIENTS} clients, {PACE:,} exchanges per second together. Most: the same clients, as fast as they can;"
        " client, proxy and echo share the machine.",
    )
    for heading in ("", "added (µs)", "p95", "CPU per exchange (µs)", f"of a core at {PACE:,}/s", "most per second"):
        made.add_column(heading, justify="right" if heading else "left")
    for round_trip_ms in ROUND_TRIPS_MS:
        made.add_row(_name(round_trip_ms), *_row(measured, round_trip_ms, direct))
    return made


def _row(measured: Sequence[Measured], round_trip_ms: float | None, direct: float) -> list[str]:
    most = f"{median(one.most_per_second for one in measured if one.round_trip_ms == round_trip_ms):,.0f}"
    if round_trip_ms is None:
        return ["", "", "", "", most]
    added = [seconds - round_trip_ms / 1000 - direct for seconds in _seconds(measured, round_trip_ms)]
    cpu = median(one.cpu_seconds for one in measured if one.round_trip_ms == round_trip_ms)
    return [f"{median(added) * 1e6:.0f}", f"{_p95(added) * 1e6:.0f}", f"{cpu * 1e6:.0f}", f"{cpu * PACE:.0%}", most]


def _seconds(measured: Sequence[Measured], round_trip_ms: float | None) -> list[float]:
    return [seconds for one in measured if one.round_trip_ms == round_trip_ms for seconds in one.seconds]


def _p95(seconds: Sequence[float]) -> float:
    return quantiles(seconds, n=20)[-1]


def _name(round_trip_ms: float | None) -> str:
    return "no proxy" if round_trip_ms is None else f"{round_trip_ms:g} ms"
