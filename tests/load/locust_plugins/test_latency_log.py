"""Exact latencies of a Locust run: as many as Locust itself has counted, alone and over workers."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from family import family, kill
from hdrh.log import HistogramLogReader
from patience import PATIENCE_SECONDS, await_that
from sites import PlainSite, plain_site

from loadlab.load.locust_plugins.histograms import empty_histogram
from loadlab.system.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hdrh.histogram import HdrHistogram

pytestmark = pytest.mark.process

HERE = Path(__file__).parents[1]
RUN_SECONDS = (1, 3, 9, 27, 54)  # the first is enough, unless the machine is so busy that hardly anything is answered


@pytest.fixture
def site() -> Iterator[PlainSite]:
    with plain_site() as opened:
        yield opened


def locust(folder: Path, *arguments: str, locustfile: str = "kept_latency.py") -> subprocess.Popen[bytes]:
    environment = {**os.environ, "LATENCY_LOG": str(folder / "latency.hlog")}
    argv = [sys.executable, "-m", "locust", "-f", str(HERE / locustfile), "--skip-log-setup", *arguments]
    return subprocess.Popen(argv, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def headless(site: PlainSite, seconds: int) -> list[str]:
    load = ["--headless", "--host", site.url, "-u", "6", "-r", "6", "-t", f"{seconds}s"]
    return [*load, "--json-file", "counted", "--exit-code-on-error", "0"]


def counted_by_locust(folder: Path) -> dict[str, int]:
    """(tag → requests) as Locust's own statistics have them."""
    (path,) = folder.glob("counted*")
    counts: Counter[str] = Counter()
    for entry in json.loads(path.read_text()):
        failures = entry["num_failures"]
        name = entry["name"].replace(",", "%2C").replace(" ", "%20")
        counts[f"GET%20{name}"] += entry["num_requests"] - failures
        counts[f"failed%20GET%20{name}"] += failures
    return dict(+counts)


def intervals(folder: Path) -> Iterator[HdrHistogram]:
    """One for each second and tag."""
    reader = HistogramLogReader(str(folder / "latency.hlog"), empty_histogram())
    while (histogram := reader.get_next_interval_histogram()) is not None:
        yield histogram
    reader.close()


def kept(folder: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for histogram in intervals(folder):
        counts[histogram.get_tag()] += histogram.get_total_count()
    return dict(counts)


def heard(run: Callable[[Path, int], None], folder: Path, names: int) -> Path:
    """The folder of the shortest run in which so many names were asked for."""
    for seconds in RUN_SECONDS:
        inside = folder / str(seconds)
        inside.mkdir()
        run(inside, seconds)
        if len(kept(inside)) == names:
            break
    assert kept(inside) == counted_by_locust(inside)
    return inside


def test_a_plain_locust_run_keeps_every_request_that_it_counts(site: PlainSite, tmp_path: Path) -> None:
    def alone(folder: Path, seconds: int) -> None:
        assert locust(folder, *headless(site, seconds)).wait(PATIENCE_SECONDS) == 0

    found = kept(heard(alone, tmp_path, 2))
    assert set(found) == {"GET%20/page%2C%20first", "failed%20GET%20/fails"}


def over_two_workers(site: PlainSite, folder: Path, seconds: int, locustfile: str) -> None:
    bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port := free_port())]
    load = [*bind, "--expect-workers", "2", *headless(site, seconds)]
    master = locust(folder, "--master", *load, locustfile=locustfile)
    meet = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
    folders = [folder / name for name in ("one", "other")]
    for each in folders:
        each.mkdir()
    workers = [locust(each, *meet, locustfile=locustfile) for each in folders]
    try:
        assert master.wait(PATIENCE_SECONDS) == 0
    finally:
        for process in (master, *workers):
            process.kill()
            process.wait()
    assert not any(list(each.iterdir()) for each in folders)


@pytest.mark.slow  # test_over_processes has a master and workers too, and what the server had
def test_the_masters_file_has_every_request_of_all_its_workers(site: PlainSite, tmp_path: Path) -> None:
    def together(folder: Path, seconds: int) -> None:
        over_two_workers(site, folder, seconds, "kept_latency.py")

    assert len(kept(heard(together, tmp_path, 2))) == 2


def test_the_workers_of_an_open_load_share_its_rate(site: PlainSite, tmp_path: Path) -> None:
    def together(folder: Path, seconds: int) -> None:
        over_two_workers(site, folder, seconds, "paced_alone.py")

    folder = heard(together, tmp_path, 1)
    (requests,) = kept(folder).values()
    lasted = len({histogram.get_start_time_stamp() for histogram in intervals(folder)})
    # Were each worker to send all of it, there would be twice as many; the first and the last second are not whole.
    assert requests < 50 * lasted * 1.5


def served_during(site: PlainSite, run: Callable[[], None]) -> int:
    before = site.served()
    run()
    return site.served() - before - 1  # the page that counts is one of them


def load_with_processes(folder: Path, site: PlainSite, *more: str) -> None:
    port = str(free_port())
    bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", port, "--master-port", port]
    ran = locust(folder, "--processes", "2", *bind, *headless(site, 1), *more)
    try:
        assert ran.wait(PATIENCE_SECONDS) == 0
    finally:
        if ran.poll() is None:
            kill(reversed(family(ran.pid)))
            ran.wait()


def test_over_processes_the_file_has_every_request_that_the_server_had(site: PlainSite, tmp_path: Path) -> None:
    """Stopped in the middle of a request, each user may leave one that the server had and that is no sample."""
    served = served_during(site, lambda: load_with_processes(tmp_path, site))
    written = sum(kept(tmp_path).values())
    assert 0 < served - 6 <= written <= served
    assert kept(tmp_path) == counted_by_locust(tmp_path)
    assert "Incomplete" not in (tmp_path / "latency.hlog").read_text()


@pytest.mark.slow
def test_a_worker_that_takes_long_to_stop_is_waited_for(site: PlainSite, tmp_path: Path) -> None:
    """Its users say good-bye for two seconds: four times as long as Locust's master itself waits."""
    os.environ["GOODBYE_SECONDS"] = "2"
    try:
        served = served_during(site, lambda: load_with_processes(tmp_path, site))
    finally:
        del os.environ["GOODBYE_SECONDS"]
    found = kept(tmp_path)
    assert found["GET%20/goodbye"] == 6
    assert served - 6 <= sum(found.values()) <= served


@pytest.mark.slow
def test_a_worker_that_is_killed_is_named_with_when_it_last_reported(site: PlainSite, tmp_path: Path) -> None:
    bind = ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port := free_port())]
    master = locust(tmp_path, "--master", *bind, "--expect-workers", "2", *headless(site, 8))
    meet = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
    workers = [locust(tmp_path, *meet) for _ in range(2)]
    try:
        before, looks = site.served(), itertools.count(1)
        await_that(lambda: site.served() - next(looks) > before + 50, "no load")  # looking is a request as well
        workers[0].kill()
        assert master.wait(PATIENCE_SECONDS) == 0
    finally:
        for process in (master, *workers):
            process.kill()
            process.wait()
    (remark,) = re.findall(r"#\[Incomplete: (.*)\]", (tmp_path / "latency.hlog").read_text())
    assert re.fullmatch(r"worker \S+ reported nothing after \d\d:\d\d:\d\d, \d+\.\d s before the end", remark)
    assert kept(tmp_path)
