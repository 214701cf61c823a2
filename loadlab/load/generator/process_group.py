"""The load processes of one load: started together, each with its share, watched until the last has ended."""

from __future__ import annotations

import os
import signal
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

from loadlab.load.generator.contract import LOST, READY, STARTED

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.load.generator.contract import LoadOrder
    from loadlab.load.generator.lines import Lines

    # Makes ready the load process of that number, calls what it is given for the origin of time, and loads.
    Drive = Callable[[LoadOrder, int, Callable[[], float]], None]

LEAD_SECONDS: Final = 0.02  # from the order to start until the start: long enough for it to reach every process
ORIGIN: Final = struct.Struct("d")

# gevent's own would start its event loop in the parent, and each child would inherit it; its close waits for that loop.
_fork = monkey.get_original("os", "fork")
_waitpid = monkey.get_original("os", "waitpid")
_close = monkey.get_original("os", "close")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Member:
    """A load process as its leader holds it: where it says that it is ready, and where it is told the origin."""

    number: int
    pid: int
    ready: int
    origin: int


def in_child(work: Callable[[], None]) -> int:
    """Do something in a child; returns its exit status, 0 for success, minus the signal if one has ended it."""
    child = _fork()
    if child:
        return exit_status(child)
    _do_and_end(work)
    raise AssertionError


def exit_status(child: int) -> int:
    return os.waitstatus_to_exitcode(_waitpid(child, 0)[1])


def ending(status: int) -> str:
    """An exit status in words."""
    return f"was ended by {signal.Signals(-status).name}" if status < 0 else f"failed with status {status}"


def _do_and_end(work: Callable[[], None]) -> None:
    try:
        work()
    except BaseException:  # noqa: BLE001  the child must end here, whatever happened
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


def carry_out(order: LoadOrder, drive: Drive, lab: Lines) -> None:
    """Load with as many processes as the order says; one alone needs no leader, one of many hosts has it elsewhere."""
    if order.number is not None:
        drive(order, order.number, partial(_start_when_told, lab))
    elif order.processes == 1:
        drive(order, 0, partial(_start_alone, lab))
    else:
        _lead(order, drive, lab)


def _start_alone(lab: Lines) -> float:
    origin = time.monotonic()
    _say_started(lab, origin)
    return origin


def _start_when_told(lab: Lines) -> float:
    """Hear the origin of time, and end with the worker that says it."""
    lab.say(READY)
    told = lab.hear()
    if not told:
        raise SystemExit("the worker that says when to start is gone")
    gevent.spawn(_end_with, lab)
    origin = float(told)
    _say_started(lab, origin)
    return origin


def _end_with(lab: Lines) -> None:
    gevent.socket.wait_read(lab.fileno())  # nothing more is to come but its end
    _exit(1)


def _say_started(lab: Lines, origin: float) -> None:
    lab.say(STARTED, os.getpid(), repr(origin))


def _lead(order: LoadOrder, drive: Drive, lab: Lines) -> None:
    crew: list[_Member] = []
    for number in range(order.processes):
        crew.append(_member(order, number, drive, crew))
    # One that has died says nothing more. The others go on without it: its end is noticed below.
    ready = [os.read(member.ready, 1) for member in crew]
    if not any(ready):
        raise SystemExit("no load process got ready")
    origin = time.monotonic() + LEAD_SECONDS
    for member in crew:
        with suppress(BrokenPipeError):
            os.write(member.origin, ORIGIN.pack(origin))
    _say_started(lab, origin)
    for member in crew:
        status = exit_status(member.pid)
        if status:
            lab.say(LOST, member.number, ending(status))


def _member(order: LoadOrder, number: int, drive: Drive, earlier: list[_Member]) -> _Member:
    ready, say_ready = os.pipe()
    told, tell = os.pipe()
    pid = _fork()
    if pid:
        _close(say_ready)
        _close(told)
        return _Member(number=number, pid=pid, ready=ready, origin=tell)
    # Whoever holds the other ends must be the leader alone: their closing says that it is gone.
    for end in (ready, tell, *(end for member in earlier for end in (member.ready, member.origin))):
        _close(end)

    def start() -> float:
        os.write(say_ready, b".")
        heard = os.read(told, ORIGIN.size)
        if not heard:
            raise SystemExit("the leader of the load processes is gone")
        origin: float = ORIGIN.unpack(heard)[0]
        return origin

    _do_and_end(lambda: drive(order, number, start))
    raise AssertionError
