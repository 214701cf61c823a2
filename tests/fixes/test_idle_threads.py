"""granian ends threads that are idle: what becomes of their connections, with and without a fix."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any, Final

import psutil
import pytest
from patience import await_that
from site_under_fix import CLIENTS, REQUESTS

THREADS: Final = 4
IDLE: Final = {"threads": THREADS, "idle_seconds": 5}  # the least that granian takes
ASKED: Final = CLIENTS * REQUESTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("granian") is None, reason="granian is not installed"),
]


def threads(served: Any) -> int:
    running = psutil.Process(served.application.program.pid)
    return max(one.num_threads() for one in running.children(recursive=True))


def await_idle(served: Any, busy: int) -> None:
    """Wait until granian has ended the threads that have nothing to do: all but one."""
    await_that(lambda: threads(served) <= busy - THREADS + 1)


def test_connections_of_idle_threads_stay_and_new_ones_come(serve: Any) -> None:
    """With granian 2.8.9, idle threads end after 30 s, or `--blocking-threads-idle-timeout`."""
    with serve("max_age", "granian", workers=IDLE) as served:
        served.load()
        assert served.counted()["open"] == THREADS
        await_idle(served, threads(served))
        served.load()
        served.await_open(2 * THREADS - 1)
        assert served.counted()["open"] == 2 * THREADS - 1


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_close_on_thread_exit_closes_what_idle_threads_had(serve: Any, driver: str) -> None:
    with serve("close_on_thread_exit", "granian", driver=driver, workers=IDLE) as served:
        served.load()
        busy = threads(served)
        assert served.counted() == {"opened": THREADS, "open": THREADS, "explicit": 0, "reused": ASKED - THREADS}
        await_idle(served, busy)
        served.await_open(1)
        served.load()
        served.await_open(THREADS)


def test_reap_dead_threads_needs_python_3_13_for_native_threads(serve: Any) -> None:
    """Threads of granian are Rust's. Before 3.13, Python's object for such a thread says that it is alive for ever."""
    with serve("reap_dead_threads", "granian", workers=IDLE) as served:
        served.load()
        await_idle(served, threads(served))
        served.load()
        left = THREADS if sys.version_info >= (3, 13) else 2 * THREADS - 1
        served.await_open(left)
        assert served.counted()["open"] == left
