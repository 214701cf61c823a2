"""`loadlab serve`: a site to look at, until it is stopped."""

from __future__ import annotations

import re
import signal
import urllib.request
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from command_line import CommandLine


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310  our own site
        body: bytes = answer.read()
    return body.decode()


def test_a_served_site_answers_and_shows_its_metrics_until_it_is_stopped(loadlab: CommandLine) -> None:
    choice = ["--server", "sync,workers=1", "--max-age", "none", "--port", 0]
    with loadlab.started("serve", *choice) as serving:
        serving.wait_until(lambda: "Ctrl-C stops it." in serving.stdout.read_text())
        welcome = serving.stdout.read_text()
        assert welcome.startswith("sync,workers=1 / max_age=none,conn_health_checks=off\n")
        site, metrics = re.findall(r"http://\S+/(?:entries/1/|metrics)", welcome)
        assert '"title": "Entry 1"' in fetched(site)
        fetched(site)
        text = fetched(metrics)
        serving.popen.send_signal(signal.SIGINT)
        assert serving.outcome().code == 130
    assert 'loadlab_db_connections_open{alias="default"} 1.0\n' in text
    assert 'loadlab_db_requests_total{alias="default",connection="reused"} 1.0\n' in text
    assert loadlab.processes() == []
