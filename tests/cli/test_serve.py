"""`loadlab serve`: a site to look at, until it is stopped."""

from __future__ import annotations

import re
import signal
import urllib.request
from typing import TYPE_CHECKING

from patience import PATIENCE_SECONDS

if TYPE_CHECKING:
    from command_line import CommandLine, InProcess


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310  our own site
        body: bytes = answer.read()
    return body.decode()


def addresses(welcome: str) -> tuple[str, str]:
    """A page that reads one row, and the metrics."""
    (site,) = re.findall(r"^  site +(http://\S+/)$", welcome, re.MULTILINE)
    (metrics,) = re.findall(r"^  metrics +(http://\S+)$", welcome, re.MULTILINE)
    return f"{site}entries/1/", metrics


def test_a_served_site_answers_and_shows_its_metrics_until_it_is_stopped(loadlab: CommandLine) -> None:
    choice = ["--server", "sync,workers=1", "--max-age", "none", "--port", 0]
    with loadlab.started("serve", *choice) as serving:
        serving.wait_until(lambda: "Ctrl-C stops it." in serving.stdout.read_text())
        welcome = serving.stdout.read_text()
        assert welcome.startswith("sync,workers=1 / max_age=none,conn_health_checks=off\n")
        site, metrics = addresses(welcome)
        assert f"--target-metrics {metrics}" in welcome
        home = site.removesuffix("entries/1/")
        page = fetched(home)
        assert "gunicorn" in page
        assert "<th align=left>CONN_MAX_AGE<td>None" in page
        for link in re.findall("href='(/[^']+)'", page):
            if "twice" not in link and "slow" not in link and "entries" not in link:
                assert fetched(home.removesuffix("/") + link)
        assert '"title": "Entry 1"' in fetched(site)
        fetched(site)
        text = fetched(metrics)
        serving.popen.send_signal(signal.SIGINT)
        assert serving.outcome().code == 130
    held = re.findall(r'^loadlab_db_connections_open{alias="default",holder="(\w+)"} 1.0$', text, re.MULTILINE)
    assert held in (["idle"], ["in_use"])  # a response is sent a moment before its request ends
    assert 'loadlab_db_requests_total{alias="default",connection="reused"} 1.0\n' in text
    assert loadlab.processes() == []


def test_a_site_is_served_with_any_strategy(loadlab: CommandLine) -> None:
    choice = ["--server", "sync,workers=1", "--driver", "psycopg", "--strategy", "pool,max_size=2", "--port", 0]
    with loadlab.started("serve", *choice) as serving:
        serving.wait_until(lambda: "Ctrl-C stops it." in serving.stdout.read_text())
        welcome = serving.stdout.read_text()
        site, metrics = addresses(welcome)
        for _ in range(3):
            fetched(site)
        text = fetched(metrics)
        serving.popen.send_signal(signal.SIGINT)
        assert serving.outcome().code == 130
    (size,) = re.findall(r'^loadlab_db_pool_size{alias="default"} (\d)', text, re.MULTILINE)
    assert size in "12"  # the first request may make it grow
    assert f'loadlab_db_connections_opened_total{{alias="default"}} {size}.0\n' in text
    assert 'loadlab_db_requests_total{alias="default",connection="reused"}' in text


def test_an_incompatible_strategy_is_refused_before_anything_starts(here: InProcess) -> None:
    done = here("serve", "--server", "sync", "--strategy", "leased_threads")
    assert done.code == 2
    assert "leased_threads in sync: only under ASGI can an application choose the thread of a request" in done.stderr


def test_a_server_mode_that_cannot_serve_so_is_refused_with_the_remedy(here: InProcess) -> None:
    done = here("serve", "--server", "tornado")
    assert done.code == 2
    assert "--server tornado async_unsafe: is false, so every request that queries fails" in done.stderr
    assert "(use gthread, or gunicorn_asgi for async views" in done.stderr
    done = here("serve", "--server", "gevent,cooperative=off", "--driver", "psycopg")
    assert done.code == 2
    assert "--server gevent cooperative: psycopg 3 always cooperates" in done.stderr


def test_a_strategy_that_does_not_fit_the_driver_names_the_option(here: InProcess) -> None:
    done = here("serve", "--server", "sync", "--strategy", "pool")
    assert done.code == 2
    assert "the pool needs psycopg 3" in done.stderr
    assert "(here: --driver psycopg)" in done.stderr
