"""The Django app: naming `loadlab.instrumentation` in INSTALLED_APPS is all that counting takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.apps import AppConfig

from loadlab.instrumentation import async_counting, checks, counting, current, timing, units
from loadlab.instrumentation.configuration import configuration
from loadlab.instrumentation.uses_file import VARIABLE as USES

if TYPE_CHECKING:
    from types import ModuleType


class InstrumentationConfig(AppConfig):
    name = "loadlab.instrumentation"
    label = "loadlab_instrumentation"
    verbose_name = "loadlab connection metrics"

    def __init__(self, app_name: str, app_module: ModuleType) -> None:
        super().__init__(app_name, app_module)
        units.watch()
        # Models are imported, and may query, before any app is made ready. Of the apps those that are named before this
        # one are imported by now: what they have left open is found.
        counting.install()
        counting.install_apart()
        if os.environ.get(USES):  # in a lab's targets only
            from loadlab.instrumentation import uses  # noqa: PLC0415

            uses.install(os.environ[USES].split(","))

    def ready(self) -> None:
        async_counting.install()
        timing.install()
        current.ledger()  # from now on this process is counted, even before its first connection
        if configuration().metrics_port is not None:
            # Most processes serve no port of their own, and should not pay for importing a server.
            from loadlab.instrumentation.port import serve_where_told  # noqa: PLC0415

            serve_where_told()
        checks.register()
        checks.warn_when_served()
