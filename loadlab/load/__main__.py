"""The generator process: imports Locust once, then forks a fresh child for each order it reads.

A line of JSON on standard input is an order; the child answers with a line when the load starts, and the parent with
another when the child has ended. End of input ends the generator.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
from gevent import monkey
from locust import events
from locust.argument_parser import get_parser
from locust.env import Environment
from locust.util.load_locustfile import load_locustfile

from loadlab.load.contract import ENDED, READY, STARTED, Rehearsal, order_of
from loadlab.load.recorder import Recorder
from loadlab.load.user import with_keep_alive_option

if TYPE_CHECKING:
    from locust import LoadTestShape, User

    from loadlab.load.contract import LoadOrder

# gevent's own fork would start its event loop in the parent, and each child would inherit it.
_fork = monkey.get_original("os", "fork")
_waitpid = monkey.get_original("os", "waitpid")


def environment(order: LoadOrder) -> Environment:
    """Locust as its own command line would set it up for this locustfile."""
    # First the file, as Locust does: it may add options of its own.
    users, shapes = load(order.locustfile)
    keep_alive = "on" if order.keep_alive else "off"
    options = get_parser(default_config_files=()).parse_args(
        ["--headless", "--host", order.host, "--client-keep-alive", keep_alive]
    )
    # For shapes, which are asked once a second and so end with the load; the option itself knows no fractions.
    options.num_users, options.run_time = order.users, order.warmup_seconds + order.window_seconds
    return Environment(
        locustfile=Path(order.locustfile).name,
        user_classes=[with_keep_alive_option(user) for user in users.values()],
        shape_class=shapes[0] if shapes else None,
        host=order.host,
        parsed_options=options,
        events=events,
    )


def load(locustfile: str) -> tuple[dict[str, type[User]], list[LoadTestShape]]:
    users, shapes = load_locustfile(locustfile)
    if not users:
        raise ValueError(f"{locustfile} has no user class; derive one from locust.FastHttpUser, with a task in it")
    return users, shapes


def drive(order: LoadOrder) -> None:
    """Start all users at once, let warm-up and window pass, stop them where they are, write what was seen."""
    locust = environment(order)
    recorder = Recorder()
    recorder.listen(locust.events)
    runner = locust.create_local_runner()
    events.init.fire(environment=locust, runner=runner, web_ui=None)  # type: ignore[no-untyped-call]
    print(STARTED, os.getpid(), repr(recorder.start()), flush=True)
    if locust.shape_class is not None:
        runner.start_shape()
    else:
        runner.start(order.users, spawn_rate=order.users)
    end = order.warmup_seconds + order.window_seconds
    gevent.sleep(end)
    runner.quit()
    Path(order.result).write_text(recorder.result(order.warmup_seconds, end).to_json())


def carry_out_in_child(order: LoadOrder | Rehearsal) -> int:
    """Do what was ordered in a child; returns its exit status, 0 for success."""
    child = _fork()
    if child:
        return os.waitstatus_to_exitcode(_waitpid(child, 0)[1])
    try:
        if isinstance(order, Rehearsal):
            load(order.locustfile)
        else:
            drive(order)
    except BaseException:  # noqa: BLE001  the child must end here, whatever happened
        traceback.print_exc()
        os._exit(1)
    # Locust's greenlets have nothing left to say, and waiting for them would cost each trial.
    os._exit(0)


def main() -> None:
    print(READY, flush=True)
    for line in sys.stdin:
        print(ENDED, carry_out_in_child(order_of(line)), flush=True)


if __name__ == "__main__":
    main()
