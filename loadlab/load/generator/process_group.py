"""The process group of one load: processes start together, each with its share of the users, and all are awaited."""

from __future__ import annotations

import os
import struct
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import gevent.socket
from gevent import monkey

from loadlab.load.generator.contract import LOST, READY, STARTED, describe_exit

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.load.generator.contract import LoadRequest
    from loadlab.load.generator.control_socket import ControlSocket

    # Prepares load process `number`, calls the function for the origin of time, and loads.
    RunLoad = Callable[[LoadRequest, int, Callable[[], float]], None]

LEAD_SECONDS: Final = 0.02  # from the start command to the start: enough to reach every process
ORIGIN: Final = struct.Struct("d")

# gevent's own would start its event loop in the parent, and each child would inherit it; its close waits for that loop.
_fork = monkey.get_original("os", "fork")
_waitpid = monkey.get_original("os", "waitpid")
_close = monkey.get_original("os", "close")


@dataclass(frozen=True, kw_only=True, slots=True)
class _LoadProcess:
    """The leader's view of a load process: the pipe that reports it ready, and the pipe that tells it the origin."""

    number: int
    pid: int
    ready: int
    origin: int


def run_in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; returns its exit status: 0 for success, the negated signal if one ended it."""
    child = _fork()
    if child:
        return exit_status(child)
    _do_and_end(work)
    raise AssertionError


def exit_status(child: int) -> int:
    return os.waitstatus_to_exitcode(_waitpid(child, 0)[1])


def _do_and_end(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001  the child must end here in any case
        traceback.print_exc()
        _exit(1)
    # Locust's greenlets have nothing left to say, and waiting for them would cost each trial.
    _exit(0)


def _exit(status: int) -> None:
    """End at once, but keep what the Locust file has printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a Locust file may have put anything in their place
            stream.flush()
    os._exit(status)


def run_load(request: LoadRequest, drive: RunLoad, lab: ControlSocket) -> None:
    """Run the load in as many processes as the request names.

    A single process needs no leader. A process of a distributed load has its leader on the master's host.
    """
    if request.number is not None:
        drive(request, request.number, partial(_start_when_told, lab))
    elif request.processes == 1:
        drive(request, 0, partial(_start_alone, lab))
    else:
        _lead(request, drive, lab)


def _start_alone(lab: ControlSocket) -> float:
    origin = time.monotonic()
    _report_start(lab, origin)
    return origin


def _start_when_told(lab: ControlSocket) -> float:
    """Receive the origin of time from the worker; end this process when the worker ends."""
    lab.send(READY)
    told = lab.receive()
    if not told:
        raise SystemExit("the worker ended before it sent the start time")
    gevent.spawn(_end_with, lab)
    origin = float(told)
    _report_start(lab, origin)
    return origin


def _end_with(lab: ControlSocket) -> None:
    gevent.socket.wait_read(lab.fileno())  # nothing more is to come but its end
    _exit(1)


def _report_start(lab: ControlSocket, origin: float) -> None:
    lab.send(STARTED, os.getpid(), repr(origin))


def _lead(request: LoadRequest, drive: RunLoad, lab: ControlSocket) -> None:
    processes: list[_LoadProcess] = []
    for number in range(request.processes):
        processes.append(_fork_process(request, number, drive, processes))
    # A process that has died reports nothing. The others continue; its exit status is read below.
    ready = [os.read(process.ready, 1) for process in processes]
    if not any(ready):
        raise SystemExit("no load process is ready")
    origin = time.monotonic() + LEAD_SECONDS
    for process in processes:
        with suppress(BrokenPipeError):
            os.write(process.origin, ORIGIN.pack(origin))
    _report_start(lab, origin)
    for process in processes:
        status = exit_status(process.pid)
        if status:
            lab.send(LOST, process.number, describe_exit(status))


def _fork_process(request: LoadRequest, number: int, drive: RunLoad, earlier: list[_LoadProcess]) -> _LoadProcess:
    ready, say_ready = os.pipe()
    told, tell = os.pipe()
    pid = _fork()
    if pid:
        _close(say_ready)
        _close(told)
        return _LoadProcess(number=number, pid=pid, ready=ready, origin=tell)
    # Only the leader may hold the other ends: when they close, the leader has ended.
    for end in (ready, tell, *(end for process in earlier for end in (process.ready, process.origin))):
        _close(end)

    def start() -> float:
        os.write(say_ready, b".")
        heard = os.read(told, ORIGIN.size)
        if not heard:
            raise SystemExit("the leading load process ended")
        origin: float = ORIGIN.unpack(heard)[0]
        return origin

    _do_and_end(lambda: drive(request, number, start))
    raise AssertionError
