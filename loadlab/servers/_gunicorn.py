"""What all gunicorn modes share."""

from __future__ import annotations

import signal
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Final

from loadlab.model.strategy import Hooks
from loadlab.servers._gevent import COOPERATION
from loadlab.servers.base import Count, Seconds, Server, Site

# gunicorn does not say that its gevent worker needs packaging.
WITH_GEVENT: Final = ("gunicorn", "gevent", "packaging", COOPERATION)


@dataclass(frozen=True, kw_only=True, slots=True)
class GunicornServer(Server):
    """gunicorn with one of its worker classes; `keep_alive_seconds` is how long an idle client may stay."""

    packages: ClassVar[tuple[str, ...]] = ("gunicorn",)
    hooks: ClassVar[Hooks] = "gunicorn"
    quiet_boot: ClassVar[bool] = True
    remarks: ClassVar[tuple[str, ...]] = (
        (
            "Once a worker has loaded Django, its log lines are in the zone of TIME_ZONE: by default America/Chicago"
            " (gunicorn 27.0.1)."
        ),
        (
            "Dirty workers (--dirty-workers) keep one connection each at any CONN_MAX_AGE, and then a stop by SIGTERM"
            " takes 31 s (gunicorn 27.0.1)."
        ),
    )
    # A worker has answered --max-requests requests.
    recycled: ClassVar[str] = r"\[(\d+)\] \[INFO\] Autorestarting worker after current request"

    workers: Count = 2

    @abstractmethod
    def worker_arguments(self) -> list[str]:
        """The worker class and what it takes."""

    def argv(self, site: Site, port: int) -> list[str]:
        return [*self.command(site), "--bind", f"127.0.0.1:{port}"]

    def command(self, site: Site) -> list[str]:
        """All but the address."""
        gunicorn = [site.python, "-m", "gunicorn", site.asgi if self.asgi else site.wsgi]
        # In place of a gunicorn.conf.py that the project may have: the plan says how it is served.
        configuration = ["--config", "python:loadlab.settings_override.gunicorn"]
        return [*gunicorn, "--workers", str(self.workers), *configuration, *self.worker_arguments()]

    def processes(self) -> int:
        return self.workers

    def recycle_option(self) -> str:
        return "--max-requests"

    def replaced_workers(self) -> int:
        return self.workers

    def reload_signal(self) -> signal.Signals:
        return signal.SIGHUP


@dataclass(frozen=True, kw_only=True, slots=True)
class KeepAliveGunicornServer(GunicornServer):
    """A gunicorn whose workers hold client connections open between requests."""

    keep_alive_seconds: Seconds = 5

    def keep_alive_arguments(self) -> list[str]:
        return ["--keep-alive", str(self.keep_alive_seconds)]
