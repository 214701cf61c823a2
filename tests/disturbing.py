"""Disturbs a trial while it runs: processes that the test's own lab has started are stopped or killed."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import psutil
from family import alive
from family import kill as kill_all
from patience import await_that

from loadlab.load.generator.request_counts import read_counts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from loadlab.lab.lab import Lab

ENOUGH: Final = 6  # requests, after which a load is under way
HEAD_SECONDS: Final = 0.2  # from then on until something happens: longer than the warm-up, so that it is in the window


@contextmanager
def meanwhile(lab: Lab, act: Callable[[], None]) -> Iterator[None]:
    """Have `act` done while the trial in the context is under load; fails if it could not be."""
    counts = lab.scratch / "load.json.0.counts"
    counts.unlink(missing_ok=True)
    failed: list[BaseException] = []

    def wait_and_act() -> None:
        try:
            await_that(lambda: read_counts([counts]).requests >= ENOUGH, "the load did not begin")
            time.sleep(HEAD_SECONDS)
            act()
        except BaseException as error:  # noqa: BLE001  told in the test's own thread
            failed.append(error)

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        yield
    finally:
        thread.join()
    assert not failed, failed


def stop(processes: Iterable[psutil.Process], seconds: float | None = None) -> None:
    """SIGSTOP them all; after so many seconds they go on."""
    stopped = list(processes)
    assert stopped, "there is nothing to stop"
    for process in stopped:
        with suppress(psutil.NoSuchProcess):  # backends come and go
            process.suspend()
    if seconds is not None:
        time.sleep(seconds)
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def kill(processes: Iterable[psutil.Process]) -> None:
    killed = list(processes)
    assert killed, "there is nothing to kill"
    kill_all(killed)


def ours(*words: str) -> list[psutil.Process]:
    """The processes below this one that have all the words in their command lines, the oldest first."""
    return matching(psutil.Process().children(recursive=True), *words)


def matching(processes: Iterable[psutil.Process], *words: str) -> list[psutil.Process]:
    found = []
    for process in processes:
        with suppress(psutil.Error):
            line = " ".join(process.cmdline())
            if all(word in line for word in words) and alive(process):
                found.append(process)
    return sorted(found, key=lambda one: (one.create_time(), one.pid))
