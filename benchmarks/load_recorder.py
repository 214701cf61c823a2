"""What listening to one request costs: prints, for each listener, the CPU seconds per request as JSON.

Called by load.py; a separate program, because Locust patches the process that imports it.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from io import StringIO
from typing import TYPE_CHECKING, Any

from locust.event import Events

from loadlab.load.generator.recorder import Recorder
from loadlab.load.locust_plugins.histograms import HistogramLog
from loadlab.load.locust_plugins.latency_log import LatencyLog
from loadlab.load.locust_plugins.pacing import Arrival, current_arrival

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

REQUESTS = 100_000
META = {"request_type": "GET", "name": "/entries/[number]/", "response_length": 43, "exception": None, "context": {}}


def no_listener(events: Events) -> None:
    """The event alone."""


def record(events: Events) -> None:
    Recorder().listen(events)


def record_paced(events: Events) -> None:
    Recorder(paced=True).listen(events)


def keep_histograms(events: Events) -> None:
    log = LatencyLog(path=_no_path())
    log._log = HistogramLog(StringIO(), time.time())  # noqa: SLF001  without a file
    events.request.add_listener(log._request)  # noqa: SLF001


def _no_path() -> Path:
    return None  # type: ignore[return-value]


def seconds_per_request(listen: Callable[[Events], None]) -> float:
    events = Events()
    listen(events)
    fire: Any = events.request.fire
    gc.collect()
    began = time.process_time()
    for number in range(REQUESTS):
        # One task each, as under an open load; all listeners pay for it.
        current_arrival.set(Arrival(time.monotonic()))
        fire(response_time=1.0 + number % 1000 / 100, start_time=time.time(), **META)
    return (time.process_time() - began) / REQUESTS


def main() -> None:
    listeners = {each.__name__: each for each in (no_listener, record, record_paced, keep_histograms)}
    json.dump({name: seconds_per_request(listener) for name, listener in listeners.items()}, sys.stdout)


if __name__ == "__main__":
    main()
