"""What is known of a fleet's application: from its run, from its watch, or as its file estimates it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from loadlab.fleet.application import application_of_run, application_of_watch
from loadlab.model.fleet import Application, Distribution

if TYPE_CHECKING:
    from collections.abc import Iterable

    from loadlab.fleet.fleet_file import Fleet
    from loadlab.model.fleet_question import GivenApplication

MILLI: Final = 1e-3
MEGABYTE: Final = 1e6
ESTIMATED: Final = "estimates in the fleet's file"


def application_of(fleet: Fleet) -> Application:
    """What the model has to know of the project.

    Raises:
        UsageError: it cannot be read, or does not know the server mode.
    """
    asked = fleet.question
    if asked.run is not None:
        return application_of_run(fleet.folder / asked.run, fleet.server.name)
    if asked.watch is not None:
        return application_of_watch(fleet.folder / asked.watch)
    if asked.application is None:
        raise TypeError("a consistent fleet says where its application was measured")
    return _estimated(asked.application)


def _estimated(given: GivenApplication) -> Application:
    """How requests spread over threads is not in it."""
    return Application(
        connect_seconds=_seconds(given.connect_ms),
        hold_seconds=_seconds(given.hold_ms),
        spreads={},
        app_cpu_per_connect=_scaled(given.app_cpu_ms_per_connect, MILLI),
        database_cpu_per_connect=_scaled(given.database_cpu_ms_per_connect, MILLI),
        app_cpu_per_request=_scaled(given.app_cpu_ms_per_request, MILLI),
        idle_backend_bytes=_scaled(given.idle_backend_mb, MEGABYTE),
        client_bytes=_scaled(given.client_connection_mb, MEGABYTE),
        source=ESTIMATED,
    )


def _seconds(milliseconds: Iterable[float]) -> Distribution:
    return Distribution(values=tuple(sorted(one * MILLI for one in milliseconds)))


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit
