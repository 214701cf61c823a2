"""What all uWSGI modes share."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from loadlab.servers.base import Count, Flag, Limit, Seconds, Server, Site

GEVENT_PATCH = (
    "uWSGI's --gevent-monkey-patch patches Python after the site is loaded, and then nearly all concurrent requests"
    " fail; the mode uwsgi_gevent always patches early (--gevent-early-monkey-patch)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class UwsgiServer(Server):
    """uWSGI with a master and `workers` processes; it closes each client connection after the response.

    The master loads the site, and forks it; with `lazy_apps` each worker loads it. A worker that has answered
    `max_requests` (0: any number) and has lived for `min_worker_lifetime_seconds` is replaced.
    """

    packages: ClassVar[tuple[str, ...]] = ("pyuwsgi", "uwsgi")
    instead: ClassVar[Mapping[str, str]] = {"pyuwsgi": "uwsgi"}
    keeps_clients: ClassVar[bool] = False
    quiet_boot: ClassVar[bool] = True
    remarks: ClassVar[tuple[str, ...]] = (
        (
            "Without --master, SIGTERM ends one process, and the others go on with their connections and the port"
            " (uWSGI 2.0.31)."
        ),
        "With --http, clients connect for each request, unless --http-keepalive is set (uWSGI 2.0.31).",
        (
            "In a virtual environment, SIGHUP ends the uWSGI of the package pyuwsgi: it starts again with the"
            " interpreter outside. Set --binary-path to the environment's python (pyuwsgi 2.0.30.post1)."
        ),
    )
    # A worker has answered --max-requests requests.
    recycled: ClassVar[str] = r"The work of process (\d+) is done"
    refused: ClassVar[Mapping[str, str]] = {
        "enable_threads": "uWSGI has it always (since 2.0.30, or earlier)",
        "processes": "workers says how many processes answer requests",
        "gevent_monkey_patch": GEVENT_PATCH,
        "gevent_early_monkey_patch": "the mode uwsgi_gevent always has it",
    }

    workers: Count = 2
    lazy_apps: Flag = False
    max_requests: Limit = 0
    min_worker_lifetime_seconds: Seconds = 10

    @abstractmethod
    def threading_arguments(self) -> list[str]:
        """How a worker serves several requests at once."""

    def argv(self, site: Site, port: int) -> list[str]:
        uwsgi = [site.python, "-m", "loadlab.settings_override.with_uwsgi", "--http-socket", f"127.0.0.1:{port}"]
        # uWSGI closes the connection after a response, but does not say so. Other modes write no log of requests.
        plain = ["--add-header", "Connection: close", "--disable-logging"]
        master = ["--master", "--die-on-term", "--need-app", "--workers", str(self.workers)]
        return [*uwsgi, "--module", site.wsgi, *plain, *master, *self._life(), *self.threading_arguments()]

    def _life(self) -> list[str]:
        lazy = ["--lazy-apps"] if self.lazy_apps else []
        limit = ["--max-requests", str(self.max_requests)] if self.max_requests else []
        return [*lazy, *limit, "--min-worker-lifetime", str(self.min_worker_lifetime_seconds)]

    def needs(self, driver: str) -> tuple[str, ...]:  # noqa: ARG002
        return ("pyuwsgi",)

    def processes(self) -> int:
        return self.workers

    def loading(self) -> int:
        return self.workers if self.lazy_apps else 1 + self.workers

    def recycle_option(self) -> str:
        return "--max-requests"

    def recycled_after(self) -> int | None:
        return self.max_requests or None

    def replaced_workers(self) -> int:
        return self.workers

    def reload_signal(self) -> signal.Signals:
        return signal.SIGHUP
