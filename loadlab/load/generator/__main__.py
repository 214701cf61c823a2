"""The generator process: imports Locust once, then forks a fresh child for each order it reads.

It speaks with the lab over `lines`: a line of JSON is an order; the child answers with a line when the load starts, and
the parent with another when the child has ended. The generator ends when the lab closes its end.
"""

from __future__ import annotations

import argparse
import logging
import random
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import gevent
from locust import events
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile

from loadlab.load.distributed.watch import Watch
from loadlab.load.generator.arrivals import arrivals
from loadlab.load.generator.contract import ENDED, READY, Rehearsal, order_of
from loadlab.load.generator.lines import OPTION, Lines
from loadlab.load.generator.pacing import Pacer, arrival_of, opened
from loadlab.load.generator.process_group import carry_out, in_child
from loadlab.load.generator.recorder import Recorder
from loadlab.load.generator.tally import Tally
from loadlab.load.generator.under_way import requests_under_way
from loadlab.load.locust_plugins.user import with_keep_alive_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from locust import LoadTestShape, User
    from locust.runners import Runner

    from loadlab.load.generator.contract import LoadOrder, LoadResult
    from loadlab.model.condition import OpenLoad

READY_SECONDS: Final = 20.0  # for all users of an open load to have said hello
DRAIN_SECONDS: Final = 10.0  # for what is under way when an open load ends
POLL_SECONDS: Final = 0.005
TALLY_SECONDS: Final = 0.1  # often enough that two looks, half a second apart, never see the same
LOUD: Final = ("locust.user.task", "loadlab.load.generator.pacing")  # log each exception of a task, with its traceback
FEW_ERRORS: Final = 5


def environment(order: LoadOrder, pacer: Pacer | None = None) -> Environment:
    """Locust as its own command line would set it up for this locustfile; its users paced, if there is a pacer."""
    # First the file, as Locust does: it may add options of its own.
    users, shapes = load(order.locustfile)
    keep_alive = "on" if order.keep_alive else "off"
    options = get_parser(default_config_files=()).parse_args(
        ["--headless", "--host", order.host, "--client-keep-alive", keep_alive]
    )
    # For shapes, which are asked once a second and so end with the load; the option itself knows no fractions.
    options.num_users, options.run_time = order.users, order.window.end
    classes = [with_keep_alive_option(user) for user in users.values()]
    return Environment(
        locustfile=Path(order.locustfile).name,
        user_classes=[opened(user, pacer) for user in classes] if pacer else classes,
        shape_class=shapes[0] if shapes else None,
        host=order.host,
        parsed_options=options,
        events=events,
    )


def load(locustfile: str) -> tuple[dict[str, type[User]], list[LoadTestShape]]:
    users, shapes = load_locustfile(locustfile)
    if not users:
        raise ValueError(f"{locustfile} has no user class; derive one from locust.FastHttpUser, with a task in it")
    idle = [name for name, user in users.items() if not user.tasks and not hasattr(user, "task")]
    if idle:
        raise ValueError(
            f"{locustfile}: {' and '.join(idle)} has no task; put @task before a method, or abstract = True"
        )
    return users, shapes


def rehearse(rehearsal: Rehearsal) -> None:
    """Load a locustfile, and see whether its load can be shared out."""
    shapes = load(rehearsal.locustfile)[1]
    if shapes and rehearsal.shared:
        raise ValueError(
            f"{rehearsal.locustfile} has a LoadTestShape, which says itself how many users there are: leave it out, or"
            " measure it with a closed load from one load process"
        )


def drive(order: LoadOrder, number: int, start: Callable[[], float]) -> None:
    """Load as the load process of that number, from the instant that `start` gives; write what was seen."""
    if order.processes > 1:
        random.seed(f"{order.seed}/{number}")  # scenarios that choose by chance must not all choose the same
    load = order.open_load
    recorder = Recorder(paced=load is not None)
    gevent.spawn(_write_down, Tally(recorder, Path(order.tally_of(number))))
    watch = Watch()
    watch.listen(events)
    gevent.spawn(watch.run)
    result = _open(order, load, number, recorder, start) if load else _closed(order, number, recorder, start)
    result = watch.added_to(result, order.window.after(recorder.origin))
    Path(order.result_of(number)).write_text(result.to_json())


def _write_down(tally: Tally) -> None:
    while True:
        tally.write()
        gevent.sleep(TALLY_SECONDS)


def _closed(order: LoadOrder, number: int, recorder: Recorder, start: Callable[[], float]) -> LoadResult:
    """Start all users at once, let warm-up and window pass, stop them where they are."""
    locust = environment(order)
    runner = _runner(locust, recorder)
    recorder.start(origin := start())
    _sleep_until(origin)
    if locust.shape_class is not None:
        runner.start_shape()
    else:
        runner.start(users := order.users_of(number), spawn_rate=users)
    busy = _busy(order, origin)
    recorder.stopped([seconds for _, seconds in requests_under_way()], order.window)
    runner.quit()
    return recorder.result(order.window, busy=(busy,))


def _open(order: LoadOrder, load: OpenLoad, number: int, recorder: Recorder, start: Callable[[], float]) -> LoadResult:
    """Make all users ready, start tasks on schedule until the window has passed, then wait for what is under way."""
    pacer = Pacer(arrivals(load, order.seed, first=number, step=order.processes), order.seed)
    runner = _runner(environment(order, pacer), recorder)
    runner.start(users := order.users_of(number), spawn_rate=users)
    _await_users(pacer, users)
    recorder.start(origin := start())
    sending = gevent.spawn(pacer.run, origin, order.window.end)
    busy = _busy(order, origin)
    sending.get()
    recorder.unanswered(pacer.drain(DRAIN_SECONDS))
    recorder.unanswered_later(_later_requests())
    runner.quit()
    return recorder.result(order.window, dropped=pacer.dropped, busy=(busy,))


def _later_requests() -> list[float]:
    """For how long those requests have been under way whose task had an answer before."""
    arrivals = ((arrival_of(task), seconds) for task, seconds in requests_under_way())
    return [seconds for arrival, seconds in arrivals if arrival is not None and arrival.first is not None]


class Few(logging.Filter):
    """Lets the first few errors into a log: a task that always raises would fill the disk with one and the same."""

    def __init__(self, most: int = FEW_ERRORS) -> None:
        super().__init__()
        self._left = most

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.ERROR:
            self._left -= 1
        return record.levelno < logging.ERROR or self._left >= 0


def _runner(locust: Environment, recorder: Recorder) -> Runner:
    for name in LOUD:
        logging.getLogger(name).addFilter(Few())
    recorder.listen(locust.events)
    runner = locust.create_local_runner()
    events.init.fire(environment=locust, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
    return runner


def _await_users(pacer: Pacer, users: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while pacer.seats < users:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {pacer.seats} of {users} users got through their on_start")
        gevent.sleep(POLL_SECONDS)


def _busy(order: LoadOrder, origin: float) -> float:
    """Let warm-up and window pass; returns the share of a core that this process uses within the window."""
    _sleep_until(origin + order.window.start)
    began, spent = time.monotonic(), time.process_time()
    _sleep_until(origin + order.window.end)
    return (time.process_time() - spent) / max(time.monotonic() - began, POLL_SECONDS)


def _sleep_until(instant: float) -> None:
    gevent.sleep(max(0.0, instant - time.monotonic()))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadlab.load.generator")
    parser.add_argument(OPTION, type=int, required=True)
    lab = Lines.inherited(parser.parse_args().lines)
    lab.say(READY)
    while line := lab.hear():
        order = order_of(line)
        work = partial(rehearse, order) if isinstance(order, Rehearsal) else partial(carry_out, order, drive, lab)
        lab.say(ENDED, in_child(work))


if __name__ == "__main__":
    main()
