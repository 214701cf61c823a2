"""What a watch concludes beside real sites: ended greenlets are evidence of a leak, living threads are none."""

from __future__ import annotations

import urllib.request
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from patience import PATIENCE_SECONDS

from loadlab.lab.application import ServerSetup, serving
from loadlab.plan.members import config_of
from loadlab.report.watch import as_text
from loadlab.scrape import scrape
from loadlab.servers import SERVERS
from loadlab.strategies import STRATEGIES
from loadlab.watch.observation import observe

if TYPE_CHECKING:
    from pathlib import Path

    from loadlab.lab.lab import Lab
    from loadlab.model.observation import Observation
    from loadlab.model.reading import Reading

BURSTS, REQUESTS = 3, 6  # fewer openings together than a share of them needs


def watched(lab: Lab, folder: Path, server: str, max_age: float) -> list[Reading]:
    """Readings before, between and after requests; each of these comes over a new client connection."""
    setup = ServerSetup(
        server=config_of(SERVERS, server, {} if server == "threaded" else {"workers": 1}, "server"),
        strategy=config_of(STRATEGIES, "max_age", {"max_age": max_age}, "strategy"),
        database=lab.database,
        ledgers=folder / "ledgers",
    )
    with serving(setup, lab.register, folder / "log") as site:
        readings = [scrape(f"{site.url}/metrics", None)]
        for _ in range(BURSTS):
            for _ in range(REQUESTS):
                urllib.request.urlopen(f"{site.url}/entries/1/", timeout=PATIENCE_SECONDS).close()  # noqa: S310  our own site
            readings.append(scrape(f"{site.url}/metrics", None))
    return readings


def as_an_earlier_loadlab_shows(reading: Reading) -> Reading:
    return replace(
        reading,
        hosts={
            alias: {host: replace(counts, holders={}) for host, counts in hosts.items()}
            for alias, hosts in reading.hosts.items()
        },
    )


def seen(readings: list[Reading]) -> Observation:
    return observe(readings, gaps=0, threads=None)


@pytest.mark.parametrize("server", ["gevent", pytest.param("threaded", marks=pytest.mark.slow)])
def test_a_few_connections_of_ended_threads_show_a_leak(lab: Lab, tmp_path: Path, server: str) -> None:
    readings = watched(lab, tmp_path, server, max_age=60)
    one = seen(readings).aliases["default"]
    assert one.opened == BURSTS * REQUESTS
    assert one.leak == "yes"
    assert one.leaked is not None
    assert one.leaked[1] > REQUESTS
    assert "leaked (thread ended" in as_text(seen(readings))
    earlier = seen(list(map(as_an_earlier_loadlab_shows, readings))).aliases["default"]
    assert earlier.leak == "too_few_opened"


@pytest.mark.parametrize(
    ("server", "max_age"),
    [
        ("sync", 60),
        pytest.param("gthread", 60, marks=pytest.mark.slow),
        pytest.param("gevent", 0, marks=pytest.mark.slow),
        pytest.param("asgi", 0, marks=pytest.mark.slow),
    ],
)
def test_where_no_thread_leaves_a_connection_none_has_leaked(
    lab: Lab, tmp_path: Path, server: str, max_age: float
) -> None:
    observation = seen(watched(lab, tmp_path, server, max_age))
    one = observation.aliases["default"]
    assert one.leaked == (0, 0, 0)
    assert one.leak != "yes"
    assert sum(one.holders.values()) == one.open[2]
    assert "none leaked" in as_text(observation)
