"""Carries out one load in one load process: closed or open, from the instant of the start to the written result."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
from locust import events

from loadlab.load.generator.in_flight import requests_in_flight
from loadlab.load.generator.locust_setup import environment, local_runner
from loadlab.load.generator.recorder import Recorder
from loadlab.load.generator.request_counts import CountsWriter
from loadlab.load.generator.self_monitor import SelfMonitor
from loadlab.load.locust_plugins.arrivals import arrivals
from loadlab.load.locust_plugins.pacing import Pacer, arrival_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from loadlab.load.generator.contract import LoadRequest, LoadResult
    from loadlab.model.condition import OpenLoad

READY_SECONDS: Final = 20.0  # for all users of an open load to finish their on_start
DRAIN_SECONDS: Final = 10.0  # for the requests in flight when an open load ends
POLL_SECONDS: Final = 0.005
COUNTS_SECONDS: Final = 0.1  # often enough that two readings, half a second apart, never see the same


def drive(request: LoadRequest, number: int, start: Callable[[], float]) -> None:
    """Run load process `number`, from the instant that `start` returns; write the result to its file."""
    if request.processes > 1:
        random.seed(f"{request.seed}/{number}")  # scenarios that choose by chance must not all choose the same
    load = request.open_load
    recorder = Recorder(paced=load is not None)
    gevent.spawn(_write_down, CountsWriter(recorder.requests, Path(request.counts_file(number))))
    monitor = SelfMonitor()
    monitor.listen(events)
    gevent.spawn(monitor.run)
    result = _open(request, load, number, recorder, start) if load else _closed(request, number, recorder, start)
    pause, active_users = monitor.seen(request.window.after(recorder.origin))
    result = replace(result, pauses=(pause,), active_users=(active_users,))
    Path(request.result_of(number)).write_text(result.to_json())


def _write_down(writer: CountsWriter) -> None:
    while True:
        writer.write()
        gevent.sleep(COUNTS_SECONDS)


def _closed(request: LoadRequest, number: int, recorder: Recorder, start: Callable[[], float]) -> LoadResult:
    """Start all users at once, let warm-up and window pass, stop them where they are."""
    locust = environment(request)
    runner = local_runner(locust, recorder)
    recorder.start(origin := start())
    _sleep_until(origin)
    if locust.shape_class is not None:
        runner.start_shape()
    else:
        runner.start(users := request.users_of(number), spawn_rate=users)
    busy = _busy(request, origin)
    recorder.stopped([seconds for _, seconds in requests_in_flight()], request.window)
    runner.quit()
    return recorder.result(request.window, busy=(busy,))


def _open(
    request: LoadRequest, load: OpenLoad, number: int, recorder: Recorder, start: Callable[[], float]
) -> LoadResult:
    """Prepare all users, start tasks on schedule until the window has passed, then wait for the tasks in flight."""
    pacer = Pacer(arrivals(load, request.seed, first=number, step=request.processes), request.seed)
    runner = local_runner(environment(request, pacer), recorder)
    runner.start(users := request.users_of(number), spawn_rate=users)
    _await_users(pacer, users)
    recorder.start(origin := start())
    sending = gevent.spawn(pacer.run, origin, request.window.end)
    busy = _busy(request, origin)
    sending.get()
    recorder.unanswered(pacer.drain(DRAIN_SECONDS))
    recorder.unanswered_later(_later_requests())
    runner.quit()
    return recorder.result(request.window, dropped=pacer.dropped, busy=(busy,))


def _later_requests() -> list[float]:
    """The ages of the requests in flight that are not the first of their task."""
    arrivals = ((arrival_of(task), seconds) for task, seconds in requests_in_flight())
    return [seconds for arrival, seconds in arrivals if arrival is not None and arrival.first is not None]


def _await_users(pacer: Pacer, users: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while pacer.seats < users:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {pacer.seats} of {users} users finished their on_start")
        gevent.sleep(POLL_SECONDS)


def _busy(request: LoadRequest, origin: float) -> float:
    """Let warm-up and window pass; returns the share of a core that this process uses within the window."""
    _sleep_until(origin + request.window.start)
    began, spent = time.monotonic(), time.process_time()
    _sleep_until(origin + request.window.end)
    return (time.process_time() - spent) / max(time.monotonic() - began, POLL_SECONDS)


def _sleep_until(instant: float) -> None:
    gevent.sleep(max(0.0, instant - time.monotonic()))
