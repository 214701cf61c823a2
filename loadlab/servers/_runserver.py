"""What both modes of Django's development server share."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import ClassVar

from loadlab.model.strategy import Hooks
from loadlab.servers.base import Server, Site


@dataclass(frozen=True, kw_only=True, slots=True)
class RunServer(Server):
    """`manage.py runserver` with `flags`, without its reloader."""

    stop_signal: ClassVar[signal.Signals] = signal.SIGINT
    hooks: ClassVar[Hooks] = "runserver"
    single_process: ClassVar[bool] = True
    flags: ClassVar[tuple[str, ...]] = ()

    def argv(self, site: Site, port: int) -> list[str]:
        return [site.python, *site.manage, "runserver", "--noreload", *self.flags, f"127.0.0.1:{port}"]

    def processes(self) -> int:
        return 1
